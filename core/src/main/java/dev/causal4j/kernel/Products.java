package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.GroupFormat.Blocks;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Products of panels in plain Java: the specification. {@link VectorProducts} is its twin with equal bits; {@code
 * Kernels} has checked every argument. Thread-safe.
 */
public class Products {
    private static final int WIDTH = Panels.WIDTH;

    /** Steps whose codes are read together. */
    private static final int STEPS = 16;

    /** Panels computed side by side: C2's vectors are slower in loops over fewer outputs. */
    private static final int MOST = 4;

    /**
     * y[r][64 p + j] = sum over k of x[r][k] · w[p][k][j], one chain of fused multiply-adds in the order of k that
     * starts at +0.
     */
    public void multiply(Panels w, RowTiles x, Rows y) {
        for (int p = 0; p < w.count(); p += MOST) {
            Panels some = w.from(p, Math.min(MOST, w.count() - p));
            int outputs = some.count() * WIDTH;
            double[] sums = new double[y.count() * outputs];
            addTo(sums, some, x);
            for (int i = 0; i < sums.length; i++) {
                int j = i % outputs;
                y.data()[y.start(i / outputs) + p * WIDTH + j] = (float) sums[i];
            }
        }
    }

    /** Continues the chains of one f32 panel's outputs: y[r][j] = fma(x[r][k], w[k][j], y[r][j]) for k = 0, 1, ... */
    public void addProduct(Panels w, RowTiles x, MemorySegment y, long offset) {
        double[] sums = new double[x.count() * WIDTH];
        for (int i = 0; i < sums.length; i++) {
            sums[i] = y.get(Panels.FLOAT, offset + 4L * i);
        }
        addTo(sums, w, x);
        for (int i = 0; i < sums.length; i++) {
            y.set(Panels.FLOAT, offset + 4L * i, (float) sums[i]);
        }
    }

    /**
     * The chains: sums[r][j] = fma(x[r][k], code[k][j], sums[r][j]) for k = 0, 1, ... The sums are floats kept as
     * doubles, since C2 vectorises a loop over two arrays only if they have different types.
     */
    private static void addTo(double[] sums, Panels w, RowTiles x) {
        int outputs = w.count() * WIDTH;
        float[] codes = new float[STEPS * outputs];
        for (int k = 0; k < w.depth(); k += STEPS) {
            int steps = Math.min(STEPS, w.depth() - k);
            for (int p = 0; p < w.count(); p++) {
                long from = w.start(p) + (long) k * w.plain().stepBytes();
                w.plain().codes(w.memory(), from, steps, codes, p * WIDTH, outputs);
            }
            for (int r = 0; r < x.count(); r++) {
                addSteps(x, x.start(r) + k * x.step(), steps, codes, outputs, sums, r * outputs);
            }
        }
    }

    /** Some steps of one row. */
    private static void addSteps(RowTiles x, int at, int steps, float[] codes, int outputs, double[] sums, int to) {
        int i = 0;
        for (; i + 4 <= steps; i += 4) {
            four(x.data(), at + i * x.step(), x.step(), codes, i * outputs, outputs, sums, to);
        }
        for (; i < steps; i++) {
            float number = x.data()[at + i * x.step()];
            for (int j = 0; j < outputs; j++) {
                sums[to + j] = Math.fma(number, codes[i * outputs + j], (float) sums[to + j]);
            }
        }
    }

    /** Four steps with one read and one write of each sum; C2 does not vectorise six. */
    private static void four(float[] x, int k, int step, float[] codes, int row, int outputs, double[] sums, int at) {
        float x0 = x[k], x1 = x[k + step], x2 = x[k + 2 * step], x3 = x[k + 3 * step];
        int row1 = row + outputs, row2 = row1 + outputs, row3 = row2 + outputs;
        for (int j = 0; j < outputs; j++) {
            float sum = Math.fma(x0, codes[row + j], (float) sums[at + j]);
            sum = Math.fma(x1, codes[row1 + j], sum);
            sum = Math.fma(x2, codes[row2 + j], sum);
            sums[at + j] = Math.fma(x3, codes[row3 + j], sum);
        }
    }

