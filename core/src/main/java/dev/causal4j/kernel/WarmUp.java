package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * Runs vector kernels on samples until C2 has compiled them. Before that every vector is an object and the code a
 * hundred times slower, so plain Java computes meanwhile.
 */
final class WarmUp {
    private static final int DEPTH = 256;
    private static final int RUNS = 8;
    private static final long MOST_NANOS = 5_000_000_000L;

    private WarmUp() {}

    /** Warms the vector kernels up in the background, then runs {@code done}. */
    static void start(KernelSet plain, KernelSet vector, Runnable done) {
        Thread.ofPlatform().name("causal4j-warm-up").daemon().start(() -> {
            try {
                run(plain, vector);
            } finally {
                done.run();
            }
        });
    }

    private static void run(KernelSet plain, KernelSet vector) {
        try (Arena arena = Arena.ofShared()) {
            long end = System.nanoTime() + MOST_NANOS;
            for (Consumer<KernelSet> sample : samples(arena)) {
                long most = fastest(sample, plain);
                while (fastest(sample, vector) > most && System.nanoTime() < end) {
                    most = Math.min(most, fastest(sample, plain));
                }
            }
        }
    }

    private static long fastest(Consumer<KernelSet> sample, KernelSet kernels) {
        long fastest = Long.MAX_VALUE;
        for (int i = 0; i < RUNS; i++) {
            long start = System.nanoTime();
            sample.accept(kernels);
            fastest = Math.min(fastest, System.nanoTime() - start);
        }
        return fastest;
    }

    /** The kernels of a token. One, few and many rows have a loop each, and so have one and several panels. */
    static List<Consumer<KernelSet>> samples(Arena arena) {
        MemorySegment data = arena.allocate(3L * DEPTH * Panels.WIDTH * 4, 64);
        float[] gain = new float[1000];
        float[] x = new float[12 * DEPTH * RowTiles.STEP];
        float[] y = new float[12 * DEPTH];
        Rows in = Rows.of(x, DEPTH, 4);
        Rows out = Rows.of(y, DEPTH, 4);
        Stream<Consumer<KernelSet>> products = Stream.of(PanelFormat.values())
                .flatMap(format -> Stream.of(1, 2, 4, 8, 12).map(rows -> product(data, format, rows, x, y)));
        Stream<Consumer<KernelSet>> others = Stream.of(
                set -> set.products().fillTile(in, 0, RowTiles.STEP, DEPTH, y, 0),
                set -> set.reductions().addWeightedRows(x, 0, Panels.WIDTH, data, 0, y, 0, Panels.WIDTH),
                set -> set.reductions().addFourWeightedRows(in, 0, 0, Panels.WIDTH, data, 0, out, Panels.WIDTH),
                set -> set.reductions().layerNorm(x, 0, gain, y, 1e-5f, y, 0),
                set -> y[0] = set.reductions().max(x, 0, 1000),
                set -> y[0] = set.reductions().sum(x, 0, 1000),
                set -> set.elementwise().exp(y, 0, 1000, 0),
                set -> set.elementwise().gelu(y, 0, 1000),
                set -> set.elementwise().add(x, 0, y, 0, 1000));
        return Stream.concat(products, others).toList();
    }

    private static Consumer<KernelSet> product(MemorySegment data, PanelFormat format, int rows, float[] x, float[] y) {
        int panels = rows == 1 ? 3 : 1;
        Panels w = new Panels(format, data, 0, format.bytes(DEPTH), panels, DEPTH);
        RowTiles in = rows == 1 ? RowTiles.row(Rows.of(x, DEPTH, 1)) : RowTiles.in(x, rows, DEPTH);
        Rows out = Rows.of(y, panels * Panels.WIDTH, rows);
        return set -> set.products().multiply(w, in, out);
    }
}
