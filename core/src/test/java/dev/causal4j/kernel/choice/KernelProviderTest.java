package dev.causal4j.kernel.choice;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.JavaProcess;
import dev.causal4j.Whole;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.GroupFormat;
import dev.causal4j.kernel.GroupFormat.Blocks;
import dev.causal4j.kernel.GroupPacker;
import dev.causal4j.kernel.PanelFormat;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.Products;
import dev.causal4j.kernel.RoundedRows;
import dev.causal4j.kernel.VectorWidth;
import dev.causal4j.kernel.WeightFormat;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** Providers are found once in a JVM, so each case is a process with a service file of its own. */
class KernelProviderTest {
    @TempDir
    private Path folder;

    @Test
    void productsWithTheBitsOfTheSpecificationTakeOverFromTheFirstCall() throws IOException, InterruptedException {
        List<String> output = run(List.of(), Right.class);
        assertThat(output).contains("kernels right+" + java(), "int4 by the provider: true", "same bits: true");
        assertThat(output).contains("f32 by the provider: false", "without groups " + java());
        assertThat(output).noneMatch(line -> line.contains("Java computes instead"));
    }

    @Test
    void productsWithOtherBitsAreRefusedWithOneLineAndJavaGoesOn() throws IOException, InterruptedException {
        List<String> output = run(List.of(), Wrong.class);
        assertThat(output).contains("kernels " + java(), "int4 by the provider: false", "same bits: true");
        assertOneLine(
                output, "kernels wrong: expected the bits of the specification, got others with weights in INT4/32");
    }

    @Test
    void blocksPackedToOtherBytesAreRefusedWithOneLineAndJavaPacksThem() throws IOException, InterruptedException {
        assertThat(run(List.of(), Pack.class, List.of(Packing.class))).contains("packed: 2", "same bytes: true");
        List<String> output = run(List.of(), Pack.class, List.of(WrongPacking.class));
        assertThat(output).contains("kernels " + java(), "same bytes: true");
        assertOneLine(
                output,
                "kernels right: expected the bits of the specification, got others"
                        + " with blocks of type 7; Java computes instead");
    }

    @Test
    @EnabledIfSystemProperty(named = Whole.PROPERTY, matches = "true")
    void aProviderThatFailsToPackIsRefusedWithOneLineAndJavaPacks() throws IOException, InterruptedException {
        List<String> output = run(List.of(), Pack.class, List.of(FailingPacking.class));
        assertThat(output).contains("kernels " + java(), "same bytes: true");
        assertOneLine(
                output,
                "kernels right: expected kernels that run, got java.lang.UnsatisfiedLinkError: no shape of calls");
    }

    @Test
    void aProviderThatFailsIsRefusedWithOneLineAndTheNextIsAsked() throws IOException, InterruptedException {
        List<String> output = run(List.of(), Failing.class, Unusable.class, Right.class);
        assertThat(output).contains("kernels right+" + java(), "int4 by the provider: true", "same bits: true");
        assertOneLine(
                output,
                "kernels failing: expected kernels that run, got"
                        + " java.lang.UnsatisfiedLinkError: no memory may be executed");
    }

    @Test
    @EnabledIfSystemProperty(named = Whole.PROPERTY, matches = "true")
    void aProviderThatDoesNotLoadOrHasNoMemoryIsOneLineAndTheNextIsAsked() throws IOException, InterruptedException {
        List<String> output = run(List.of(), Show.class, NoMemory.class, Right.class);
        assertThat(output).contains("kernels right+" + java(), "int4 by the provider: true", "same bits: true");
        assertOneLine(output, "kernels of a provider: expected a service that loads");
        assertOneLine(output, "kernels no memory: expected kernels that run, got java.lang.OutOfMemoryError: heap");
    }

    @Test
    @EnabledIfSystemProperty(named = Whole.PROPERTY, matches = "true")
    void noMemoryInTheSearchIsOneLineAndJavaGoesOn() throws IOException, InterruptedException {
        List<String> output = run(List.of(), NoMemory.class);
        assertThat(output).contains("kernels " + java(), "same bits: true");
    }

    @Test
    @EnabledIfSystemProperty(named = Whole.PROPERTY, matches = "true")
    void aProviderThatDoesNotLoadIsRefusedWithOneLine() throws IOException, InterruptedException {
        List<String> output = run(List.of(), Show.class);
        assertThat(output).contains("kernels " + java(), "same bits: true");
        assertOneLine(output, "kernels of a provider: expected a service that loads");
    }