    /**
     * Rounds the rows of tile {@code tile} of the range {@code to}. x has as many rows as the range. The scale s of 32
     * inputs is the largest |x| / 127, and q = x · (1 / s) rounded to nearest, ties to even. If an input is not finite,
     * s is NaN and q is 0. If s would be subnormal, both are 0.
     */
    public void round(Rows x, RoundedRows to, int tile) {
        for (int r = tile * to.height(); r < Math.min((tile + 1) * to.height(), x.count()); r++) {
            for (int g = 0; g < to.depth() / RoundedRows.GROUP; g++) {
                int at = to.scaleAt(r, g);
                int from = x.start(r) + g * RoundedRows.GROUP;
                to.scales()[at] = round(x.data(), from, to.codes(), at * RoundedRows.GROUP);
                for (int h = g * RoundedRows.GROUP; h < (g + 1) * RoundedRows.GROUP; h += to.group()) {
                    int first = at * RoundedRows.GROUP + h % RoundedRows.GROUP;
                    to.sums()[to.sumAt(r, h / to.group())] = sum(to.codes(), first, to.group());
                }
            }
        }
    }

    /** Rounds 32 inputs and returns their scale. */
    float round(float[] x, int from, byte[] q, int to) {
        int bits = 0; // the bits of infinity and NaN are the largest
        for (int k = 0; k < RoundedRows.GROUP; k++) {
            bits = Math.max(bits, Float.floatToRawIntBits(x[from + k]) & Integer.MAX_VALUE);
        }
        float s = scale(Float.intBitsToFloat(bits));
        float inverse = inverse(s);
        for (int k = 0; k < RoundedRows.GROUP; k++) {
            q[to + k] = inverse == 0 ? 0 : (byte) Math.rint(x[from + k] * inverse);
        }
        return s;
    }

    /** The scale of inputs with this largest magnitude. */
    static float scale(float most) {
        float s = most / 127;
        return !Float.isFinite(most) ? Float.NaN : s < Float.MIN_NORMAL ? 0 : s;
    }

    /** The factor of inputs with this scale; 0 if all their codes are 0. */
    static float inverse(float scale) {
        return scale > 0 ? 1 / scale : 0;
    }

    private static int sum(byte[] q, int from, int count) {
        int sum = 0;
        for (int k = from; k < from + count; k++) {
            sum += q[k];
        }
        return sum;
    }

    /**
     * The product by weights in groups, see {@link GroupFormat}: y[r][64 p + j]. The sums of a group are whole numbers
     * below 2^24, so multiply-adds of floats give them exactly.
     */
    public void multiply(Panels w, RoundedRows x, Rows y) {
        GroupFormat format = (GroupFormat) w.format();
        float[] scales = new float[WIDTH];
        float[] least = new float[WIDTH];
        float[] codes = new float[format.group() * WIDTH];
        double[] dots = new double[WIDTH];
        float[] q = new float[format.group()];
        for (int p = 0; p < w.count(); p++) {
            for (int g = 0; g < format.groups(w.depth()); g++) {
                format.group(w.memory(), w.start(p), g, codes, scales, least);
                for (int r = 0; r < y.count(); r++) {
                    int at = x.scaleAt(r, g * format.group() / RoundedRows.GROUP);
                    int from = at * RoundedRows.GROUP + g * format.group() % RoundedRows.GROUP;
                    Arrays.fill(dots, 0);
                    for (int k = 0; k < q.length; k++) {
                        q[k] = x.codes()[from + k];
                    }
                    for (int k = 0; k < q.length; k += 4) {
                        four(q, k, 1, codes, k * WIDTH, WIDTH, dots, 0);
                    }
                    int to = y.start(r) + p * WIDTH;
                    int sum = x.sums()[x.sumAt(r, g)];
                    for (int j = 0; j < WIDTH; j++) {
                        float before = g == 0 ? 0 : y.data()[to + j];
                        y.data()[to + j] = format.add(before, (int) dots[j], scales[j], least[j], x.scales()[at], sum);
                    }
                }
            }
        }
    }

    /**
     * Adds a row of blocks to a panel, whose bytes for it are zeros, as {@link GroupPacker} does with codes.
     *
     * @param row its blocks have the groups of the format. The caller must ensure it: a mismatch writes outside the
     *     panel
     * @param j the row's output in the panel
     * @return whether the row was added; always false in Java, where the packer does the work
     */
    public boolean pack(GroupFormat format, int depth, Blocks row, byte[] panel, int j) {
        return false;
    }
}
