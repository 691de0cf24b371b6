package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.json.Json;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.receipt.Statements;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Expected results are those of lm-evaluation-harness itself with the same model in float64. */
class EvalCommandTest {
    private static final Path CASES = Path.of("src/test/resources/dev/causal4j/cli/eval");
    private static final String MODEL = Repository.root()
            .resolve("core/src/test/resources/dev/causal4j/stories260K/stories260K.gguf")
            .toString();

    @TempDir
    private Path folder;

    static Stream<String> cases() throws IOException {
        try (Stream<Path> files = Files.list(CASES.resolve("cases"))) {
            return files.map(file -> file.getFileName().toString().replace(".json", "")).sorted().toList().stream();
        }
    }

    private static JsonNode read(String name) throws IOException {
        return JsonMapper.shared().readTree(Files.readAllBytes(CASES.resolve("cases/" + name + ".json")));
    }

    /** The command of a case, with files where they are. */
    private static List<String> command(String name, String... more) throws IOException {
        List<String> command = new ArrayList<>(List.of("eval"));
        for (JsonNode each : read(name).get("command")) {
            command.add(each.asString()
                    .replaceFirst("^tasks/", CASES + "/tasks/")
                    .replaceFirst("=data/", "=" + CASES + "/tasks/data/")
                    .replaceFirst("=../../models/blimp/", "=" + CASES + "/blimp/")
                    .replaceFirst("^chat.jinja", CASES + "/chat.jinja"));
        }
        command.addAll(List.of("--model", MODEL));
        command.addAll(List.of(more));
        return command;
    }

    private static Program.Run run(List<String> command) {
        return Program.run(command.toArray(String[]::new));
    }

