package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
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
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        byte[] bytes = input.getBytes(StandardCharsets.UTF_8);
        int status = run(new ByteArrayInputStream(bytes), printTo(out), printTo(err), arguments);
        return new Run(status, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    private static int run(InputStream in, PrintStream out, PrintStream err, String... arguments) {
        InputStream standardInput = System.in;
        System.setIn(in);
        try {
            return Main.run(arguments, out, err);
        } finally {
            System.setIn(standardInput);
        }
    }

    /** A stand-in for the launcher in a shell: gives arguments and input to this JVM, and waits for status and output. */
    private static final String GIVE = """
            exec 3>&1 4<&0
            causal4j() {
              printf '%s\\0' "$@" >"$folder/arguments"
              cat >"$folder/in"
              echo >&3
              read -r status <&4
              cat "$folder/out"
              return "$status"
            }
            """;

    /**
     * Runs a command of a shell, which has the quotes, pipes and status that users have, except that {@code ./causal4j} runs the program
     * inside this JVM. Both outputs come as one, as in {@code 2>&1}.
     *
     * @param folder for files of this run
     */
    static Run runInShell(Path folder, String command) throws IOException, InterruptedException {
        String script =
                GIVE + "{ " + command.replace("./causal4j", "causal4j") + "\n} >\"$folder/all\" 2>&1 </dev/null";
        ProcessBuilder builder =
                new ProcessBuilder("bash", "-c", script).redirectError(ProcessBuilder.Redirect.INHERIT);
        builder.environment().put("folder", folder.toString());
        Process shell = builder.start();
        try (BufferedReader asked = shell.inputReader();
                Writer answers = shell.outputWriter()) {
            while (asked.readLine() != null) {
                String[] arguments =
                        Files.readString(folder.resolve("arguments")).split("\0", -1);
                try (InputStream in = Files.newInputStream(folder.resolve("in"));
                        PrintStream out = printTo(Files.newOutputStream(folder.resolve("out")))) {
                    answers.write(run(in, out, out, Arrays.copyOf(arguments, arguments.length - 1)) + "\n");
                }
                answers.flush();
            }
        }
        return new Run(shell.waitFor(), Files.readString(folder.resolve("all")), "");
    }

    private static PrintStream printTo(OutputStream bytes) {
        return new PrintStream(bytes, true, StandardCharsets.UTF_8);
    }
}
