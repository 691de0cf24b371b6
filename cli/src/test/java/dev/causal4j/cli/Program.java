package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The program in a process of its own, started as the launcher starts it: standard error through a filter, the real one
 * on descriptor 3.
 *
 * @param flags for Java
 */
record Program(String... flags) {
    /** Quick to start, and with the bits of every other choice. */
    static final Program SCALAR = new Program("--add-modules=jdk.incubator.vector", "-Dcausal4j.kernels=scalar");

    /** The launcher's redirection. */
    static final String FILTERED = "3>&2 2> >(exec grep -v '^WARNING: Using incubator modules: ' >&3)";

    private static final String REDIRECTED = "exec \"$@\" " + FILTERED;

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

    Run run(String... arguments) throws IOException, InterruptedException {
        return runWithInput("", arguments);
    }

    Run runWithInput(String input, String... arguments) throws IOException, InterruptedException {
        return runInShell(REDIRECTED, input, arguments);
    }

    /** Runs a script in which {@code "$@"} is the command that starts the program. */
    Run runInShell(String script, String input, String... arguments) throws IOException, InterruptedException {
        Path in = Files.writeString(Files.createTempFile("causal4j", ".in"), input);
        Path out = Files.createTempFile("causal4j", ".out");
        Path err = Files.createTempFile("causal4j", ".err");
        try {
            Process process = builder(script, arguments)
                    .redirectInput(in.toFile())
                    .redirectOutput(out.toFile())
                    .redirectError(err.toFile())
                    .start();
            boolean ended = process.waitFor(60, TimeUnit.SECONDS);
            process.destroyForcibly();
            assertThat(ended).as("ended within a minute").isTrue();
            return new Run(process.exitValue(), Files.readString(out), Files.readString(err));
        } finally {
            Files.delete(in);
            Files.delete(out);
            Files.delete(err);
        }
    }

    /** Starts it and does not wait. */
    Process start(String... arguments) throws IOException {
        return builder(REDIRECTED, arguments).start();
    }

    private ProcessBuilder builder(String script, String... arguments) {
        List<String> command = new ArrayList<>(List.of("bash", "-c", script, "bash"));
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of(
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "--add-opens=java.base/java.io=ALL-UNNAMED",
                "-Dcausal4j.stderr=3"));
        command.addAll(List.of(flags));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), "dev.causal4j.cli.Main"));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("LC_ALL", "C.UTF-8");
        builder.environment().remove("JAVA_TOOL_OPTIONS");
        return builder;
    }
}
