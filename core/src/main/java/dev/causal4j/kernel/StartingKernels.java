package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Each kernel in plain Java until its vector twin is compiled. Thread-safe; equal bits make the change invisible.
 *
 * <p>Code on the Vector API that C2 has not compiled yet makes an object of every vector and is a hundred times slower
 * than after, while plain Java is usable at once: the first token would take most of a second. So a kernel that has done
 * some work asks for its twin to be run on a sample of that work, in the background, until it is the faster one.
 */
final class StartingKernels implements KernelSet {
    /** Multiply-adds or numbers after which a kernel is worth compiling: a fraction of a second, most of a first token. */
    private static final long WORK = 64 << 20;

    /** Numbers of an elementwise kernel cost as much as so many multiply-adds of a product. */
    private static final int ELEMENT = 512;

    /** Rows of a sample: more than the few that have loops of their own. */
    private static final int SAMPLE_ROWS = 12;

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

    // One row and several rows are different loops.
    private final Start f32Row = new Start();
    private final Start f32Rows = new Start();
    private final Start bf16Row = new Start();
    private final Start bf16Rows = new Start();
    private final Start int8Row = new Start();
    private final Start int8Rows = new Start();
    private final Start addWeightedRows = new Start();
    private final Start layerNorm = new Start();
    private final Start expSum = new Start();
    private final Start gelu = new Start();

    StartingKernels(KernelSet vector) {
        this.vector = vector;
    }

    /** What is known of one kernel. */
    private static final class Start {
        private volatile boolean over;
        private long work; // several threads add without care: it is only a measure

        /** Counts work done in plain Java; at some point both twins are run on a sample of it. */
        void add(long amount, Runnable plain, Runnable vector) {
            long before = work;
            work = before + amount;
            if (before < WORK && before + amount >= WORK) {
                BACKGROUND.execute(() -> run(plain, vector));
            }
        }

        private void run(Runnable plain, Runnable vector) {
            long end = System.nanoTime() + MOST_NANOS;
            long most = fastest(plain);
            while (fastest(vector) > most && System.nanoTime() < end) {
                most = Math.min(most, fastest(plain));
            }
            over = true;
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

    /** How many kernels have gone over to their vector twins. */
    long started() {
        return Stream.of(
                        f32Row, f32Rows, bf16Row, bf16Rows, int8Row, int8Rows, addWeightedRows, layerNorm, expSum, gelu)
                .filter(start -> start.over)
                .count();
    }

    private interface Product {
        void multiply(Panels w, Rows x, Rows y);
    }

    @Override
    public String name() {
        return vector.name();
    }

    @Override
    public void multiplyF32(Panels w, Rows x, Rows y) {
        Start start = y.count() == 1 ? f32Row : f32Rows;
        if (start.over) {
            vector.multiplyF32(w, x, y);
        } else {
            plain.multiplyF32(w, x, y);
            add(start, w, x, plain::multiplyF32, vector::multiplyF32);
        }
    }

    @Override
    public void multiplyBf16(Panels w, Rows x, Rows y) {
        Start start = y.count() == 1 ? bf16Row : bf16Rows;
        if (start.over) {
            vector.multiplyBf16(w, x, y);
        } else {
            plain.multiplyBf16(w, x, y);
            add(start, w, x, plain::multiplyBf16, vector::multiplyBf16);
        }
    }

    @Override
    public void multiplyInt8(Panels w, Rows x, Rows y) {
        Start start = y.count() == 1 ? int8Row : int8Rows;
        if (start.over) {
            vector.multiplyInt8(w, x, y);
        } else {
            plain.multiplyInt8(w, x, y);
            add(start, w, x, plain::multiplyInt8, vector::multiplyInt8);
        }
    }

    /** The sample is a panel and some rows of what is multiplied anyway: kernels are compiled for the memory they see. */
    private static void add(Start start, Panels w, Rows x, Product plain, Product vector) {
        Panels panels = new Panels(w.data(), w.offset(), w.stride(), 1, w.depth());
        Rows in = new Rows(x.data(), x.offset(), x.stride(), Math.min(SAMPLE_ROWS, x.count()));
        int outputs = panels.count() * Panels.WIDTH;
        start.add(
                (long) w.count() * Panels.WIDTH * w.depth() * x.count(),
                () -> plain.multiply(panels, in, Rows.of(new float[in.count() * outputs], outputs, in.count())),
                () -> vector.multiply(panels, in, Rows.of(new float[in.count() * outputs], outputs, in.count())));
    }

    @Override
    public void addWeightedRows(
            float[] p, int pOffset, int count, MemorySegment v, long vOffset, float[] out, int outOffset, int n) {
        if (addWeightedRows.over) {
            vector.addWeightedRows(p, pOffset, count, v, vOffset, out, outOffset, n);
        } else {
            plain.addWeightedRows(p, pOffset, count, v, vOffset, out, outOffset, n);
            addWeightedRows.add(
                    (long) count * n * ELEMENT / 16,
                    () -> plain.addWeightedRows(p, pOffset, count, v, vOffset, new float[n], 0, n),
                    () -> vector.addWeightedRows(p, pOffset, count, v, vOffset, new float[n], 0, n));
        }
    }

    @Override
    public void layerNorm(float[] x, int xOffset, float[] gain, float[] bias, float epsilon, float[] y, int yOffset) {
        if (layerNorm.over) {
            vector.layerNorm(x, xOffset, gain, bias, epsilon, y, yOffset);
        } else {
            plain.layerNorm(x, xOffset, gain, bias, epsilon, y, yOffset);
            layerNorm.add(
                    (long) gain.length * ELEMENT,
                    () -> plain.layerNorm(x, xOffset, gain, bias, epsilon, new float[gain.length], 0),
                    () -> vector.layerNorm(x, xOffset, gain, bias, epsilon, new float[gain.length], 0));
        }
    }

    @Override
    public float expSum(float[] x, int offset, int n) {
        if (expSum.over) {
            return vector.expSum(x, offset, n);
        }
        float[] sample = Arrays.copyOfRange(x, offset, offset + n);
        expSum.add(
                (long) n * ELEMENT,
                () -> plain.expSum(sample.clone(), 0, n),
                () -> vector.expSum(sample.clone(), 0, n));
        return plain.expSum(x, offset, n);
    }

    @Override
    public void gelu(float[] x, int offset, int n) {
        if (gelu.over) {
            vector.gelu(x, offset, n);
            return;
        }
        float[] sample = Arrays.copyOfRange(x, offset, offset + n);
        gelu.add((long) n * ELEMENT, () -> plain.gelu(sample.clone(), 0, n), () -> vector.gelu(sample.clone(), 0, n));
        plain.gelu(x, offset, n);
    }

    // What no first token needs is compiled while it is used.

    @Override
    public void addProductF32(Panels w, Rows x, MemorySegment y, long offset) {
        vector.addProductF32(w, x, y, offset);
    }

    @Override
    public float max(float[] x, int offset, int n) {
        return vector.max(x, offset, n);
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