    @Test
    void thePropertyLeavesProvidersOut() throws IOException, InterruptedException {
        assertThat(run(List.of("-Dcausal4j.kernels=scalar"), Right.class))
                .contains("kernels scalar", "int4 by the provider: false", "same bits: true");
        assertThat(run(List.of("-Dcausal4j.kernels=vector"), Right.class)).contains("int4 by the provider: false");
    }

    @Test
    @EnabledIfSystemProperty(named = Whole.PROPERTY, matches = "true")
    void aProgramThatWaitsHasTheVectorsBesideTheProviderCompiled() throws IOException, InterruptedException {
        assertThat(run(List.of(), Waiting.class, List.of(Right.class)))
                .containsSubsequence("right+scalar", "right+" + java());
    }

    private static void assertOneLine(List<String> output, String part) {
        assertThat(output).filteredOn(line -> line.contains(part)).hasSize(1);
    }

    private static String java() {
        return "vector" + VectorWidth.available();
    }

    private List<String> run(List<String> flags, Class<?>... providers) throws IOException, InterruptedException {
        return run(flags, Show.class, List.of(providers));
    }

    private List<String> run(List<String> flags, Class<?> program, List<Class<?>> providers)
            throws IOException, InterruptedException {
        Path services = Files.createDirectories(folder.resolve("META-INF/services"));
        Files.write(
                services.resolve(KernelProvider.class.getName()),
                providers.stream().map(Class::getName).toList());
        List<String> all = new java.util.ArrayList<>(flags);
        all.addAll(List.of(JavaProcess.VECTORS, "-Xbootclasspath/a:" + folder)); // resources alone
        return JavaProcess.run(0, all, program);
    }

    /** Products of int4 alone, with the bits of the specification. */
    public static class Right implements KernelProvider {
        static int products;

        @Override
        public String name() {
            return "right";
        }

        @Override
        public boolean isUsable() {
            return true;
        }

        @Override
        public boolean multiplies(GroupFormat format) {
            return format.bits() == 4;
        }

        @Override
        public Products products() {
            return new Products() {
                @Override
                public void multiply(Panels w, RoundedRows x, Rows y) {
                    products++;
                    super.multiply(w, x, y);
                }
            };
        }
    }

    /** Products whose last bit is wrong in one output of the last row. */
    public static final class Wrong extends Right {
        @Override
        public String name() {
            return "wrong";
        }

        @Override
        public Products products() {
            return new Products() {
                @Override
                public void multiply(Panels w, RoundedRows x, Rows y) {
                    super.multiply(w, x, y);
                    int last = y.start(y.count() - 1) + 100;
                    y.data()[last] = Math.nextUp(y.data()[last]);
                }
            };
        }
    }

    /** Kernels that this system does not allow. */
    public static final class Failing extends Right {
        @Override
        public String name() {
            return "failing";
        }

        @Override
        public Products products() {
            throw new UnsatisfiedLinkError("no memory may be executed");
        }
    }

    /** Kernels that find the heap full. */
    public static final class NoMemory extends Right {
        @Override
        public String name() {
            return "no memory";
        }

        @Override
        public Products products() {
            throw new OutOfMemoryError("heap");
        }
    }

    /** Kernels of another machine. */
    public static final class Unusable extends Right {
        @Override
        public boolean isUsable() {
            return false;
        }

        @Override
        public Products products() {
            throw new AssertionError("not usable");
        }
    }

    static final class Show {
        private Show() {}

        public static void main(String[] args) {
            boolean same = true;
            for (WeightFormat format : List.of(GroupFormat.INT4, PanelFormat.F32)) {
                int before = Right.products;
                SplittableRandom random = new SplittableRandom(2);
                MemorySegment data = Arena.global().allocate(format.bytes(96), 64);
                if (format instanceof GroupFormat groups) {
                    groups.encodeRandom(random, 96, data, 0);
                }
                Panels w = new Panels(format, data, 0, 0, 1, 96);
                float[] x = new float[5 * 96];
                for (int i = 0; i < x.length; i++) {
                    x[i] = (float) random.nextGaussian();
                }
                float[] expected = new float[5 * 64];
                for (int i = 0; i < expected.length; i++) {
                    expected[i] = format.output(data, 0, i % 64, 96, x, i / 64 * 96);
                }
                float[] actual = new float[5 * 64];
                multiply(w, Rows.of(x, 96, 5), Rows.of(actual, 64, 5));
                same &= Arrays.equals(actual, expected);
                System.out.println(format.label() + " by the provider: " + (Right.products > before));
            }
            System.out.println("kernels " + Kernels.name(true));
            System.out.println("without groups " + Kernels.name(false));
            System.out.println("same bits: " + same);
        }

