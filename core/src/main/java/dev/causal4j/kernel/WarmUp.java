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
    private static final int SAMPLE = 1000;
    private static final int RUNS = 8;

    /** At least so many, or plain Java might not be compiled either. */
    private static final int ROUNDS = 50;

    private static final long MOST_NANOS = 5_000_000_000L;

    /** A model of groups has several formats. These take each branch of its loops. */
    static final List<WeightFormat> GROUPS = List.of(
            new GroupFormat(4, true, 32, false, false),
            new GroupFormat(4, true, 32, false, true),
            new GroupFormat(4, false, 32, true, true),
            GroupFormat.INT4,
            new GroupFormat(8, true, 32, false, false),
            new GroupFormat(8, true, 16, false, true),
            PanelFormat.F32);

    private WarmUp() {}

    /** Kernels that go over together; each part is compiled on its own. */
    enum Part {
        ROW,
        REST,
        FEW,
        MANY
    }

    /**
     * Warms the vector kernels up in the background, a part at a time.
     *
     * @param format of the matrices; keys and values are f32
     * @param first the part to begin with
     * @param ready called with each part that is compiled
     */
    static void start(KernelSet plain, KernelSet vector, WeightFormat format, Part first, Consumer<Part> ready) {
        Thread.ofPlatform().name("causal4j-warm-up").daemon().start(() -> {
            try (Arena arena = Arena.ofShared()) {
                List<WeightFormat> formats = format instanceof GroupFormat ? GROUPS : List.of(format, PanelFormat.F32);
                Stream.concat(Stream.of(first), Stream.of(Part.values()))
                        .distinct()
                        .forEach(part -> {
                            samples(part, arena, formats).forEach(sample -> warm(sample, plain, vector));
                            ready.accept(part);
                        });
            } finally {
                Stream.of(Part.values()).forEach(ready);
            }
        });
    }

    /** Code that is not compiled is a hundred times slower than plain Java, never twice. */
    private static void warm(Consumer<KernelSet> sample, KernelSet plain, KernelSet vector) {
        long end = System.nanoTime() + MOST_NANOS;
        boolean compiled = false;
        for (int round = 0; (round < ROUNDS || !compiled) && System.nanoTime() < end; round++) {
            compiled = fastest(sample, vector) <= 2 * fastest(sample, plain);
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

    static Stream<Consumer<KernelSet>> samples(Part part, Arena arena, List<WeightFormat> formats) {
        return switch (part) {
            case ROW -> formats.stream().map(format -> product(arena, format, 1, DEPTH));
            case FEW ->
                formats.stream().flatMap(format -> Stream.of(4, 8).map(rows -> product(arena, format, rows, DEPTH)));
            case MANY -> formats.stream().map(format -> product(arena, format, 12, many(format)));
            case REST -> rest(arena);
        };
    }

    /** Inputs that take all loops of many rows: without groups, later steps have one of their own. */
    private static int many(WeightFormat format) {
        return format instanceof GroupFormat ? DEPTH : Math.min(VectorProducts.STEPS, 2 * DEPTH) + DEPTH;
    }

    private static Stream<Consumer<KernelSet>> rest(Arena arena) {
        MemorySegment data = arena.allocate(DEPTH * 4L * Panels.WIDTH, 64);
        float[] x = new float[SAMPLE];
        float[] y = new float[SAMPLE];
        NormRule rule = new NormRule(new float[SAMPLE], y, 1e-5f, true);
        return Stream.of(
                set -> set.reductions().addWeighted(PanelFormat.F32, x, 0, Panels.WIDTH, data, 0, y, 0, Panels.WIDTH),
                set -> set.reductions().norm(rule, x, 0, y, 0),
                set -> y[0] = set.reductions().max(x, 0, SAMPLE),
                set -> y[0] = set.reductions().sum(x, 0, SAMPLE),
                set -> y[0] = set.reductions().expSum(y, 0, SAMPLE, 0, true),
                set -> set.elementwise().swish(y, 0, SAMPLE, Elementary.GELU_SCALE, Elementary.GELU_CUBE),
                set -> set.elementwise().add(x, 0, y, 0, SAMPLE));
    }

    private static Consumer<KernelSet> product(Arena arena, WeightFormat format, int rows, int depth) {
        int panels = rows == 1 ? 2 : 1;
        MemorySegment data = arena.allocate(panels * format.bytes(depth), 64);
        Panels w = new Panels(format, data, 0, format.bytes(depth), panels, depth);
        int steps = depth + format.sums(depth);
        RowTiles in = RowTiles.of(new float[RowTiles.size(rows, steps)], rows, steps);
        Rows out = Rows.of(new float[rows * panels * Panels.WIDTH], panels * Panels.WIDTH, rows);
        return set -> set.products().multiply(w, in, out);
    }
}
