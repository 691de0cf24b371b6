package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.kernel.Kernels;
import org.junit.jupiter.api.Test;
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
        assertThat(document.get("dtype").stringValue()).isEqualTo("int8");
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
    void moreThanTheContextHoldsIsRefused() throws Exception {
        Program.run("bench", "--prompt", "200", "--generate", "57")
                .refused(
                        2,
                        "of at most the context length 256",
                        "got prompt 200, generate 57",
                        "see causal4j bench --help");
        Program.run("bench", "--prompt", "9", "--generate", "9", "--repeat", "0")
                .refused(2, "repeat 0");
    }
}
