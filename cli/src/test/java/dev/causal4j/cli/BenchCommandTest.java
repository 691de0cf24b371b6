package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.causal4j.kernel.choice.Kernels;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class BenchCommandTest {
    @Test
    void theDocumentHasTheMedianOfItsRuns() throws Exception {
        JsonNode document = Program.run(
                        "bench",
                        "--prompt",
                        "9",
                        "--generate",
                        "3",
                        "--repeat",
                        "3",
                        "--sequences",
                        "2",
                        "--dtype",
                        "int8",
                        "--threads",
                        "2",
                        "--warm-up",
                        "1",
                        "--json")
                .json();
        assertThat(document.propertyNames())
                .containsExactly(
                        "prefill_tokens_per_second",
                        "decode_tokens_per_second",
                        "head_positions_per_second",
                        "context_tokens",
                        "prompt_tokens",
                        "new_tokens",
                        "sequences",
                        "rows",
                        "parameters",
                        "threads",
                        "dtype",
                        "arithmetic",
                        "kernels",
                        "runs");
        assertThat(document.get("dtype").stringValue()).isEqualTo("int8");
        assertThat(document.get("arithmetic").stringValue()).isEqualTo("integer");
        assertThat(document.get("threads").intValue()).isEqualTo(2);
        assertThat(document.get("kernels").stringValue()).isEqualTo(Kernels.name());
        assertThat(document.get("parameters").intValue()).isEqualTo(4_801_280);
        for (String figure :
                new String[] {"prefill_tokens_per_second", "decode_tokens_per_second", "head_positions_per_second"}) {
            double[] runs = document.get("runs")
                    .valueStream()
                    .mapToDouble(run -> run.get(figure).doubleValue())
                    .sorted()
                    .toArray();
            assertThat(runs).hasSize(3);
            assertThat(runs[0]).isPositive();
            assertThat(document.get(figure).doubleValue()).isEqualTo(runs[1]);
        }
    }

    @Test
    void severalRowsOfASequenceAreMeasuredAsWithADraft() throws Exception {
        String[] few = {"bench", "--prompt", "9", "--generate", "3", "--repeat", "1", "--warm-up", "0", "--json"};
        assertThat(Program.run(few).json().get("rows").intValue()).isEqualTo(1);
        String[] several = Stream.concat(Stream.of(few), Stream.of("--rows", "4", "--sequences", "2"))
                .toArray(String[]::new);
        assertThat(Program.run(several).json().get("rows").intValue()).isEqualTo(4);
        Program.run("bench", "--rows", "33").refused(2, "expected 1 to 32 rows");
    }

    @Test
    void givenTextsAreDecodedWithAndWithoutADraft(@TempDir Path folder) throws Exception {
        Path texts = folder.resolve("texts.jsonl");
        String text =
                "{\"prompt\": [40, 41, 42, 43, 44, 45, 46], \"answer\": [40, 41, 42, 43, 44, 45, 46, 47, 48, 49]}\n";
        Files.writeString(texts, text.repeat(2));
        JsonNode document = Program.run(
                        "bench",
                        "--replay",
                        texts.toString(),
                        "--draft",
                        "lookup",
                        "--repeat",
                        "3",
                        "--warm-up",
                        "0",
                        "--json")
                .json();
        for (String figure : new String[] {"plain_tokens_per_second", "draft_tokens_per_second", "ratio"}) {
            assertThat(document.get(figure).doubleValue()).isPositive();
        }
        assertThat(document.get("proposed").intValue())
                .isGreaterThanOrEqualTo(document.get("accepted").intValue());
        Files.writeString(texts, "{\"prompt\": [1, -7], \"answer\": [1, 2]}");
        String[] replay = {"bench", "--replay", texts.toString(), "--draft", "lookup"};
        Program.run(replay).refused(1, texts + ":1", "prompt", "at least 1 token ids below");
        Files.writeString(texts, "{\"prompt\": [1], \"answer\": [1, 99999]}");
        Program.run(replay).refused(1, texts + ":1", "answer", "at least 2 token ids below");
        Files.writeString(texts, "{\"prompt\": [1]}");
        Program.run(replay).refused(1, texts + ":1", "answer");
        Files.writeString(texts, "");
        Program.run(replay).refused(1, "expected a text a line, got none");
        Program.run("bench", "--draft", "lookup").refused(2, "replay: expected --replay and --draft lookup");
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void onATerminalBarsShowTheWarmUpAndTheRuns() throws Exception {
        assumeThat(Files.isExecutable(Path.of("/usr/bin/script"))).isTrue();
        String command = "stty cols 66; ./causal4j bench --prompt 5 --generate 10 --repeat 3 --warm-up 1 > /dev/null";
        Process process =
                Launcher.BRIEF.startInShell("TERM=xterm exec script -qefc \"" + command + "\" /dev/null < /dev/null");
        String seen = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(seen).isZero();
        assertThat(seen)
                .containsPattern("\\r(\033\\[J)?warming up 100% \\[=+] 1/1 s, ")
                .containsPattern("\\r(\033\\[J)?measuring 100% \\[=+] 45/45 tokens, ");
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void aShapeIsMeasuredWithRandomWeightsInTheDtypeItIsStoredIn() throws Exception {
        String[] arguments = {"bench", "--shape", "smollm2-135m", "--repeat", "1", "--warm-up", "0", "--json"};
        JsonNode document =
                Program.run(with(arguments, "--prompt", "5", "--generate", "2")).json();
        assertThat(document.get("parameters").intValue()).isEqualTo(134_515_008);
        assertThat(document.get("dtype").stringValue()).isEqualTo("bf16");
        assertThat(document.get("decode_tokens_per_second").doubleValue()).isPositive();
    }

    @Test
    void aContextNeedsNoPrompt() throws Exception {
        String[] arguments = {"bench", "--repeat", "1", "--warm-up", "0", "--prompt", "2", "--generate", "1", "--json"};
        JsonNode document = Program.run(with(arguments, "--context", "130", "--sequences", "2"))
                .json();
        assertThat(document.get("context_tokens").intValue()).isEqualTo(130);
        assertThat(document.get("decode_tokens_per_second").doubleValue()).isPositive();
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void promptAndNewTokensFitTheContext() throws Exception {
        String[] arguments = {"bench", "--shape", "llama-5m", "--repeat", "1", "--warm-up", "0", "--json"};
        JsonNode document = Program.run(arguments).json();
        assertThat(document.get("prompt_tokens").intValue()).isEqualTo(160);
        assertThat(document.get("new_tokens").intValue()).isEqualTo(96);
        document = Program.run(with(arguments, "--generate", "250")).json();
        assertThat(document.get("prompt_tokens").intValue()).isEqualTo(6);
    }

    private static String[] with(String[] arguments, String... more) {
        return Stream.of(arguments, more).flatMap(Stream::of).toArray(String[]::new);
    }

    @Test
    void oneKnownModelIsMeasured(@TempDir Path folder) throws Exception {
        Program.run("bench", "--shape", "gpt5")
                .refused(
                        2,
                        "shape: expected smollm2-135m, ",
                        "gpt2-small, gpt2-5m, llama-5m, gemma4-5m, qwen3.5-5m, lfm2-5m or granite4-5m, got \"gpt5\"; see");
        Program.run("bench", "--shape", "gpt2-5m", "--model", "x").refused(2, "expected --model or --shape, got both");
        Program.run("bench", "--shape", "gpt2-5m", "--config", "x")
                .refused(2, "expected --config or --shape, got both");
        Path config = folder.resolve("config.json");
        Program.run("bench", "--config", config.toString()).refused(1, config + ": expected a JSON file");
        Files.writeString(config, "{\"model_type\": \"mamba\"}");
        Program.run("bench", "--config", config.toString())
                .refused(1, config + ", key \"model_type\": expected gpt2, llama, ", "got \"mamba\"");
    }

    @Test
    void moreThanTheContextHoldsIsRefused() throws Exception {
        Program.run("bench", "--prompt", "200", "--generate", "57")
                .refused(
                        2,
                        "of at most the context length 256",
                        "prompt 200",
                        "generate 57",
                        "see causal4j bench --help");
        Program.run("bench", "--prompt", "9", "--generate", "9", "--repeat", "0")
                .refused(2, "repeat 0");
    }
}
