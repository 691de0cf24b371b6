package dev.causal4j.kernel.choice;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.AdamWStep;
import dev.causal4j.kernel.DeltaRule;
import dev.causal4j.kernel.Elementary;
import dev.causal4j.kernel.GroupFormat;
import dev.causal4j.kernel.JavaKernels;
import dev.causal4j.kernel.NormRule;
import dev.causal4j.kernel.PanelFormat;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.RoundedRows;
import dev.causal4j.kernel.RowTiles;
import dev.causal4j.kernel.WeightFormat;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Comparator;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * Chooses between plain Java and vectors. It runs vector kernels on samples until C2 has compiled them. Before that
 * every vector is an object and the code a hundred times slower, so plain Java computes meanwhile, with equal bits.
 * Loops that C2 does not compile stay plain Java. Thread-safe.
 */
final class WarmUp {
    private static final int DEPTH = 256;
    private static final int SAMPLE = 1000;
    private static final int RUNS = 8;

    /** Fewest rounds of a sample, so that plain Java is compiled, too. */
    private static final int ROUNDS = 50;

    /** Most time for a sample. A second suffices; a busy machine or a part of a core takes many. */
    static final long MOST_NANOS = 60_000_000_000L;

    /** Multiply-adds of few rows after which the samples start: plain Java takes as long as compiling them. */
    private static final long WORK = 3L << 29;

    /** Multiply-adds of a prompt after which the samples start: most of the prompt is still to come. */
    private static final long PROMPT_WORK = 256 << 20;

    /**
     * A provider's multiply-adds of a prompt after which the samples start: a short prompt is done before they take a
     * core.
     */
    private static final long PROVIDED_WORK = 16 * WORK;

    private final JavaKernels plain = JavaKernels.scalar();
    private final JavaKernels vector;
    /** Multiply-adds so far in plain Java. */
    private final Map<Loops, Long> work = new ConcurrentHashMap<>();

    private final Set<Loops> compiled = ConcurrentHashMap.newKeySet();
    private final long mostNanos;
    private final boolean forced;
    private volatile boolean started; // written under this
    private volatile boolean done; // with all kernels except those of training

    /**
     * @param forced whether the kernels run from the first call
     * @param mostNanos after this time a sample is given up, and with it all loops that are not compiled
     */
    WarmUp(JavaKernels vector, boolean forced, long mostNanos) {
        this.vector = vector;
        this.mostNanos = mostNanos;
        this.forced = forced || vector.name().equals(plain.name());
        this.done = this.forced;
        this.started = this.forced;
    }

    /** The height of tiles of a product, or all other kernels of a forward or a backward pass. */
    enum Part {
        REST,
        TRAINING,
        ROW,
        FEW,
        MANY
    }

    /** Kernels that are compiled together: products by weights of a format, or the rest. */
    record Loops(Part part, WeightFormat format) {
        /** All kernels except products. The format is the usual one of keys and values, f32. */
        static final Loops REST = new Loops(Part.REST, PanelFormat.F32);

        /** The kernels that only training calls. */
        static final Loops TRAINING = new Loops(Part.TRAINING, PanelFormat.F32);
    }

    /** The kernels to call for backward passes and optimizers. The first call starts their samples. */
    JavaKernels training() {
        if (forced || compiled.contains(Loops.TRAINING)) {
            return vector;
        }
        work.putIfAbsent(Loops.TRAINING, 1L);
        if (!started) {
            start(Loops.TRAINING);
        }
        return plain;
    }

    /** The kernels that run for every call: plain Java until all vectors are compiled. */
    JavaKernels running() {
        return done ? vector : plain;
    }

    /** The kernels to call for everything except products. */
    JavaKernels rest() {
        return done || compiled.contains(Loops.REST) ? vector : plain;
    }

    /** The kernels to call for a product. Counts its work, and starts the samples at the threshold. */
    JavaKernels product(Panels w, int height, int rows) {
        // A format seen only now runs as vectors at once: measured, C2 compiles its loops within some tens of tokens.
        if (done) {
            return vector;
        }
        Part part = height == 1 ? Part.ROW : height == RowTiles.FEW ? Part.FEW : Part.MANY;
        Loops loops = new Loops(part, w.format());
        if (compiled.contains(loops)) {
            return vector;
        }
        long sum = work.merge(loops, (long) w.count() * Panels.WIDTH * w.depth() * rows, Long::sum);
        if (sum >= (rows > RowTiles.FEW ? PROMPT_WORK : WORK)) {
            start(loops);
        }
        return plain;
    }

