package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Each kernel in plain Java until its vector twin is compiled. Thread-safe; equal bits make the change invisible.
 *
 * <p>Code on the Vector API that C2 has not compiled yet makes an object of every vector and is a hundred times slower
 * than after, while plain Java is usable at once: the first token would take most of a second. So a kernel that has done
 * some work asks for its twin to be run on a sample of that work, in the background, until it is the faster one.
 */
final class StartingKernels implements KernelSet {
    /** Multiply-adds after which a kernel is worth compiling: two first tokens of GPT-2 small, which need not wait for it. */
    private static final long WORK = 256 << 20;

    /** Numbers of an elementwise kernel cost as much as so many multiply-adds of a product. */
    private static final int ELEMENT = 512;

    /** Panels of the samples of a product of one row, for which there may be two loops (VectorProducts). */
    private static final int[] ROW_PANELS = {1, 3};

    /** Rows of the samples of a product of few rows, for which there may be two loops (VectorFewRows). */
    private static final int[] FEW_ROWS = {4, 8};

    /** Rows of the sample of a product of many rows. */
    private static final int MANY_ROWS = 2 * RowTiles.ROWS;

    /** Numbers of an elementwise sample: some whole vectors of any width and some numbers after them. */
    private static final int SAMPLE = 1000;

    /** Rows of a weighted sum that count and make a sample. */
    private static final int LEAST_WEIGHTED = 16;

    private static final int RUNS = 8;
    private static final long MOST_NANOS = 5_000_000_000L;

    /** One thread that ends when there is nothing to do. */
    private static final ExecutorService BACKGROUND = new ThreadPoolExecutor(
            0,
            1,
            1,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(),
            task -> Thread.ofPlatform().name("causal4j-start").daemon().unstarted(task));

    private final KernelSet plain = new ScalarKernels();
    private final KernelSet vector;
    private final Product f32;
    private final Product bf16;
    private final Product int8;
    private final Start fillTile = new Start();
    private final Start addWeightedRows = new Start();
    private final Start layerNorm = new Start();
    private final Start max = new Start();
    private final Start expSum = new Start();
    private final Start gelu = new Start();

    /** Whether any kernel has gone over. */
    private volatile boolean begun;

    StartingKernels(KernelSet vector) {
        this.vector = vector;
        this.f32 = new Product(plain::multiplyF32, vector::multiplyF32, plain::multiplyF32, vector::multiplyF32);
        this.bf16 = new Product(plain::multiplyBf16, vector::multiplyBf16, plain::multiplyBf16, vector::multiplyBf16);
        this.int8 = new Product(plain::multiplyInt8, vector::multiplyInt8, plain::multiplyInt8, vector::multiplyInt8);
    }

    /** The same work for both twins. */
    private record Sample(Runnable plain, Runnable vector) {}

    /** What is known of one kernel. */
    private final class Start {
        private final AtomicBoolean asked = new AtomicBoolean();
        private volatile boolean over;
        private long work; // several threads add without care: it is only a measure

        /** Counts work done in plain Java, and says once that it is enough for {@link #compare}. */
        boolean due(long amount) {
            work += amount;
            return work >= WORK && !asked.get() && asked.compareAndSet(false, true);
        }

        /** Runs both twins on each sample in the background, then goes over. */
        void compare(Sample... samples) {
            try {
                BACKGROUND.execute(() -> run(samples));
            } catch (OutOfMemoryError noRoomForAThread) {
                goOver(); // and is compiled while it is used
            }
        }

        private void run(Sample... samples) {
            try {
                long end = System.nanoTime() + MOST_NANOS;
                for (Sample sample : samples) {
                    long most = fastest(sample.plain);
                    while (fastest(sample.vector) > most && System.nanoTime() < end) {
                        most = Math.min(most, fastest(sample.plain));
                    }
                }
            } catch (RuntimeException | OutOfMemoryError theSampleIsGone) {
                // Its memory may be freed at any time, since the work it comes from is done. What was compiled so far
                // counts, and the rest is compiled while it is used.
            } finally {
                goOver();
            }
        }

        private void goOver() {
            over = true;
            begun = true;
        }

