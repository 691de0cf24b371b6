package dev.causal4j.kernel.choice;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.causal4j.JavaProcess;
import dev.causal4j.Whole;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.GroupFormat;
import dev.causal4j.kernel.GroupFormat.Scales;
import dev.causal4j.kernel.JavaKernels;
import dev.causal4j.kernel.PanelFormat;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.RoundedRows;
import dev.causal4j.kernel.VectorWidth;
import dev.causal4j.kernel.WeightFormat;
import dev.causal4j.kernel.choice.WarmUp.Loops;
import dev.causal4j.kernel.choice.WarmUp.Part;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** Vectors are compiled in the background, and then stay in registers. */
class WarmUpTest {
    /** A vector that C2 boxes takes 80 bytes, and every sample has a hundred of them or more. */
    private static final long MOST_BYTES = 16_384;

    private static final long MOST_NANOS = 120_000_000_000L;

    /** Formats that take each branch of the loops over groups. */
    private static final List<WeightFormat> GROUPS = List.of(
            new GroupFormat(4, true, 32, false, Scales.HALVES),
            new GroupFormat(4, true, 32, false, Scales.FLOATS),
            new GroupFormat(4, false, 32, true, Scales.LEVELS),
            GroupFormat.INT4,
            GroupFormat.INT8,
            new GroupFormat(8, true, 16, false, Scales.LEVELS));

    @Test
    @EnabledIfSystemProperty(named = Whole.PROPERTY, matches = "true")
    void vectorsTakeOverFromPlainJavaWithTheSameBits() throws IOException, InterruptedException {
        assertThat(JavaProcess.run(0, List.of(JavaProcess.VECTORS), Begin.class))
                .containsSubsequence("scalar", "vector" + VectorWidth.available(), "same bits: true");
    }

    @Test
    void whatPlainJavaWorkedMostForComesFirst() {
        WarmUp warmUp = new WarmUp(JavaKernels.vector(), false, WarmUp.MOST_NANOS);
        Panels plain = new Panels(Arena.global().allocate(32 * 64 * 4, 64), 0, 0, 1, 32);
        WeightFormat format = GROUPS.getFirst();
        Panels groups = new Panels(format, Arena.global().allocate(format.bytes(32), 64), 0, 0, 1, 32);
        assertThat(warmUp.next()).hasValue(Loops.REST);
        warmUp.product(plain, 1, 1);
        assertThat(warmUp.next()).hasValue(new Loops(Part.ROW, PanelFormat.F32));
        warmUp.product(groups, RoundedRows.TILE, 12);
        assertThat(warmUp.next()).hasValue(new Loops(Part.MANY, format));
        assertThat(warmUp.running().name()).isEqualTo("scalar");
    }

    @Test
    void kernelsOfTrainingRunAsVectorsOnlyOnceTheyAreCompiled() throws InterruptedException {
        WarmUp warmUp = new WarmUp(JavaKernels.vector(), false, WarmUp.MOST_NANOS);
        warmUp.start(Loops.REST);
        end();
        assertThat(warmUp.rest().name()).isNotEqualTo("scalar");
        assertThat(warmUp.training().name()).isEqualTo("scalar");
        end();
        assertThat(warmUp.training().name()).isNotEqualTo("scalar");
        assertThat(warmUp.running().name()).isNotEqualTo("scalar");
    }

    private static void end() throws InterruptedException {
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            if (thread.getName().equals("causal4j-warm-up")) {
                thread.join();
            }
        }
    }

    /** As in a JVM without C2; here there is no time to compile. */
    @Test
    void whatIsNotCompiledStaysPlainJava() throws InterruptedException {
        WarmUp warmUp = new WarmUp(JavaKernels.vector(), false, 0);
        for (int i = 0; i < 2; i++) {
            warmUp.start(Loops.REST);
            end();
            Panels w = new Panels(Arena.global().allocate(32 * 64 * 4, 64), 0, 0, 1, 32);
            assertThat(Stream.of(warmUp.running(), warmUp.rest(), warmUp.product(w, 1, 1)))
                    .allMatch(set -> set.name().equals("scalar"));
        }
    }

    static final class Begin {
        private Begin() {}

        public static void main(String[] args) {
            System.out.println(Kernels.state());
            Random random = new Random(3);
            float[] x = new float[768];
            MemorySegment data = Arena.global().allocate(768 * 64 * 4, 64);
            for (int i = 0; i < x.length; i++) {
                x[i] = random.nextFloat();
            }
            for (int i = 0; i < 768 * 64; i++) {
                data.set(Panels.FLOAT, i * 4L, random.nextFloat());
            }
            Panels w = new Panels(data, 0, 0, 1, 768);
            float[] first = new float[64];
            Kernels.multiply(w, Rows.of(x, 768, 1), Rows.of(first, 64, 1));
            boolean same = true;
            long end = System.nanoTime() + MOST_NANOS;
            for (int after = 0;
                    after < 100 && System.nanoTime() < end;
                    after += Kernels.state().equals("scalar") ? 0 : 1) {
                float[] y = new float[64];
                Kernels.multiply(w, Rows.of(x, 768, 1), Rows.of(y, 64, 1));
                LockSupport.parkNanos(1_000_000); // leaves the processor to the compiler
                same &= Arrays.equals(y, first);
            }
            System.out.println(Kernels.state());
            System.out.println("same bits: " + same);
        }
    }

    /**
     * In a JVM of its own, as users have one: C2 compiles a loop by the profile of earlier calls, those of other tests
     * included.
     */
    @Test
    @EnabledIfSystemProperty(named = Whole.PROPERTY, matches = "true")
    void compiledKernelsKeepTheirVectorsInRegisters() throws IOException, InterruptedException {
        assertThat(JavaProcess.run(0, List.of(JavaProcess.VECTORS), Allocate.class))
                .contains("samples that allocate: []");
    }

    static final class Allocate {
        private Allocate() {}

        public static void main(String[] args) {
            JavaKernels vector = JavaKernels.vector();
            long end = System.nanoTime() + MOST_NANOS;
            List<String> large = new ArrayList<>();
            try (Arena arena = Arena.ofShared()) {
                int number = 0;
                List<WeightFormat> formats = new ArrayList<>(GROUPS);
                formats.addAll(List.of(PanelFormat.values()));
                // Tiles come first, since they store vectors of another length: C2 must not believe that sums have it.
                for (Consumer<JavaKernels> sample : Stream.of(Part.MANY, Part.FEW, Part.ROW, Part.REST, Part.TRAINING)
                        .flatMap(part -> part == Part.REST || part == Part.TRAINING
                                ? Stream.of(new Loops(part, PanelFormat.F32))
                                : formats.stream().map(format -> new Loops(part, format)))
                        .flatMap(loops -> WarmUp.samples(loops, arena))
                        .toList()) {
                    long bytes = leastBytes(() -> sample.accept(vector), end);
                    if (bytes > MOST_BYTES) {
                        large.add(number + ": " + bytes);
                    }
                    number++;
                }
            }
            System.out.println("samples that allocate: " + large);
        }

        private static long leastBytes(Runnable call, long end) {
            ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            long least = Long.MAX_VALUE;
            while (least > MOST_BYTES && System.nanoTime() < end) {
                long before = threads.getCurrentThreadAllocatedBytes();
                for (int i = 0; i < 100; i++) {
                    call.run();
                }
                least = Math.min(least, (threads.getCurrentThreadAllocatedBytes() - before) / 100);
            }
            return least;
        }
    }
}
