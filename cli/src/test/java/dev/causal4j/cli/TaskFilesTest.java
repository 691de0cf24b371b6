package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Task files and data files that are hostile, wrong or odd; EvalCommandTest has those of the harness. */
class TaskFilesTest {
    private static final Path CASES = Path.of("src/test/resources/dev/causal4j/cli/eval");
    private static final String MODEL = Repository.root()
            .resolve("core/src/test/resources/dev/causal4j/stories260K/stories260K.gguf")
            .toString();
    private static final String TASK = """
            task: t
            output_type: multiple_choice
            test_split: test
            doc_to_text: "{{q}}"
            doc_to_choice: [" a", " b"]
            doc_to_target: 0
            """;

    @TempDir
    private Path folder;

    private static Program.Run run(List<String> command) {
        return Program.run(command.toArray(String[]::new));
    }

    private void write(String name, String text) throws IOException {
        Files.writeString(folder.resolve(name), text);
    }

    private static String prompt(Path samples) throws IOException {
        return JsonMapper.shared()
                .readTree(Files.readAllLines(samples).getFirst())
                .at("/arguments/gen_args_0/arg_0")
                .asString();
    }

    private Program.Run eval(String yaml, String rows, String... more) throws IOException {
        Files.writeString(folder.resolve("task.yaml"), yaml);
        Files.writeString(folder.resolve("rows.jsonl"), rows);
        List<String> command =
                new ArrayList<>(List.of("eval", folder.resolve("task.yaml").toString(), "--data"));
        command.addAll(List.of("test=" + folder.resolve("rows.jsonl"), "--model", MODEL));
        command.addAll(Arrays.asList(more));
        return run(command);
    }

    @Test
    void groupsThatGrowWithoutBoundAreRefused() throws IOException {
        for (int i = 0; i < 40; i++) {
            String next = "g" + (i + 1);
            Files.writeString(
                    folder.resolve("g" + i + ".yaml"), "group: g" + i + "\ntask: [" + next + ", " + next + "]\n");
        }
        Files.writeString(folder.resolve("g40.yaml"), TASK.replace("task: t", "task: g40"));
        run(List.of("eval", folder.resolve("g0.yaml").toString(), "--model", MODEL))
                .refused(1, "tasks and groups in it, got more");
    }

