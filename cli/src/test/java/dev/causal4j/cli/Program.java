package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The program inside the JVM of the tests, without the launcher; {@link Launcher} starts it as users do. */
final class Program {
    private Program() {}

    /** How a run ended and what it wrote. */
    record Run(int status, String out, String err) {
        /** Done, and standard error is empty. */
        Run done() {
            assertThat(err).isEmpty();
            assertThat(status).isZero();
            return this;
        }

        /** Refused: nothing on standard output, one line on standard error with everything in {@code told}. */
        void refused(int expectedStatus, String... told) {
            assertThat(err)
                    .endsWith("\n")
                    .containsOnlyOnce("\n")
                    .doesNotContain("Exception")
                    .satisfies(line -> assertThat(List.of(told)).allMatch(line::contains));
            assertThat(out).isEmpty();
            assertThat(status).isEqualTo(expectedStatus);
        }

        /** The one document on standard output. */
        JsonNode json() {
            done();
            assertThat(out).endsWith("}" + System.lineSeparator()).containsOnlyOnce("\n");
            return JsonMapper.shared().readTree(out);
        }
    }

    static Run run(String... arguments) {
        return runWithInput("", arguments);
    }

    static Run runWithInput(String input, String... arguments) {
        InputStream standardInput = System.in;
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
        try {
            int status = Main.run(arguments, printTo(out), printTo(err));
            return new Run(status, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
        } finally {
            System.setIn(standardInput);
        }
    }

    private static PrintStream printTo(ByteArrayOutputStream bytes) {
        return new PrintStream(bytes, true, StandardCharsets.UTF_8);
    }
}
