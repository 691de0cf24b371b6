package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ProgressTest {
    private static final List<String> FACTS = List.of("70/200 steps", "0:25 left", "loss 4.1234", "12,345 tokens/s");

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            ignoreLeadingAndTrailingWhitespace = true,
            value = {
                "79 | 'training  35% [===>     ] 70/200 steps, 0:25 left, loss 4.1234, 12,345 tokens/s'",
                "59 | 'training  35% [======>            ] 70/200 steps, 0:25 left'",
                "40 | 'training  35% [===>       ] 70/200 steps'",
                "24 | 'training  35% 70/200 ste'",
            })
    void aLineIsAsWideAsTheTerminalAndLeavesOutItsLastFacts(int width, String line) {
        assertThat(Progress.line("training", 0.35, FACTS, width))
                .isEqualTo(line)
                .hasSize(width);
    }

    @Test
    void theEndIsFullAndUnknownWorkHasNoBar() {
        assertThat(Progress.line("training", 1, FACTS.subList(0, 1), 40))
                .isEqualTo("training 100% [===========] 70/200 steps");
        assertThat(Progress.line("scoring", -1, List.of("12 texts", "0:03"), 24))
                .isEqualTo("scoring 12 texts, 0:03  ");
    }

    @Test
    void workThatFailedBeforeItBeganLeavesNoBar() {
        assertThat(shown(progress -> {})).endsWith(" \r");
        assertThat(shown(progress -> progress.at(5))).endsWith("working 5 units, 0:00" + " ".repeat(58) + "\r\n");
    }

    private static String shown(Consumer<Progress> work) {
        PrintStream standardError = System.err;
        ByteArrayOutputStream shown = new ByteArrayOutputStream();
        System.setErr(new PrintStream(shown, true, StandardCharsets.UTF_8));
        try (Progress progress = Progress.late("working", "units")) {
            progress.draw();
            work.accept(progress);
        } finally {
            System.setErr(standardError);
        }
        return shown.toString(StandardCharsets.UTF_8);
    }

    @ParameterizedTest
    @CsvSource({
        "0, 240, 0.0/0.2 kB",
        "300000, 900000, 300.0/900.0 kB",
        "0, 5000000, 0.0/5.0 MB",
        "1234567890, 5000000000, 1.2/5.0 GB",
        "1500, -1, 1.5 kB",
    })
    void bytesHaveAUnitOfTheirSize(long done, long total, String amount) {
        assertThat(Progress.amount(done, total, Progress.BYTES)).isEqualTo(amount);
    }
}
