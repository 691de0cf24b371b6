package dev.causal4j.kernel.choice;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.JavaProcess;
import dev.causal4j.kernel.RowTiles;
import dev.causal4j.kernel.VectorWidth;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The choice is made once in a JVM, so each case is a process. */
class KernelChoiceTest {
    @Test
    void withoutTheModuleOneWarningHoldsTheFlagToPass() throws IOException, InterruptedException {
        List<String> output = run(0);
        assertThat(output).last().isEqualTo("kernels scalar");
        assertThat(output)
                .filteredOn(line -> line.contains("--add-modules jdk.incubator.vector"))
                .hasSize(1);
    }

    /** Whoever packs rows asks for the width before anyone chooses kernels. */
    @Test
    void tilesNeedNoModuleAndFollowTheProperty() throws IOException, InterruptedException {
        int few = System.getProperty("os.arch").equals("aarch64") ? 6 : 4;
        int widest = VectorWidth.available() == 512 ? 6 : few;
        String vectors = JavaProcess.VECTORS;
        assertThat(tiles()).containsExactly("rows " + few, "kernels scalar");
        assertThat(tiles(vectors)).endsWith("rows " + widest, "kernels scalar");
        assertThat(tiles(vectors, "-Dcausal4j.kernels=scalar")).endsWith("rows " + few, "kernels scalar");
        assertThat(tiles(vectors, "-Dcausal4j.kernels=vector128")).endsWith("rows " + few, "kernels vector128");
    }

    private static List<String> tiles(String... flags) throws IOException, InterruptedException {
        return JavaProcess.run(0, List.of(flags), Tiles.class).stream()
                .filter(line -> line.matches("(rows|kernels) \\w+"))
                .toList();
    }

    static final class Tiles {
        private Tiles() {}

        public static void main(String[] args) {
            System.out.println("rows " + RowTiles.ROWS);
            Show.main(args);
        }
    }

    @Test
    void scalarCanBeForcedWithAndWithoutTheModuleAndDoesNotWarn() throws IOException, InterruptedException {
        assertThat(run(0, "-Dcausal4j.kernels=scalar")).containsExactly("kernels scalar");
        assertThat(run(0, JavaProcess.VECTORS, "-Dcausal4j.kernels=scalar"))
                .last()
                .isEqualTo("kernels scalar");
    }

    @Test
    void aWidthTheMachineDoesNotHaveFailsLoudly() throws IOException, InterruptedException {
        assertThat(run(1, JavaProcess.VECTORS, "-XX:MaxVectorSize=16", "-Dcausal4j.kernels=vector256"))
                .anyMatch(line -> line.contains("-Dcausal4j.kernels: expected at most vector128 on this machine,"
                        + " got vector256; leave it out to take the widest"));
    }

    @Test
    void aMachineWithoutVectorsFallsBackWithOneWarning() throws IOException, InterruptedException {
        assertFallsBack("no vectors of 128 bits", "-XX:MaxVectorSize=8");
    }

    @Test
    void aJvmWithoutC2FallsBackWithOneWarning() throws IOException, InterruptedException {
        assertFallsBack("without C2 (mixed mode, emulated-client", "-XX:TieredStopAtLevel=1");
        assertThat(VectorWidth.hasC2("interpreted mode, sharing")).isFalse();
        assertThat(VectorWidth.hasC2("mixed mode, sharing")).isTrue();
    }

    private static void assertFallsBack(String warning, String flag) throws IOException, InterruptedException {
        List<String> output = run(0, JavaProcess.VECTORS, flag);
        assertThat(output).last().isEqualTo("kernels scalar");
        assertThat(output).filteredOn(line -> line.contains(warning)).hasSize(1);
    }

    @Test
    void vectorsCanBeForcedWithoutC2() throws IOException, InterruptedException {
        List<String> output = run(0, JavaProcess.VECTORS, "-XX:TieredStopAtLevel=1", "-Dcausal4j.kernels=vector128");
        assertThat(output).last().isEqualTo("kernels vector128");
    }

    @Test
    void theWidestVectorsRunFromTheFirstCallOn() throws IOException, InterruptedException {
        assertThat(run(0, JavaProcess.VECTORS, "-XX:MaxVectorSize=16", "-Dcausal4j.kernels=vector"))
                .last()
                .isEqualTo("kernels vector128");
    }

    @Test
    void vectorsForcedWithoutTheModuleFailLoudly() throws IOException, InterruptedException {
        assertThat(run(1, "-Dcausal4j.kernels=vector128"))
                .anyMatch(line ->
                        line.contains("got a JVM without it; start java with --add-modules jdk.incubator.vector"));
    }

    @Test
    void aChoiceThatDoesNotExistFailsLoudly() throws IOException, InterruptedException {
        assertThat(run(1, JavaProcess.VECTORS, "-Dcausal4j.kernels=vector1024"))
                .anyMatch(
                        line -> line.contains(
                                "-Dcausal4j.kernels: expected scalar, vector, vector128, vector256 or vector512, got vector1024"));
    }

    @Test
    void aJvmWithoutFusedMultiplyAddWarns() throws IOException, InterruptedException {
        assertThat(run(0, JavaProcess.VECTORS, "-XX:-UseFMA", "-Dcausal4j.kernels=vector"))
                .filteredOn(line -> line.contains("no fused multiply-add in hardware"))
                .hasSize(1);
    }

    @Test
    void aJdkThatMayCorruptDataIsRefused() {
        KernelChoice.requireJdk(Runtime.Version.parse("25.0.3"));
        KernelChoice.requireJdk(Runtime.Version.parse("25.1"));
        KernelChoice.requireJdk(Runtime.Version.parse("26-ea"));
        assertThatThrownBy(() -> KernelChoice.requireJdk(Runtime.Version.parse("25.0.2+7")))
                .hasMessage("JDK: expected 25.0.3 or later, got 25.0.2+7, which may corrupt data");
    }

    private static List<String> run(int status, String... flags) throws IOException, InterruptedException {
        return JavaProcess.run(status, List.of(flags), Show.class);
    }

    static final class Show {
        private Show() {}

        public static void main(String[] args) {
            System.out.println("kernels " + Kernels.state());
        }
    }
}
