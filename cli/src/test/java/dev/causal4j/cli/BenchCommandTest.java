package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

class BenchCommandTest {
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