        private static long fastest(Runnable twin) {
            long fastest = Long.MAX_VALUE;
            for (int i = 0; i < RUNS; i++) {
                long start = System.nanoTime();
                twin.run();
                fastest = Math.min(fastest, System.nanoTime() - start);
            }
            return fastest;
        }
    }

    @FunctionalInterface
    private interface Multiply<X> {
        void multiply(Panels w, X x, Rows y);
    }

    /** The twins of a product. One row, few rows and many are different loops, which go over each for itself. */
    private final class Product {
        private final Multiply<Rows> plain;
        private final Multiply<Rows> vector;
        private final Multiply<RowTiles> plainTiles;
        private final Multiply<RowTiles> vectorTiles;
        private final Start row = new Start();
        private final Start few = new Start();
        private final Start many = new Start();

        Product(
                Multiply<Rows> plain,
                Multiply<Rows> vector,
                Multiply<RowTiles> plainTiles,
                Multiply<RowTiles> vectorTiles) {
            this.plain = plain;
            this.vector = vector;
            this.plainTiles = plainTiles;
            this.vectorTiles = vectorTiles;
        }

        void multiply(Panels w, Rows x, Rows y) {
            if (row.over) {
                vector.multiply(w, x, y);
                return;
            }
            plain.multiply(w, x, y);
            if (due(row, w, y)) {
                Rows one = new Rows(x.data(), x.offset(), 0, 1);
                row.compare(IntStream.of(ROW_PANELS)
                        .mapToObj(panels -> sample(plain, vector, w, panels, one, 1))
                        .toArray(Sample[]::new));
            }
        }

        void multiply(Panels w, RowTiles x, Rows y) {
            Start start = x.areFew() ? few : many;
            if (start.over) {
                vectorTiles.multiply(w, x, y);
                return;
            }
            plainTiles.multiply(w, x, y);
            if (due(start, w, y)) {
                IntStream rows = x.areFew() ? IntStream.of(FEW_ROWS) : IntStream.of(MANY_ROWS);
                start.compare(rows.mapToObj(count -> sample(plainTiles, vectorTiles, w, 1, sample(x, count), count))
                        .toArray(Sample[]::new));
            }
        }

        private static boolean due(Start start, Panels w, Rows y) {
            return start.due((long) w.count() * Panels.WIDTH * w.depth() * y.count());
        }

        /** One tile, again and again. */
        private static RowTiles sample(RowTiles x, int rows) {
            return new RowTiles(x.data(), x.offset(), 0, x.height(), rows);
        }

        /** One panel, again and again, and rows of what is multiplied anyway: kernels are compiled for the memory they see. */
        private static <X> Sample sample(Multiply<X> plain, Multiply<X> vector, Panels w, int panels, X x, int rows) {
            Panels some = new Panels(w.data(), w.offset(), 0, panels, w.depth());
            Rows out = Rows.of(new float[rows * panels * Panels.WIDTH], panels * Panels.WIDTH, rows);
            return new Sample(() -> plain.multiply(some, x, out), () -> vector.multiply(some, x, out));
        }

        Stream<Start> starts() {
            return Stream.of(row, few, many);
        }
    }

    /** How many kernels have gone over to their vector twins. */
    long started() {
        return Stream.concat(
                        Stream.of(f32, bf16, int8).flatMap(Product::starts),
                        Stream.of(fillTile, addWeightedRows, layerNorm, max, expSum, gelu))
                .filter(start -> start.over)
                .count();
    }

    @Override
    public String name() {
        return vector.name();
    }

    @Override
    public int tileRows(int rows) {
        return vector.tileRows(rows);
    }

    @Override
    public int rowPanels(int bytes) {
        return vector.rowPanels(bytes);
    }

    @Override
    public void multiplyF32(Panels w, Rows x, Rows y) {
        f32.multiply(w, x, y);
    }

    @Override
    public void multiplyBf16(Panels w, Rows x, Rows y) {
        bf16.multiply(w, x, y);
    }

    @Override
    public void multiplyInt8(Panels w, Rows x, Rows y) {
        int8.multiply(w, x, y);
    }

    @Override
    public void multiplyF32(Panels w, RowTiles x, Rows y) {
        f32.multiply(w, x, y);
    }

