package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.function.IntUnaryOperator;

/**
 * Matrix products in plain Java: the specification of {@link VectorProducts}, and what a first token is computed with while
 * that is not compiled ({@link WarmUp}). Each output is one chain of fused multiply-adds in the order of k.
 *
 * <p>A word of a panel holds one number of f32, two of bf16 or four of int8 ({@link Panels}). Numbers at the same place of
 * their words make a plane, which is widened in one loop without gaps.
 *
 * <p>Sums are floats kept as doubles. C2 makes no vectors of a loop that writes to one array of floats and reads another,
 * which may be the same; with two types it does, and the loop is three times as fast.
 */
final class ScalarProducts implements Products {
    private static final ValueLayout.OfFloat FLOAT = Panels.FLOAT;

    /** Panels that are multiplied side by side: of loops over fewer outputs C2's vectors do less. */
    static final int SIDE_BY_SIDE = 4;

    /** Rows for which numbers are widened: their sums, 48 x 256 doubles, stay near. */
    private static final int ROWS = 48;

    /** Steps of k that are widened at once: 16 x 256 floats are half a first-level cache. */
    private static final int STEPS = 16;

    /** Steps that go into the sums with one read and one write of each; of six C2 makes no vectors. */
    private static final int UNROLLED = 4;

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

    @Override
    public void multiplyF32(Panels w, Rows x, Rows y) {
        multiply(Words.F32, w, x.data(), x::start, 1, y);
    }

    @Override
    public void multiplyBf16(Panels w, Rows x, Rows y) {
        multiply(Words.BF16, w, x.data(), x::start, 1, y);
    }

    @Override
    public void multiplyInt8(Panels w, Rows x, Rows y) {
        multiply(Words.INT8, w, x.data(), x::start, 1, y);
    }

    @Override
    public void multiplyF32(Panels w, RowTiles x, Rows y) {
        multiply(Words.F32, w, x.data(), x::start, RowTiles.STEP, y);
    }

    @Override
    public void multiplyBf16(Panels w, RowTiles x, Rows y) {
        multiply(Words.BF16, w, x.data(), x::start, RowTiles.STEP, y);
    }

    @Override
    public void multiplyInt8(Panels w, RowTiles x, Rows y) {
        multiply(Words.INT8, w, x.data(), x::start, RowTiles.STEP, y);
    }

    @Override
    public void addProductF32(Panels w, RowTiles x, MemorySegment y, long offset) {
        float[] weights = new float[w.depth() * Panels.WIDTH];
        MemorySegment.copy(w.data(), FLOAT, w.offset(), weights, 0, weights.length);
        double[] sums = new double[Panels.WIDTH];
        for (int r = 0; r < x.count(); r++) {
            long row = offset + r * 4L * Panels.WIDTH;
            for (int n = 0; n < sums.length; n++) {
                sums[n] = y.get(FLOAT, row + n * 4L);
            }
            chain(x.data(), x.start(r), RowTiles.STEP, w.depth(), weights, Panels.WIDTH, sums, 0);
            for (int n = 0; n < sums.length; n++) {
                y.set(FLOAT, row + n * 4L, (float) sums[n]);
            }
        }
    }

    @Override
    public int tileRows(int rows) {
        return 0;
    }

    @Override
    public int rowPanels(int bytes) {
        return SIDE_BY_SIDE;
    }

    @Override
    public void fillTile(Rows x, int row, int height, int depth, float[] to, int at) {
        ScalarRowTiles.fill(x, row, height, 0, depth, to, at);
    }

    @Override
    public void fillTilesAcross(Rows x, int columns, float[] to, int at, int stride) {
        ScalarRowTiles.fillAcross(x, 0, columns, to, at, stride);
    }

    @Override
    public void transpose(MemorySegment from, long fromOffset, MemorySegment to, long toOffset) {
        float[] block = new float[Panels.WIDTH * Panels.WIDTH];
        MemorySegment.copy(from, FLOAT, fromOffset, block, 0, block.length);
        float[] row = new float[Panels.WIDTH];
        for (int j = 0; j < Panels.WIDTH; j++) {
            for (int k = 0; k < Panels.WIDTH; k++) {
                row[k] = block[k * Panels.WIDTH + j];
            }
            MemorySegment.copy(row, 0, to, FLOAT, toOffset + j * 4L * Panels.WIDTH, Panels.WIDTH);
        }
    }

    /** Row r of x begins at {@code start(r)} and has its next number {@code step} floats further. */
    private static void multiply(Words words, Panels w, float[] x, IntUnaryOperator start, int step, Rows y) {
        SideBySide some = new SideBySide(words, w);
        double[] sums = new double[Math.min(y.count(), ROWS) * some.outputs];
        for (int first = 0; first < y.count(); first += ROWS) {
            int row = first;
            Rows out = new Rows(y.data(), y.start(first), y.stride(), Math.min(ROWS, y.count() - first));
            for (int p = 0; p < w.count(); p += SIDE_BY_SIDE) {
                some.take(p);
                multiply(some, x, r -> start.applyAsInt(row + r), step, out, sums);
            }
        }
    }

    /** @param sums [rows, outputs] */
    private static void multiply(SideBySide some, float[] x, IntUnaryOperator start, int step, Rows y, double[] sums) {
        int outputs = some.outputs;
        Arrays.fill(sums, 0, y.count() * outputs, 0);
        for (int k = 0; k < some.w.depth(); k += STEPS) {
            int steps = Math.min(STEPS, some.w.depth() - k);
            some.widen(k, steps);
            for (int r = 0; r < y.count(); r++) {
                int from = start.applyAsInt(r) + k * step;
                chain(x, from, step, steps, some.numbers, outputs, sums, r * outputs);
            }
        }
        for (int r = 0; r < y.count(); r++) {
            some.order(sums, r * outputs, y.data(), y.start(r) + some.first * Panels.WIDTH);
        }
    }

