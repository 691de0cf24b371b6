package dev.causal4j;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** A JVM of its own, for what is decided once in a process: kernels, the size of the heap. */
public final class JavaProcess {
    public static final String VECTORS = "--add-modules=jdk.incubator.vector";

    /** Of what ends before the second compiler is of use, which vectors need. */
    public static final String BRIEF = "-XX:TieredStopAtLevel=1";

    /** A process that takes longer is killed, which fails its test by the exit status. */
    private static final int MOST_SECONDS = 500;

    private JavaProcess() {}

    /** Runs a main class with this test's class path and returns what it printed, both outputs together. */
    public static List<String> run(int status, List<String> flags, Class<?> main, String... args)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("-D" + Whole.PROPERTY + "=" + Whole.RUN);
        command.addAll(flags);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
        command.addAll(List.of(args));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        CompletableFuture.delayedExecutor(MOST_SECONDS, TimeUnit.SECONDS).execute(process::destroyForcibly);
        List<String> lines = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                .lines()
                .toList();
        assertThat(process.waitFor()).as(lines.toString()).isEqualTo(status);
        return lines;
    }
}