    @Override
    public void multiplyBf16(Panels w, RowTiles x, Rows y) {
        bf16.multiply(w, x, y);
    }

    @Override
    public void multiplyInt8(Panels w, RowTiles x, Rows y) {
        int8.multiply(w, x, y);
    }

    @Override
    public void fillTile(Rows x, int row, int height, int depth, float[] to, int at) {
        if (fillTile.over) {
            vector.fillTile(x, row, height, depth, to, at);
            return;
        }
        plain.fillTile(x, row, height, depth, to, at);
        if (fillTile.due((long) height * depth * ELEMENT / 4)) {
            Rows rows = new Rows(x.data(), x.start(row), 0, height); // one row, again and again
            float[] sample = new float[depth * RowTiles.STEP];
            fillTile.compare(new Sample(
                    () -> plain.fillTile(rows, 0, height, depth, sample, 0),
                    () -> vector.fillTile(rows, 0, height, depth, sample, 0)));
        }
    }

    @Override
    public void addWeightedRows(
            float[] p, int pOffset, int count, MemorySegment v, long vOffset, float[] out, int outOffset, int n) {
        if (addWeightedRows.over) {
            vector.addWeightedRows(p, pOffset, count, v, vOffset, out, outOffset, n);
            return;
        }
        plain.addWeightedRows(p, pOffset, count, v, vOffset, out, outOffset, n);
        startWeightedRows(1, p, pOffset, count, v, vOffset, n);
    }

    @Override
    public void addFourWeightedRows(
            Rows p, int row, int from, int count, MemorySegment v, long vOffset, Rows out, int n) {
        if (addWeightedRows.over) {
            vector.addFourWeightedRows(p, row, from, count, v, vOffset, out, n);
            return;
        }
        plain.addFourWeightedRows(p, row, from, count, v, vOffset, out, n);
        startWeightedRows(4, p.data(), p.start(row) + from, count, v, vOffset, n);
    }

    /** One row and four have a loop each; both are compared, whichever comes first. */
    private void startWeightedRows(int rows, float[] p, int pOffset, int count, MemorySegment v, long vOffset, int n) {
        if (count >= LEAST_WEIGHTED && addWeightedRows.due((long) rows * count * n * ELEMENT / 16)) {
            float[] weights = Arrays.copyOfRange(p, pOffset, pOffset + count);
            float[] sums = new float[4 * n];
            Rows fourWeights = new Rows(weights, 0, 0, 4);
            Rows fourSums = Rows.of(sums, n, 4);
            addWeightedRows.compare(
                    new Sample(
                            () -> plain.addWeightedRows(weights, 0, count, v, vOffset, sums, 0, n),
                            () -> vector.addWeightedRows(weights, 0, count, v, vOffset, sums, 0, n)),
                    new Sample(
                            () -> plain.addFourWeightedRows(fourWeights, 0, 0, count, v, vOffset, fourSums, n),
                            () -> vector.addFourWeightedRows(fourWeights, 0, 0, count, v, vOffset, fourSums, n)));
        }
    }

    @Override
    public void layerNorm(float[] x, int xOffset, float[] gain, float[] bias, float epsilon, float[] y, int yOffset) {
        if (layerNorm.over) {
            vector.layerNorm(x, xOffset, gain, bias, epsilon, y, yOffset);
            return;
        }
        plain.layerNorm(x, xOffset, gain, bias, epsilon, y, yOffset);
        if (layerNorm.due((long) gain.length * ELEMENT)) {
            float[] sample = Arrays.copyOfRange(x, xOffset, xOffset + gain.length);
            float[] normed = new float[gain.length];
            layerNorm.compare(new Sample(
                    () -> plain.layerNorm(sample, 0, gain, bias, epsilon, normed, 0),
                    () -> vector.layerNorm(sample, 0, gain, bias, epsilon, normed, 0)));
        }
    }

    @Override
    public float max(float[] x, int offset, int n) {
        if (max.over) {
            return vector.max(x, offset, n);
        }
        if (max.due((long) n * ELEMENT / 16)) {
            float[] sample = sample(x, offset, n);
            float[] largest = new float[1]; // a result that nobody sees need not be computed
            max.compare(new Sample(
                    () -> largest[0] = plain.max(sample, 0, SAMPLE), () -> largest[0] = vector.max(sample, 0, SAMPLE)));
        }
        return plain.max(x, offset, n);
    }