    /** sums[at + n] = fma(x[from + k * step], w[k][n], sums[at + n]) for all k in turn. */
    private static void chain(float[] x, int from, int step, int steps, float[] w, int outputs, double[] sums, int at) {
        for (int k = 0; k < steps; k += UNROLLED) {
            if (steps - k >= UNROLLED) {
                unrolled(x, from + k * step, step, w, k * outputs, outputs, sums, at);
            } else {
                rest(x, from + k * step, step, steps - k, w, k * outputs, outputs, sums, at);
            }
        }
    }

    private static void unrolled(
            float[] x, int from, int step, float[] w, int row, int outputs, double[] sums, int at) {
        float x0 = x[from], x1 = x[from + step], x2 = x[from + 2 * step], x3 = x[from + 3 * step];
        int row1 = row + outputs, row2 = row1 + outputs, row3 = row2 + outputs;
        for (int n = 0; n < outputs; n++) {
            float sum = Math.fma(x0, w[row + n], (float) sums[at + n]);
            sum = Math.fma(x1, w[row1 + n], sum);
            sum = Math.fma(x2, w[row2 + n], sum);
            sums[at + n] = Math.fma(x3, w[row3 + n], sum);
        }
    }

    private static void rest(
            float[] x, int from, int step, int steps, float[] w, int row, int outputs, double[] sums, int at) {
        for (int k = 0; k < steps; k++) {
            float xk = x[from + k * step];
            for (int n = 0; n < outputs; n++) {
                sums[at + n] = Math.fma(xk, w[row + k * outputs + n], (float) sums[at + n]);
            }
        }
    }

    /** Some neighbouring panels whose numbers are widened some steps at a time. */
    private static final class SideBySide {
        private final Words words;
        private final Panels w;
        private final float[] numbers; // [STEPS, planes, panels, lanes]
        private final int[] stored; // [STEPS, panels, lanes]
        private final int[] bits; // the words of one panel, or the numbers of one plane
        private final float[] plane; // likewise as floats
        private final MemorySegment planeBits;
        private int first;
        private int panels;
        private int outputs;
        private int lanes; // of a plane, all panels

        SideBySide(Words words, Panels w) {
            this.words = words;
            this.w = w;
            take(0);
            numbers = new float[STEPS * outputs];
            stored = new int[words == Words.F32 ? 0 : STEPS * lanes];
            bits = new int[stored.length];
            plane = new float[STEPS * lanes];
            planeBits = MemorySegment.ofArray(plane);
        }

        /** Goes on to panel {@code first} and those beside it. */
        void take(int first) {
            this.first = first;
            panels = Math.min(SIDE_BY_SIDE, w.count() - first);
            outputs = panels * Panels.WIDTH;
            lanes = panels * words.lanes;
        }

        /** Widens steps k to k + steps - 1. */
        void widen(int k, int steps) {
            if (words == Words.F32) {
                widenNothing(k, steps);
                return;
            }
            for (int p = 0; p < panels; p++) {
                MemorySegment.copy(w.data(), Panels.INT, position(p, k), bits, 0, steps * words.lanes);
                place(bits, stored, steps, words.lanes, lanes, p * words.lanes);
            }
            for (int i = 0; i < words.planes; i++) {
                widenPlane(i, steps * lanes);
                place(plane, numbers, steps, lanes, outputs, i * lanes);
            }
        }

        /** f32 is placed as it is. */
        private void widenNothing(int k, int steps) {
            if (panels == 1) {
                MemorySegment.copy(w.data(), FLOAT, position(0, k), numbers, 0, steps * lanes);
                return;
            }
            for (int p = 0; p < panels; p++) {
                MemorySegment.copy(w.data(), FLOAT, position(p, k), plane, 0, steps * words.lanes);
                place(plane, numbers, steps, words.lanes, outputs, p * words.lanes);
            }
        }

        /** Bytes to step k of a panel. */
        private long position(int panel, int k) {
            return w.start(first + panel) + (long) k * words.lanes * Integer.BYTES;
        }

        private void widenPlane(int index, int count) {
            if (words == Words.INT8) {
                int shift = 24 - 8 * index;
                for (int i = 0; i < count; i++) {
                    plane[i] = stored[i] << shift >> 24;
                }
            } else {
                int shift = 16 - 16 * index;
                for (int i = 0; i < count; i++) {
                    bits[i] = stored[i] << shift & 0xffff0000;
                }
                // Taken as floats one by one they would not be copied as vectors.
                MemorySegment.copy(bits, 0, planeBits, ValueLayout.JAVA_INT, 0, count);
            }
        }

        /** Copies rows of {@code width} that follow each other to rows of {@code toWidth}, from {@code column} on. */
        @SuppressWarnings("SuspiciousSystemArraycopy") // of two arrays of one type
        private static void place(Object from, Object to, int rows, int width, int toWidth, int column) {
            for (int row = 0; row < rows; row++) {
                System.arraycopy(from, row * width, to, row * toWidth + column, width);
            }
        }

        /** Brings sums from the order of planes into that of outputs. */
        void order(double[] sums, int from, float[] y, int offset) {
            int next = from;
            for (int plane = 0; plane < words.planes; plane++) {
                for (int p = 0; p < panels; p++) {
                    for (int lane = 0; lane < words.lanes; lane++) {
                        y[offset + p * Panels.WIDTH + words.output(plane, lane)] = (float) sums[next++];
                    }
                }
            }
        }
    }
}