    @Test
    void hostileTaskFilesAreRefusedInALine() throws IOException {
        StringBuilder bomb = new StringBuilder("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for (int i = 1; i < 9; i++) {
            bomb.append("a" + i + ": &a" + i + " [" + ("*a" + (i - 1) + ",").repeat(9) + "x]\n");
        }
        eval(bomb + TASK, "{\"q\": \"x\"}").refused(1, "task.yaml: expected YAML 1.1, got an error");
        eval("m: &m [*m]\n" + TASK, "").refused(1, "task.yaml: expected YAML 1.1, got an error");
        eval("[".repeat(10_000), "").refused(1, "task.yaml: expected YAML 1.1");
        eval("!!javax.script.ScriptEngineManager [x]", "").refused(1, "task.yaml: expected YAML 1.1");
        eval("include: task.yaml\n" + TASK, "").refused(1, "include each other");
        eval("x: " + "y".repeat(2_000_000), "").refused(1, "task.yaml: expected");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "repeats: 2 | t, repeats: expected 1, got 2",
                "nonsense: 1 | t, nonsense: expected a known key, got 1",
                "use_prompt: x | t: expected no Python, got use_prompt",
                "unsafe_code: true | t: expected no Python, got unsafe_code: true",
                "doc_to_image: x | doc_to_image",
                "class: !function x.Y | class: !function x.Y",
                "filter_list: [{name: n, filter: [{function: !function utils.F}]}] | filter_list: !function utils.F",
                "filter_list: [{name: n, filter: [{function: regex}]}] | filter",
                "metric_list: [{metric: acc, aggregation: median}] | aggregation: expected mean, got",
                "metric_list: [{metric: acc, weight: 2}] | known settings",
                "fewshot_config: {split: test, sampler: balanced} | sampler",
                "output_type: nothing | output_type: expected one of",
                "target_delimiter: 1 | target_delimiter: expected a text, got 1",
                "doc_to_text: '{{ missing }}' | no missing",
            })
    void whatNeedsPythonOrIsUnknownIsRefusedByName(String line, String told) throws IOException {
        String key = line.substring(0, line.indexOf(':') + 1);
        String task = TASK.lines().filter(each -> !each.startsWith(key)).reduce("", (all, each) -> all + each + "\n");
        eval(task + line + "\n", "{\"q\": \"x\"}\n").refused(1, told);
    }

    @Test
    void aTaskIsNotBegunIfAnotherIsRefused() throws IOException {
        Path out = folder.resolve("out.jsonl");
        Path other = Files.writeString(folder.resolve("b.yaml"), TASK.replace("task: t", "task: b") + "repeats: 2\n");
        eval(TASK, "{\"q\": \"x\"}\n", other.toString(), "--out", out.toString())
                .refused(1, "b, repeats");
        assertThat(out).doesNotExist();
    }

    @Test
    void tablesHaveQuotesLinesAndNumbers() throws IOException {
        Files.writeString(folder.resolve("rows.csv"), "n,q\r\n1,\"a \"\"b\"\",\nc\"\r\n\r\n-2,\r\n");
        String task = TASK.replace("\"{{q}}\"", "\"{{n + 1}}{{q}}\"");
        Files.writeString(folder.resolve("t.yaml"), task);
        Path out = folder.resolve("out.jsonl");
        run(List.of(
                        "eval",
                        folder.resolve("t.yaml").toString(),
                        "--data",
                        "t:test=" + folder.resolve("rows.csv"),
                        "--model",
                        MODEL,
                        "--out",
                        out.toString()))
                .done();
        assertThat(Files.readAllLines(out))
                .extracting(line -> JsonMapper.shared()
                        .readTree(line)
                        .at("/arguments/gen_args_0/arg_0")
                        .asString())
                .containsExactly("2a \"b\",\nc", "-1");
        Files.writeString(folder.resolve("rows.csv"), "n,q\n1,\"a");
        run(List.of(
                        "eval",
                        folder.resolve("t.yaml").toString(),
                        "--data",
                        "test=" + folder.resolve("rows.csv"),
                        "--model",
                        MODEL))
                .refused(1, "row 2: expected");
    }

    @Test
    void namesAreThoseOfTasksGroupsAndTags() throws IOException {
        String all = run(List.of(
                        "eval", "--list", "--tasks", CASES.resolve("tasks").toString()))
                .done()
                .out();
        assertThat(all).contains("arc_easy\t", "mmlu_two\t", "ai2_arc\tarc_all arc_easy", "math_word_problems\tgsm8k");
        run(List.of("eval", "nothing", "--tasks", CASES.resolve("tasks").toString()))
                .refused(1, "nothing: expected a task file, or the name of a task");
    }

    @Test
    void aMemberThatIsNamedTwiceCountsOnceAndSomeFoldersArePassedOver() throws IOException {
        Files.createDirectories(folder.resolve("__pycache__"));
        write("__pycache__/a.yaml", TASK.replace("task: t", "task: hidden"));
        write("t.yaml", TASK);
        write("rows.jsonl", "{\"q\": \"x\"}\n{\"q\": \"y\"}\n");
        write("g.yaml", "group: g\ntask: [t, t]\naggregate_metric_list: [{metric: acc}]\n");
        String data = "test=" + folder.resolve("rows.jsonl");
        JsonNode result = run(List.of(
                        "eval", folder.resolve("g.yaml").toString(), "--data", data, "--model", MODEL, "--json"))
                .json();
        assertThat(result.at("/groups/g/sample_len").asInt()).isEqualTo(2);
        assertThat(run(List.of("eval", "--list", "--tasks", folder.toString()))
                        .done()
                        .out())
                .contains("t\t")
                .doesNotContain("hidden");
    }

    @Test
    void theDataOfATaskComeBeforeThoseOfItsDataSetAndOfAll() throws IOException {
        Path out = folder.resolve("out.jsonl");
        for (String each : List.of("all", "set", "task")) {
            write(each + ".jsonl", "{\"q\": \"" + each + "\"}\n");
        }
        List<String> data = List.of("t:test=" + folder.resolve("task.jsonl"), "test=" + folder.resolve("all.jsonl"));
        for (String set : List.of("", "dataset_name: s\n")) {
            write("t.yaml", TASK + set);
            List<String> command =
                    new ArrayList<>(List.of("eval", folder.resolve("t.yaml").toString(), "--model", MODEL));
            data.forEach(each -> command.addAll(List.of("--data", each)));
            command.addAll(List.of("--data", "s:test=" + folder.resolve("set.jsonl"), "--overwrite"));
            command.addAll(List.of("--out", out.toString()));
            run(command).done();
            assertThat(prompt(out)).isEqualTo("task");
        }
    }
}
