package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.function.IntUnaryOperator;

/**
 * Matrix products in plain Java: the specification of {@link VectorProducts}, and what a first token is computed with while
 * that is not compiled ({@link StartingKernels}). Each output is one chain of fused multiply-adds in the order of k.
 *
 * <p>A word of a panel holds one number of f32, two of bf16 or four of int8 ({@link Panels}). Numbers at the same place of
 * their words make a plane, [steps, lanes]: planes are widened and multiplied one by one, in loops without gaps.
 */
final class ScalarProducts {
    private static final ValueLayout.OfFloat FLOAT = ScalarKernels.FLOAT;

    /** Steps of k that are widened at once: 32 x 64 floats stay in the first-level cache. */
    private static final int STEPS = 32;

    /** Steps that go into the sums with one read and one write of each. */
    private static final int UNROLLED = 8;

    private ScalarProducts() {}

    /** How words become numbers. */
    private enum Words {
        F32(1),
        BF16(2),
        INT8(4);

        private final int planes;
        private final int lanes;

        Words(int planes) {
            this.planes = planes;
            this.lanes = Panels.WIDTH / planes;
        }

        /** The output of a lane of a plane. */
        private int output(int plane, int lane) {
            return (lane / 16 * planes + plane) * 16 + lane % 16;
        }
    }

    static void multiplyF32(Panels w, Rows x, Rows y) {
        multiply(Words.F32, w, x.data(), x::start, 1, y);
    }

    static void multiplyBf16(Panels w, Rows x, Rows y) {
        multiply(Words.BF16, w, x.data(), x::start, 1, y);
    }

    static void multiplyInt8(Panels w, Rows x, Rows y) {
        multiply(Words.INT8, w, x.data(), x::start, 1, y);
    }

    static void multiplyF32(Panels w, RowTiles x, Rows y) {
        multiply(Words.F32, w, x.data(), x::start, RowTiles.STEP, y);
    }

    static void multiplyBf16(Panels w, RowTiles x, Rows y) {
        multiply(Words.BF16, w, x.data(), x::start, RowTiles.STEP, y);
    }

    static void multiplyInt8(Panels w, RowTiles x, Rows y) {
        multiply(Words.INT8, w, x.data(), x::start, RowTiles.STEP, y);
    }

    static void addProductF32(Panels w, RowTiles x, MemorySegment y, long offset) {
        float[] weights = new float[w.depth() * Panels.WIDTH];
        MemorySegment.copy(w.data(), FLOAT, w.offset(), weights, 0, weights.length);
        float[] sums = new float[Panels.WIDTH];
        for (int r = 0; r < x.count(); r++) {
            long row = offset + r * 4L * Panels.WIDTH;
            MemorySegment.copy(y, FLOAT, row, sums, 0, Panels.WIDTH);
            chain(x.data(), x.start(r), RowTiles.STEP, w.depth(), weights, 0, Panels.WIDTH, sums, 0);
            MemorySegment.copy(sums, 0, y, FLOAT, row, Panels.WIDTH);
        }
    }

    /** Row r of x begins at {@code start(r)} and has its next number {@code step} floats further. */
    private static void multiply(Words words, Panels w, float[] x, IntUnaryOperator start, int step, Rows y) {
        Scratch scratch = new Scratch(words);
        int lanes = words.lanes;
        for (int p = 0; p < w.count(); p++) {
            int out = p * Panels.WIDTH;
            for (int r = 0; r < y.count(); r++) {
                Arrays.fill(y.data(), y.start(r) + out, y.start(r) + out + Panels.WIDTH, 0f);
            }
            for (int k = 0; k < w.depth(); k += STEPS) {
                int steps = Math.min(STEPS, w.depth() - k);
                scratch.widen(w.data(), w.start(p) + (long) k * lanes * Integer.BYTES, steps);
                for (int r = 0; r < y.count(); r++) {
                    int from = start.applyAsInt(r) + k * step;
                    for (int plane = 0; plane < words.planes; plane++) {
                        int sums = y.start(r) + out + plane * lanes;
                        chain(x, from, step, steps, scratch.numbers, plane * STEPS * lanes, lanes, y.data(), sums);
                    }
                }
            }
            for (int r = 0; r < y.count(); r++) {
                scratch.order(y.data(), y.start(r) + out);
            }
        }
    }