        private static void multiply(Panels w, Rows x, Rows y) {
            if (w.format() instanceof GroupFormat format) {
                RoundedRows rounded = RoundedRows.of(format, w.depth(), x.count());
                Kernels.round(format, x, rounded, 0);
                Kernels.multiply(w, rounded, y);
            } else {
                Kernels.multiply(w, x, y);
            }
        }
    }

    /** Packs a row whose codes are all its byte, with scales of 2. */
    public static class Packing extends Right {
        static int packed;

        @Override
        public Products products() {
            return new Products() {
                @Override
                public boolean pack(GroupFormat format, int depth, Blocks row, byte[] panel, int j) {
                    packed++;
                    MemorySegment to = MemorySegment.ofArray(new byte[panel.length]);
                    new GroupPacker(format, depth)
                            .pack(0, j + 1, to, 0, (n, c, s, m) -> Pack.fill(n < j ? -8 : code(row), n == j, c, s, m));
                    for (int i = 0; i < panel.length; i++) {
                        panel[i] |= to.get(ValueLayout.JAVA_BYTE, i);
                    }
                    return true;
                }
            };
        }

        int code(Blocks row) {
            return row.data().get(ValueLayout.JAVA_BYTE, 0);
        }
    }

    /** Packs other codes. */
    public static final class WrongPacking extends Packing {
        @Override
        int code(Blocks row) {
            return super.code(row) + 1;
        }
    }

    /** Kernels whose packing cannot be called. */
    public static final class FailingPacking extends Packing {
        @Override
        int code(Blocks row) {
            throw new UnsatisfiedLinkError("no shape of calls");
        }
    }

    static final class Pack {
        private Pack() {}

        private static void decode(MemorySegment blocks, byte[] codes, float[] scales, float[] minimums) {
            fill(blocks.get(ValueLayout.JAVA_BYTE, 0), true, codes, scales, minimums);
        }

        private static void fill(int first, boolean isThere, byte[] codes, float[] scales, float[] minimums) {
            Arrays.fill(codes, (byte) first);
            Arrays.fill(scales, isThere ? 2f : 0f);
            Arrays.fill(minimums, 0f);
        }

        public static void main(String[] args) {
            GroupFormat format = new GroupFormat(4, true, 32, false, GroupFormat.Scales.HALVES);
            GroupFormat.Codes codes = new GroupFormat.Codes() {
                @Override
                public void row(int row, byte[] codes, float[] scales, float[] minimums) {
                    fill(3 - row, true, codes, scales, minimums);
                }

                @Override
                public Blocks blocks(int row) {
                    return new Blocks(7, MemorySegment.ofArray(new byte[] {(byte) (3 - row)}), Pack::decode);
                }
            };
            MemorySegment actual = MemorySegment.ofArray(new byte[(int) format.bytes(96)]);
            MemorySegment expected = MemorySegment.ofArray(new byte[(int) format.bytes(96)]);
            Kernels.packer(format, 96).pack(0, 2, actual, 0, codes);
            System.out.println("packed: " + (Packing.packed - 4)); // the exam packs four more
            Kernels.packer(format, 96).pack(0, 2, expected, 0, (n, c, s, m) -> fill(3 - n, true, c, s, m));
            System.out.println("same bytes: " + (actual.mismatch(expected) < 0));
            System.out.println("kernels " + Kernels.name());
        }
    }

    static final class Waiting {
        private Waiting() {}

        public static void main(String[] args) throws InterruptedException {
            Kernels.warmUp(GroupFormat.INT4);
            System.out.println(Kernels.state());
            long end = System.nanoTime() + 60_000_000_000L;
            while (Kernels.state().endsWith("scalar") && System.nanoTime() < end) {
                Thread.sleep(5);
            }
            System.out.println(Kernels.state());
        }
    }
}