    private Program.Run run(String name, String... more) throws IOException {
        return run(command(name, more));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void figuresPromptsAndRefusalsAreThoseOfTheHarness(String name) throws IOException {
        JsonNode golden = read(name);
        Path out = folder.resolve("samples.jsonl");
        Program.Run run = run(name, "--json", "--out", out.toString());
        if (golden.has("refused")) {
            run.refused(1, golden.get("refused").asString());
            return;
        }
        JsonNode result = run.json();
        for (String key : List.of("results", "groups", "n-shot", "n-samples", "versions", "higher_is_better")) {
            same(name + " " + key, golden.get("expected").path(key), result.path(key));
        }
        Iterator<String> lines = Files.readAllLines(out).iterator();
        for (JsonNode samples : golden.get("samples")) {
            for (JsonNode sample : samples) {
                same(sample, JsonMapper.shared().readTree(lines.next()));
            }
        }
        assertThat(lines).isExhausted();
    }

    private static void same(String name, JsonNode expected, JsonNode is) {
        if (expected.isObject()) {
            assertThat(is.propertyNames()).as(name).containsExactlyInAnyOrderElementsOf(expected.propertyNames());
            expected.propertyNames().forEach(key -> same(name + " " + key, expected.get(key), is.get(key)));
        } else if (expected.isNumber()) {
            double value = expected.doubleValue();
            assertThat(is.doubleValue()).as(name).isCloseTo(value, within(1e-6 * Math.max(1, Math.abs(value))));
        } else {
            assertThat(is).as(name).isEqualTo(expected);
        }
    }

    private static void same(JsonNode expected, JsonNode is) {
        JsonNode arguments = expected.get("arguments");
        assertThat(is.get("doc_id").asInt()).isEqualTo(expected.get("doc_id").asInt());
        assertThat(is.get("filter")).isEqualTo(expected.get("filter"));
        assertThat(is.get("arguments").size()).isEqualTo(arguments.size());
        for (int i = 0; i < arguments.size(); i++) {
            for (int j = 0; j < arguments.get(i).size(); j++) {
                assertThat(is.get("arguments").get("gen_args_" + i).get("arg_" + j))
                        .isEqualTo(arguments.get(i).get(j));
            }
        }
        responses(expected.get("resps"), is.get("resps"));
        responses(expected.get("filtered_resps"), is.get("filtered_resps"));
        for (JsonNode metric : is.get("metrics")) {
            responses(expected.get(metric.asString()), is.get(metric.asString()));
        }
    }

    /** Numbers and truths are texts of Python in a log. */
    private static void responses(JsonNode expected, JsonNode is) {
        if (expected.isArray()) {
            assertThat(is.size()).isEqualTo(expected.size());
            for (int i = 0; i < expected.size(); i++) {
                responses(expected.get(i), is.get(i));
            }
        } else if (expected.isNumber()) {
            double value = expected.doubleValue();
            assertThat(Double.parseDouble(is.asString())).isCloseTo(value, within(2e-4 + 2e-6 * Math.abs(value)));
        } else {
            assertThat(is.asString()).isEqualToIgnoringCase(expected.asString());
        }
    }

    @Test
    void theTableIsThatOfTheHarness() throws IOException {
        assertThat(run("mmlu_two").done().out().lines())
                .startsWith(
                        "|       Tasks        |Version|Filter|n-shot| Metric |   |Value |   |Stderr|",
                        "|--------------------|------:|------|-----:|--------|---|-----:|---|-----:|",
                        "|mmlu_two            |      3|none  |     0|acc     |↑  |0.2727|±  |0.1456|",
                        "|                    |       |none  |     0|acc_norm|↑  |0.0000|±  |0.0000|",
                        "| - mmlu_two::stem   |    N/A|none  |     3|acc     |↑  |0.3750|±  |0.1972|",
                        "|  - abstract_algebra|      1|none  |     3|acc     |↑  |0.4000|±  |0.2449|")
                .last()
                .asString()
                .matches("bits sha256:[0-9a-f]{64}");
    }

    @Test
    void aResumedRunHasEqualBytes() throws IOException {
        for (String name : List.of("arc_fewshot", "until", "rolling")) {
            Path out = folder.resolve(name);
            String[] more = {"--json", "--out", out.toString()};
            JsonNode whole = run(name, more).json();
            List<String> lines = Files.readAllLines(out);
            for (int kept : new int[] {0, 1, lines.size() / 2, lines.size() - 1, lines.size()}) {
                Files.writeString(out, String.join("\n", lines.subList(0, kept)) + (kept > 0 ? "\n" : "") + "{\"doc_i");
                List<String> resumed = command(name, more);
                resumed.add("--resume");
                assertThat(run(resumed).json()).isEqualTo(whole);
                assertThat(Files.readAllLines(out)).isEqualTo(lines);
            }
            run(name, more).refused(1, "go on with --resume");
            Files.writeString(out, lines.getLast() + "\n");
            List<String> other = command(name, more);
            other.add("--resume");
            run(other).refused(1, "line 1: task ", "expected ", "name another file");
        }
    }

    @Test
    void aCheckComputesAgainAndNamesWhatDiffers() throws IOException {
        Path out = folder.resolve("samples.jsonl");
        Path result = folder.resolve("result.json");
        Files.writeString(
                result,
                run("arc_fewshot", "--json", "--out", out.toString()).done().out());
        List<String> check = List.of("eval", "--check", result.toString(), "--model", MODEL);
        assertThat(run(check).done().out()).isEqualTo("verified" + System.lineSeparator());
        List<String> spot = new ArrayList<>(check);
        spot.addAll(List.of("--samples", out.toString()));
        assertThat(run(spot).done().out()).startsWith("verified");
        spot.addAll(List.of("--spot", "2", "--seed", "7", "--json"));
        assertThat(run(spot).json().get("verified").asBoolean()).isTrue();
        List<String> lines = Files.readAllLines(out);
        for (int i = 0; i < lines.size(); i++) {
            List<String> changed = new ArrayList<>(lines);
            changed.set(i, flipped(lines.get(i), "\"bits\":\"sha256:"));
            Files.write(out, changed);
            Program.Run found = run(spot);
            assertThat(found.status()).isEqualTo(1);
            assertThat(found.out())
                    .contains("samples.jsonl line " + (i + 1) + ": task arc_easy, document " + i + ": expected bits");
        }
        List<String> changed = new ArrayList<>(lines);
        changed.set(3, flipped(lines.get(3), "[[\"-1"));
        Files.write(out, changed);
        List<String> all = new ArrayList<>(check);
        all.addAll(List.of("--samples", out.toString()));
        assertThat(run(all).out()).contains("document 3, request 2: expected resps");
        Files.writeString(result, flipped(Files.readString(result), "\"limit\":\""));
        run(check).refused(1, "digest");
    }

    @Test
    void aSpotFindsChangedLinesOfEachFilterAndPartsThatAreNotComputed() throws IOException {
        Path out = folder.resolve("samples.jsonl");
        Path result = folder.resolve("result.json");
        String stated = run("gsm8k", "--json", "--out", out.toString()).done().out();
        Files.writeString(result, stated);
        List<String> lines = Files.readAllLines(out);
        for (String changed : List.of("\"bits\":\"sha256:", "\"filtered_resps\":[\"", "\"exact_match\":")) {
            List<String> all = new ArrayList<>(lines);
            all.replaceAll(line -> line.equals(lines.getLast()) ? flipped(line, changed) : line);
            Files.write(out, all);
            Program.Run spot = run(List.of(
                    "eval",
                    "--check",
                    result.toString(),
                    "--samples",
                    out.toString(),
                    "--spot",
                    "1",
                    "--model",
                    MODEL));
            assertThat(spot.out()).contains("samples.jsonl line " + lines.size() + ": task ");
        }
        Map<String, Object> more = new LinkedHashMap<>(Json.tree("result", stated.getBytes(StandardCharsets.UTF_8)));
        more.put("groups", Map.of("all", Map.of("acc,none", 1.0)));
        try (CausalLM model = CausalLM.load(Path.of(MODEL), LoadOptions.DEFAULT.withDigests(true))) {
            Files.write(result, Json.write(Statements.of("causal4j.evaluation/1", model, more)));
        }
        assertThat(run(List.of("eval", "--check", result.toString(), "--model", MODEL))
                        .out())
                .contains("groups: expected {");
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

    private static String flipped(String text, String before) {
        int at = text.indexOf(before) + before.length();
        return text.substring(0, at) + (text.charAt(at) == '1' ? '2' : '1') + text.substring(at + 1);
    }

    @ParameterizedTest
    @CsvSource({"arc_all", "rolling", "until", "gsm8k", "targets", "wino"})
    void aLogOfTheHarnessIsComputedAgain(String name) throws IOException {
        Path log = folder.resolve("samples_" + name + ".jsonl");
        StringBuilder lines = new StringBuilder();
        read(name)
                .get("samples")
                .forEach(task -> task.forEach(each -> lines.append(each).append('\n')));
        Files.writeString(log, lines);
        JsonNode found = run(List.of("eval", "--samples", log.toString(), "--model", MODEL, "--json"))
                .json();
        assertThat(found.get("largest_difference").doubleValue()).isLessThan(1e-3);
        for (String key : List.of("other_greedy", "other_choice", "other_text")) {
            assertThat(found.get(key)).isEmpty();
        }
    }

    @Test
    void ourOwnLinesAreALogToo() throws IOException {
        Path out = folder.resolve("out.jsonl");
        run("until", "--out", out.toString()).done();
        JsonNode found = run(List.of("eval", "--samples", out.toString(), "--model", MODEL, "--json"))
                .json();
        assertThat(found.get("documents").asInt()).isEqualTo(6);
        assertThat(found.get("other_text")).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{\"arguments\": [[\"a\", \" b\"]], \"resps\": []}",
                "{\"arguments\": [], \"resps\": []}",
                "{\"arguments\": [[1, 2]], \"resps\": [[1]]}",
                "{\"arguments\": [[\"a\", \" b\"]], \"resps\": [[\"x\"]]}",
                "{\"arguments\": [[\"a\", \" b\"], [\"a\"]], \"resps\": [[1], [2]]}",
                "{\"arguments\": [[\"a\", {\"max_gen_toks\": 2000000000}]], \"resps\": [[\"x\"]]}",
                "{\"arguments\": [[\"a\", {\"do_sample\": true}]], \"resps\": [[\"x\"]]}",
                "{\"arguments\": [[\"a\", \"\"]], \"resps\": [[[1, true]]]}",
                "[]",
            })
    void hostileLogsAreRefusedInALine(String line) throws IOException {
        Path log = folder.resolve("log.jsonl");
        Files.writeString(log, line + "\n");
        run(List.of("eval", "--samples", log.toString(), "--model", MODEL)).refused(1, "log.jsonl");
    }

    @Test
    void hostileSamplesAreRefusedInALine() throws IOException {
        Path out = folder.resolve("out.jsonl");
        run("wino", "--out", out.toString()).done();
        List<String> lines = Files.readAllLines(out);
        for (String[] each : new String[][] {
            {"\"resps\":[[[", "\"resps\":[[[[["},
            {"\"resps\":[[[", "\"resps\":[[[]],[["},
            {"\"bits\":\"sha256:", "\"bits\":\"sha257:"},
            {"\"False\"]],[[", "\"False\"]]],\"x\":[[["},
            {"\"doc_id\":0", "\"doc_id\":1"},
        }) {
            assertThat(lines.getFirst()).contains(each[0]);
            Files.writeString(out, lines.getFirst().replace(each[0], each[1]).replace("]]]]]]", "]]]") + "\n");
            Program.Run refused = run("wino", "--out", out.toString(), "--resume");
            assertThat(refused.status()).isEqualTo(1);
            assertThat(refused.err()).containsOnlyOnce("\n").doesNotContain("unexpected");
        }
        Files.writeString(out, String.join("\n", lines) + "\n" + lines.getFirst() + "\n");
        run("wino", "--out", out.toString(), "--resume").refused(1, "expected at most 4 samples, got more");
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

    private static final String TASK = """
            task: t
            output_type: multiple_choice
            test_split: test
            doc_to_text: "{{q}}"
            doc_to_choice: [" a", " b"]
            doc_to_target: 0
            """;

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
        Files.writeString(folder.resolve("b.yaml"), TASK.replace("task: t", "task: b") + "repeats: 2\n");
        List<String> both = new ArrayList<>(command("arc_easy", "--out", out.toString()));
        both.add(1, folder.resolve("b.yaml").toString());
        run(both).refused(1, "b, repeats");
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
    void examplesMayBeOneMessage() throws IOException {
        Path out = folder.resolve("out.jsonl");
        run("chat", "--fewshot-as-multiturn=false", "--limit", "1", "--out", out.toString())
                .done();
        assertThat(JsonMapper.shared()
                        .readTree(Files.readString(out))
                        .at("/arguments/gen_args_0/arg_0")
                        .asString())
                .isEqualTo("""
                        <s>[Be brief.

                        The following are multiple choice questions (with answers) about anatomy.]
                        user: What do you eat?
                        A. a ball
                        B. an apple
                        C. a car
                        D. a hat
                        Answer: B

                        What can fly?
                        A. a bird
                        B. a dog
                        C. a tree
                        D. a box
                        Answer: A

                        You see with your
                        A. eyes
                        B. nose
                        C. hands
                        D. feet
                        Answer:
                        assistant:""");
    }

    @Test
    void digestsDoNotDependOnThreads() throws IOException {
        String one = run("arc_fewshot", "--json", "--threads", "1")
                .json()
                .get("bits")
                .asString();
        String two = run("arc_fewshot", "--json", "--threads", "2")
                .json()
                .get("bits")
                .asString();
        assertThat(one).isEqualTo(two);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--limit 0 x | limit: expected more than 0",
                "--resume x | out: expected --out",
                "--spot 3 --check x | spot: expected --check and --samples",
                "--protocol y | protocol: expected lm-eval or llama-perplexity, got \"y\"",
                "--model x | TASK: expected",
                "--template F x | template: expected --apply-chat-template",
            })
    void wrongUsageIsRefused(String arguments, String told) {
        Program.run(("eval " + arguments).split(" ")).refused(2, told);
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
}
