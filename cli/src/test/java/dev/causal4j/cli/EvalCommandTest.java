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
        List<String> all = new ArrayList<>(check);
        all.addAll(List.of("--samples", out.toString()));
        changed.set(3, flipped(lines.get(3), "[[\"-1"));
        Files.write(out, changed);
        assertThat(run(all).out()).contains("document 3, request 2: expected resps [[\"-1");
        JsonNode line = JsonMapper.shared().readTree(lines.get(4));
        String digits = line.at("/token_bits/1").asString(); // four for each token
        changed = new ArrayList<>(lines);
        int last = lines.get(4).indexOf(digits) + digits.length() - 2;
        changed.set(4, flipped(lines.get(4), lines.get(4).substring(0, last)));
        Files.write(out, changed);
        assertThat(run(all).out())
                .contains("line 5: task arc_easy, document 4, request 1, token " + (digits.length() / 4 - 1)
                        + ": expected token_bits ");
        Files.writeString(result, flipped(Files.readString(result), "\"limit\":\""));
        run(check).refused(1, "digest");
    }

    @Test
    void oneBitOfTheModelIsNamedAndItsNameIsNotCompared() throws IOException {
        Path result = folder.resolve("result.json");
        Files.writeString(result, run("wino", "--json").done().out());
        byte[] bytes = Files.readAllBytes(Path.of(MODEL));
        Path other = Files.write(folder.resolve("other.gguf"), bytes);
        List<String> check = List.of("eval", "--check", result.toString(), "--model", other.toString());
        assertThat(run(check).done().out()).startsWith("verified");
        bytes[bytes.length / 2] ^= 1;
        Files.write(other, bytes);
        Program.Run found = run(check);
        assertThat(found.status()).isEqualTo(1);
        assertThat(found.out()).contains("result.json: model files 0 sha256: expected \"");
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
}