    /** Counts a provider's product, since attention and norms run beside it and need their vectors as much. */
    void count(Panels w, int rows) {
        if (!done) {
            long sum = work.merge(Loops.REST, (long) w.count() * Panels.WIDTH * w.depth() * rows, Long::sum);
            if (sum >= (rows > RowTiles.FEW ? PROVIDED_WORK : WORK)) {
                start(Loops.REST);
            }
        }
    }

    /** Starts the samples unless these loops are compiled. Loops that are compiled keep their vectors. */
    synchronized void start(Loops loops) {
        work.putIfAbsent(loops, 1L);
        if (!started && !compiled.contains(loops)) {
            started = true;
            done = false;
            Thread.ofPlatform().name("causal4j-warm-up").daemon().start(this::run);
        }
    }

    private void run() {
        try (Arena arena = Arena.ofShared()) {
            for (Optional<Loops> next = next(); next.isPresent(); next = next()) {
                if (!samples(next.get(), arena).allMatch(this::isCompiled)) {
                    KernelChoice.warn("This JVM has not compiled vectors in " + mostNanos / 1_000_000_000
                            + " s, so kernels run as plain Java with the same results, only slower");
                    return; // stays started: further samples would fail, too
                }
                compiled.add(next.get());
            }
            synchronized (this) {
                done = true;
                started = false;
            }
        }
    }

    /** The uncompiled loops with the most work in plain Java. */
    Optional<Loops> next() {
        return Stream.concat(Stream.of(Loops.REST), work.keySet().stream().flatMap(WarmUp::together))
                .filter(loops -> !compiled.contains(loops))
                .max(Comparator.comparingLong(loops -> work.getOrDefault(loops, 0L)));
    }

    /** The loops of all heights of tiles of a format: a model that uses one soon uses the others. */
    private static Stream<Loops> together(Loops seen) {
        if (seen.equals(Loops.REST) || seen.equals(Loops.TRAINING)) {
            return Stream.of(seen);
        }
        return Stream.of(Part.ROW, Part.FEW, Part.MANY)
                // groups have no loops of few rows
                .filter(part -> part != Part.FEW || seen.format() instanceof PanelFormat)
                .map(part -> new Loops(part, seen.format()));
    }

    /** Whether vectors take at most twice plain Java's time: uncompiled they take a hundred times as long. */
    private boolean isCompiled(Consumer<JavaKernels> sample) {
        long end = System.nanoTime() + mostNanos;
        boolean fast = false;
        for (int round = 0; (round < ROUNDS || !fast) && System.nanoTime() < end; round++) {
            fast = fastest(sample, vector) <= 2 * fastest(sample, plain);
        }
        return fast;
    }

    private static long fastest(Consumer<JavaKernels> sample, JavaKernels kernels) {
        long fastest = Long.MAX_VALUE;
        for (int i = 0; i < RUNS; i++) {
            long start = System.nanoTime();
            sample.accept(kernels);
            fastest = Math.min(fastest, System.nanoTime() - start);
        }
        return fastest;
    }

    static Stream<Consumer<JavaKernels>> samples(Loops loops, Arena arena) {
        WeightFormat format = loops.format();
        return switch (loops.part()) {
            case REST -> rest(arena);
            case TRAINING -> training(arena);
            case ROW -> Stream.of(product(arena, format, 1, DEPTH));
            case FEW -> Stream.of(4, 8).map(rows -> product(arena, format, rows, DEPTH));
            case MANY -> Stream.of(product(arena, format, 12, many(format)));
        };
    }

    /** Inputs with which all loops of many rows run: without groups there is a further loop for steps from 512 on. */
    private static int many(WeightFormat format) {
        return format instanceof GroupFormat ? DEPTH : 3 * DEPTH;
    }

