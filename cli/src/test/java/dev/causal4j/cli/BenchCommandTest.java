package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

class BenchCommandTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"bf16", "int8"})
    void theDocumentHasTheMedianOfItsRuns(String dtype) throws Exception {
        JsonNode document = Program.SCALAR
                .run(
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
                        dtype,
                        "--threads",
                        "2",
                        "--json")
                .json();
        assertThat(document.propertyNames())
                .containsExactly(
                        "prefill_tokens_per_second",
                        "decode_tokens_per_second",
                        "head_positions_per_second",
                        "prompt_tokens",
                        "new_tokens",
                        "sequences",
                        "parameters",
                        "threads",
                        "dtype",
                        "kernels",
                        "runs");
        assertThat(document.get("dtype").stringValue()).isEqualTo(dtype);
        assertThat(document.get("threads").intValue()).isEqualTo(2);
        assertThat(document.get("kernels").stringValue()).isEqualTo("scalar");
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
    void theScreenedHeadIsMeasuredWithEverySampler() throws Exception {
        JsonNode document = Program.SCALAR
                .run("bench", "--screening", "--states", "30", "--threads", "2", "--json")
                .json();
        assertThat(document.get("states").intValue()).isEqualTo(30);
        assertThat(document.get("screen_bytes").intValue()).isEqualTo(3072 * 256 + 8 * 3072);
        assertThat(document.at("/bounds/beta/p50").doubleValue()).isPositive();
        assertThat(document.get("samplers").propertyNames())
                .containsExactly("greedy", "top_k_40", "min_p_0.05", "top_k_40_top_p_0.9", "plain");
        assertThat(document.at("/samplers/greedy/rows/p50").doubleValue()).isBetween(1.0, 20.0);
        Program.SCALAR
                .run("bench", "--screening", "--dtype", "int8", "--json")
                .refused(1, "expected a head in f32 or bf16");
    }

    @Test
    void theScreenedHeadIsMeasuredOnATextThatIsOne() throws Exception {
        JsonNode document =
                screening("--text", file("Emma was very kind."), "--json").json();
        assertThat(document.get("states").intValue()).isEqualTo(5);
        screening("--json", "--text", file("")).refused(1, "text: expected at least one token, got none");
        screening("--json", "--text", file("\ufeff")).refused(1, "text: expected at least one token, got none");
        Path latin = Files.write(folder.resolve("latin"), new byte[] {'a', (byte) 0xe9});
        screening("--json", "--text", latin.toString()).refused(1, latin + ": expected text in UTF-8");
        Path large = folder.resolve("large");
        try (RandomAccessFile bytes = new RandomAccessFile(large.toFile(), "rw")) {
            bytes.setLength(TextInput.MOST_BYTES + 1L);
        }
        screening("--json", "--text", large.toString()).refused(1, large + ": expected at most 16777216 bytes");
    }

    @Test
    void wrongUseIsSeenBeforeAModelIsLoaded() throws Exception {
        screening("--model", "nowhere").refused(2, "screening: expected --json with --screening, got none");
        screening("--json", "--model", "nowhere", "--states", "0")
                .refused(2, "bench: expected at least 1 state, got 0");
        screening("--json", "--model", "nowhere", "--text", "no-text").refused(1, "no-text: expected a file");
    }

    private String file(String text) throws IOException {
        return Files.writeString(folder.resolve("text"), text).toString();
    }

    private static Program.Run screening(String... more) throws Exception {
        return Program.SCALAR.run(Stream.concat(Stream.of("bench", "--screening"), Stream.of(more))
                .toArray(String[]::new));
    }

    @Test
    void moreThanTheContextHoldsIsRefused() throws Exception {
        Program.SCALAR
                .run("bench", "--prompt", "200", "--generate", "57")
                .refused(
                        2,
                        "of at most the context length 256",
                        "got prompt 200, generate 57",
                        "see causal4j bench --help");
        Program.SCALAR
                .run("bench", "--prompt", "9", "--generate", "9", "--repeat", "0")
                .refused(2, "repeat 0");
    }
}