    /** sums[lane] = fma(x[k], weights[k][lane], sums[lane]) for all k in turn. */
    private static void chain(
            float[] x, int xOffset, int step, int steps, float[] w, int wOffset, int lanes, float[] sums, int at) {
        int k = 0;
        for (; k + UNROLLED <= steps; k += UNROLLED) {
            unrolled(x, xOffset + k * step, step, w, wOffset + k * lanes, lanes, sums, at);
        }
        for (; k < steps; k++) {
            float xk = x[xOffset + k * step];
            int row = wOffset + k * lanes;
            for (int lane = 0; lane < lanes; lane++) {
                sums[at + lane] = Math.fma(xk, w[row + lane], sums[at + lane]);
            }
        }
    }

    private static void unrolled(float[] x, int from, int step, float[] w, int row, int lanes, float[] sums, int at) {
        float x0 = x[from], x1 = x[from + step], x2 = x[from + 2 * step], x3 = x[from + 3 * step];
        float x4 = x[from + 4 * step], x5 = x[from + 5 * step], x6 = x[from + 6 * step], x7 = x[from + 7 * step];
        for (int lane = 0; lane < lanes; lane++) {
            int i = row + lane;
            float sum = sums[at + lane];
            sum = Math.fma(x0, w[i], sum);
            sum = Math.fma(x1, w[i + lanes], sum);
            sum = Math.fma(x2, w[i + 2 * lanes], sum);
            sum = Math.fma(x3, w[i + 3 * lanes], sum);
            sum = Math.fma(x4, w[i + 4 * lanes], sum);
            sum = Math.fma(x5, w[i + 5 * lanes], sum);
            sum = Math.fma(x6, w[i + 6 * lanes], sum);
            sum = Math.fma(x7, w[i + 7 * lanes], sum);
            sums[at + lane] = sum;
        }
    }

    /** Room for the numbers of some steps. */
    private static final class Scratch {
        private final Words words;
        private final float[] numbers = new float[STEPS * Panels.WIDTH]; // [planes, STEPS, lanes]
        private final MemorySegment numberBits = MemorySegment.ofArray(numbers);
        private final int[] stored; // [STEPS, lanes]
        private final int[] bits; // the same of one plane
        private final float[] sums = new float[Panels.WIDTH];

        Scratch(Words words) {
            this.words = words;
            stored = new int[STEPS * words.lanes];
            bits = new int[STEPS * words.lanes];
        }

        /** Widens the steps at {@code from}. */
        void widen(MemorySegment panel, long from, int steps) {
            int count = steps * words.lanes;
            switch (words) {
                case F32 -> MemorySegment.copy(panel, FLOAT, from, numbers, 0, count);
                case BF16 -> {
                    MemorySegment.copy(panel, ScalarKernels.INT, from, stored, 0, count);
                    for (int i = 0; i < count; i++) {
                        bits[i] = stored[i] << 16;
                    }
                    put(bits, 0, count);
                    for (int i = 0; i < count; i++) {
                        bits[i] = stored[i] & 0xffff0000;
                    }
                    put(bits, 1, count);
                }
                case INT8 -> {
                    MemorySegment.copy(panel, ScalarKernels.INT, from, stored, 0, count);
                    for (int plane = 0; plane < words.planes; plane++) {
                        int to = plane * stored.length;
                        int shift = 24 - 8 * plane;
                        for (int i = 0; i < count; i++) {
                            numbers[to + i] = stored[i] << shift >> 24;
                        }
                    }
                }
            }
        }

        /** Takes bits as floats; converted one by one they would not be copied as vectors. */
        private void put(int[] bits, int plane, int count) {
            long to = (long) plane * stored.length * Float.BYTES;
            MemorySegment.copy(bits, 0, numberBits, ValueLayout.JAVA_INT, to, count);
        }

        /** Brings sums from the order of planes into that of outputs. */
        void order(float[] y, int offset) {
            if (words.planes == 1) {
                return;
            }
            System.arraycopy(y, offset, sums, 0, Panels.WIDTH);
            for (int plane = 0; plane < words.planes; plane++) {
                for (int lane = 0; lane < words.lanes; lane++) {
                    y[offset + words.output(plane, lane)] = sums[plane * words.lanes + lane];
                }
            }
        }
    }
}
