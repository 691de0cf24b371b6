package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The real launcher, which starts Java with the flags that users get. It must have been built from these sources: a build
 * during the tests would replace the classes they run.
 *
 * @param javaOptions what {@code CAUSAL4J_JAVA_OPTS} adds
 */
record Launcher(String javaOptions) {
    static final Launcher PLAIN = new Launcher("");

    /** For what ends before the second compiler, and with it vectors, are of use. */
    static final Launcher BRIEF = new Launcher("-XX:TieredStopAtLevel=1 -Dcausal4j.kernels=scalar");

    /** Before a shell: {@code nohup ./check &} starts tests with the signal ignored, and what they start would ignore it too. */
    private static final List<String> INTERRUPTIBLE = List.of("env", "--default-signal=INT");

    private static final int MOST_SECONDS = 500;

    private static final String INCUBATOR = "WARNING: Using incubator modules: jdk.incubator.vector\n";

    Launcher {
        try {
            Process stale = new ProcessBuilder("bash", "-c", "root=. && . scripts/build.sh && ! is_stale")
                    .directory(Repository.root().toFile())
                    .start();
            assertThat(stale.waitFor())
                    .as("the launcher's build is older than the sources; run ./causal4j --version first")
                    .isZero();
        } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** A shell with a script and its arguments. It can be interrupted, unless this system's {@code env} cannot have it so. */
    static List<String> shell(String script, String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(INTERRUPTIBLE);
        command.add("true");
        boolean isKnown = new ProcessBuilder(command).start().waitFor() == 0;
        command = new ArrayList<>(isKnown ? INTERRUPTIBLE : List.of());
        command.addAll(List.of("bash", "-c", script, "bash"));
        command.addAll(List.of(arguments));
        return command;
    }

    /** Skips a test of an interrupt that what it starts would ignore. */
    static void assumeInterrupts() throws IOException, InterruptedException {
        Process shell = new ProcessBuilder(shell("kill -INT $$; sleep 0")).start();
        assumeTrue(
                shell.waitFor() != 0,
                "SIGINT: expected env --default-signal=INT or a start in the foreground, got none");
    }

    /** This one with further flags. */
    Launcher with(String options) {
        return new Launcher(javaOptions + " " + options);
    }

    /** The folder with the jars that it starts. */
    Path jars() {
        return Repository.root().resolve("cli/target/app");
    }

    Program.Run run(String... arguments) throws IOException, InterruptedException {
        return runInShell("exec \"$@\"", arguments);
    }

    /** Runs a script in which {@code "$@"} is the command that starts the program. */
    Program.Run runInShell(String script, String... arguments) throws IOException, InterruptedException {
        Path out = Files.createTempFile("causal4j", ".out");
        Path err = Files.createTempFile("causal4j", ".err");
        try {
            Process process = builder(script, arguments)
                    .redirectInput(Path.of("/dev/null").toFile())
                    .redirectOutput(out.toFile())
                    .redirectError(err.toFile())
                    .start();
            boolean ended = process.waitFor(MOST_SECONDS, TimeUnit.SECONDS);
            process.destroyForcibly();
            assertThat(ended).as("ended within %d seconds", MOST_SECONDS).isTrue();
            return new Program.Run(process.exitValue(), Files.readString(out), withoutWarning(Files.readString(err)));
        } finally {
            Files.delete(out);
            Files.delete(err);
        }
    }

    /** Without the JVM's line on the vector module. */
    static String withoutWarning(String err) {
        return err.replace(INCUBATOR, "");
    }

    /** Starts it and does not wait. */
    Process start(String... arguments) throws IOException, InterruptedException {
        return builder("exec \"$@\"", arguments).start();
    }

    /** Starts a script in which {@code "$@"} is the command, and does not wait. */
    Process startInShell(String script) throws IOException, InterruptedException {
        return builder(script).start();
    }

    private ProcessBuilder builder(String script, String... arguments) throws IOException, InterruptedException {
        List<String> command =
                shell(script, Repository.root().resolve("causal4j").toString());
        command.addAll(List.of(arguments));
        ProcessBuilder builder =
                new ProcessBuilder(command).directory(Repository.root().toFile());
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        builder.environment().put("CAUSAL4J_JAVA_OPTS", javaOptions);
        builder.environment().remove("JAVA_TOOL_OPTIONS");
        return builder;
    }
}