    @Override
    public float expSum(float[] x, int offset, int n) {
        if (expSum.over) {
            return vector.expSum(x, offset, n);
        }
        if (expSum.due((long) n * ELEMENT)) {
            float[] sample = sample(x, offset, n);
            expSum.compare(new Sample(
                    () -> plain.expSum(sample.clone(), 0, SAMPLE), () -> vector.expSum(sample.clone(), 0, SAMPLE)));
        }
        return plain.expSum(x, offset, n);
    }

    @Override
    public void gelu(float[] x, int offset, int n) {
        if (gelu.over) {
            vector.gelu(x, offset, n);
            return;
        }
        if (gelu.due((long) n * ELEMENT)) {
            float[] sample = sample(x, offset, n);
            gelu.compare(new Sample(
                    () -> plain.gelu(sample.clone(), 0, SAMPLE), () -> vector.gelu(sample.clone(), 0, SAMPLE)));
        }
        plain.gelu(x, offset, n);
    }

    /** The numbers at hand, as many as a sample has; 0 for those that are missing. */
    private static float[] sample(float[] x, int offset, int n) {
        return Arrays.copyOf(Arrays.copyOfRange(x, offset, offset + Math.min(n, SAMPLE)), SAMPLE);
    }

    // Mostly too short to be measured: they follow the first of the others.

    @Override
    public void add(float[] x, int xOffset, float[] y, int yOffset, int n) {
        (begun ? vector : plain).add(x, xOffset, y, yOffset, n);
    }

    @Override
    public void scale(float[] x, int xOffset, float[] y, int yOffset, int n) {
        (begun ? vector : plain).scale(x, xOffset, y, yOffset, n);
    }

    // What no first token needs is compiled while it is used.

    @Override
    public void addProductF32(Panels w, RowTiles x, MemorySegment y, long offset) {
        vector.addProductF32(w, x, y, offset);
    }

    @Override
    public void fillTilesAcross(Rows x, int columns, float[] to, int at, int stride) {
        vector.fillTilesAcross(x, columns, to, at, stride);
    }

    @Override
    public void transpose(MemorySegment from, long fromOffset, MemorySegment to, long toOffset) {
        vector.transpose(from, fromOffset, to, toOffset);
    }

    @Override
    public void dropoutFactors(DropoutMask mask, long block, int blocks, float[] factors) {
        vector.dropoutFactors(mask, block, blocks, factors);
    }

    @Override
    public void adamW(AdamWStep step, AdamWStep.Numbers numbers) {
        vector.adamW(step, numbers);
    }

    @Override
    public void addSquares(Panels w, double[] sums) {
        vector.addSquares(w, sums);
    }

    @Override
    public float expSum(float[] x, int offset, int n, float max) {
        return vector.expSum(x, offset, n, max);
    }

    @Override
    public float expMoment(float[] x, int offset, int n, float max) {
        return vector.expMoment(x, offset, n, max);
    }

    @Override
    public int countAtLeast(float[] x, int offset, int n, float threshold) {
        return vector.countAtLeast(x, offset, n, threshold);
    }

    @Override
    public float sum(float[] x, int offset, int n) {
        return vector.sum(x, offset, n);
    }

    @Override
    public void softmaxBackward(float[] x, int offset, int n, float max, float scale, float shift, float inverseCap) {
        vector.softmaxBackward(x, offset, n, max, scale, shift, inverseCap);
    }

    @Override
    public void layerNormBackward(
            float[] x, float[] dy, float[] dx, int offset, float[] gain, float epsilon, float[] moments, int at) {
        vector.layerNormBackward(x, dy, dx, offset, gain, epsilon, moments, at);
    }

    @Override
    public void geluBackward(float[] x, float[] dy, int offset, int n) {
        vector.geluBackward(x, dy, offset, n);
    }

    @Override
    public void exp(float[] x, int offset, int n) {
        vector.exp(x, offset, n);
    }

    @Override
    public void tanh(float[] x, int offset, int n) {
        vector.tanh(x, offset, n);
    }
}
