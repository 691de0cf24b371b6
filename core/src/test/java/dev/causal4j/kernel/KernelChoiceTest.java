package dev.causal4j.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The choice is made once in a JVM, so each case is a process. */
class KernelChoiceTest {
    private static final String MODULE = "--add-modules=jdk.incubator.vector";

    @Test
    void withoutTheModuleOneWarningHoldsTheFlagToPass() throws IOException, InterruptedException {
        List<String> output = run(0);
        assertThat(output).last().isEqualTo("kernels scalar");
        assertThat(output)
                .filteredOn(line -> line.contains("--add-modules jdk.incubator.vector"))
                .hasSize(1);
    }

    @Test
    void scalarCanBeForcedWithAndWithoutTheModuleAndDoesNotWarn() throws IOException, InterruptedException {
        assertThat(run(0, "-Dcausal4j.kernels=scalar")).containsExactly("kernels scalar");
        assertThat(run(0, MODULE, "-Dcausal4j.kernels=scalar")).last().isEqualTo("kernels scalar");
    }

    @Test
    void aWidthTheMachineDoesNotHaveFailsLoudly() throws IOException, InterruptedException {
        assertThat(run(1, MODULE, "-XX:MaxVectorSize=16", "-Dcausal4j.kernels=vector256"))
                .anyMatch(line -> line.contains("-Dcausal4j.kernels: expected at most vector128 on this machine,"
                        + " got vector256; leave it out to take the widest"));
    }

    @Test
    void aMachineWithoutVectorsFallsBackWithOneWarning() throws IOException, InterruptedException {
        List<String> output = run(0, MODULE, "-XX:MaxVectorSize=8");
        assertThat(output).last().isEqualTo("kernels scalar");
        assertThat(output)
                .filteredOn(line -> line.contains("no vectors of 128 bits"))
                .hasSize(1);
    }

    @Test
    void vectorsForcedWithoutTheModuleFailLoudly() throws IOException, InterruptedException {
        assertThat(run(1, "-Dcausal4j.kernels=vector128"))
                .anyMatch(line ->
                        line.contains("got a JVM without it; start java with --add-modules jdk.incubator.vector"));
    }

    @Test
    void aChoiceThatDoesNotExistFailsLoudly() throws IOException, InterruptedException {
        assertThat(run(1, MODULE, "-Dcausal4j.kernels=vector1024"))
                .anyMatch(line -> line.contains(
                        "-Dcausal4j.kernels: expected scalar, vector128, vector256 or vector512, got vector1024"));
    }

    private static List<String> run(int status, String... flags) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of(flags));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Show.class.getName()));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        List<String> lines = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                .lines()
                .toList();
        assertThat(process.waitFor()).as(lines.toString()).isEqualTo(status);
        return lines;
    }

    static final class Show {
        private Show() {}

        public static void main(String[] args) {
            System.out.println("kernels " + Kernels.name());
        }
    }
}