    private static Stream<Consumer<JavaKernels>> rest(Arena arena) {
        MemorySegment data = arena.allocate(DEPTH * 4L * Panels.WIDTH, 64);
        float[] x = new float[SAMPLE];
        float[] y = new float[SAMPLE];
        RoundedRows rounded = RoundedRows.of(GroupFormat.INT8, SAMPLE / 32 * 32, 1);
        Rows in = Rows.of(x, DEPTH, 3);
        Rows out = Rows.of(y, DEPTH, 3);
        NormRule rule = new NormRule(new float[SAMPLE], y, 1e-5f, true);
        DeltaRule delta = new DeltaRule(data, 0, DEPTH, DeltaRule.COLUMNS, true, in, in, in, in, in, out);
        return Stream.of(
                set -> set.reductions().addWeightedRows(PanelFormat.F32, data, 0, DEPTH, in, out, 0, Panels.WIDTH),
                set -> set.reductions().norm(rule, x, 0, y, 0),
                set -> set.recurrences().delta(delta),
                set -> set.products().round(Rows.of(x, SAMPLE, 1), rounded, 0),
                set -> y[0] = set.reductions().max(x, 0, SAMPLE),
                set -> y[0] = set.reductions().sum(x, 0, SAMPLE),
                set -> y[0] = set.reductions().expSum(y, 0, SAMPLE, 0, true),
                set -> set.elementwise().swish(y, 0, SAMPLE, Elementary.GELU_SCALE, Elementary.GELU_CUBE),
                set -> set.elementwise().add(x, 0, y, 0, SAMPLE));
    }

    private static Stream<Consumer<JavaKernels>> training(Arena arena) {
        MemorySegment data = arena.allocate(DEPTH * 4L * Panels.WIDTH, 64);
        Panels panel = new Panels(data, 0, 0, 1, DEPTH);
        double[] squares = new double[Panels.WIDTH];
        float[] x = new float[SAMPLE];
        float[] y = new float[SAMPLE];
        float[] z = new float[SAMPLE];
        NormRule rule = new NormRule(new float[SAMPLE], y, 1e-5f, true);
        AdamWStep step = new AdamWStep(1, 1, 0.1f, 0.99f, 0.01f, 1e-3f, 1, 1e-8f);
        AdamWStep.Numbers numbers = new AdamWStep.Numbers(data, data, data, data, 0, SAMPLE / 64 * 64);
        return Stream.of(
                gradient(arena, RowTiles.FEW),
                gradient(arena, 12),
                set -> set.elementwise().adamW(step, numbers),
                set -> set.reductions().addSquares(panel, squares),
                set -> set.reductions().normBackward(rule, x, y, z, 0, new float[2], 0),
                set -> set.elementwise().swishBackward(x, y, 0, SAMPLE, Elementary.GELU_SCALE, Elementary.GELU_CUBE),
                set -> set.elementwise().geluBackward(x, y, 0, SAMPLE),
                set -> set.elementwise().softmaxBackward(x, 0, SAMPLE, 1, 1e-3f, 0, 0));
    }

    private static Consumer<JavaKernels> gradient(Arena arena, int rows) {
        Panels w = new Panels(arena.allocate(PanelFormat.F32.bytes(DEPTH), 64), 0, 0, 1, DEPTH);
        RowTiles in = RowTiles.of(new float[RowTiles.size(rows, DEPTH)], rows, DEPTH);
        MemorySegment sums = arena.allocate(PanelFormat.F32.bytes(rows), 64);
        return set -> set.products().addProduct(w, in, sums, 0);
    }

    private static Consumer<JavaKernels> product(Arena arena, WeightFormat format, int rows, int depth) {
        int panels = rows == 1 ? 2 : 1;
        MemorySegment data = arena.allocate(panels * format.bytes(depth), 64);
        Panels w = new Panels(format, data, 0, format.bytes(depth), panels, depth);
        Rows out = Rows.of(new float[rows * panels * Panels.WIDTH], panels * Panels.WIDTH, rows);
        if (format instanceof GroupFormat groups) {
            RoundedRows in = RoundedRows.of(groups, depth, rows);
            return set -> set.products().multiply(w, in, out);
        }
        RowTiles in = RowTiles.of(new float[RowTiles.size(rows, depth)], rows, depth);
        return set -> set.products().multiply(w, in, out);
    }
}
