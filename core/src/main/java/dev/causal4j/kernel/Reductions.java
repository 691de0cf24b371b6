package dev.causal4j.kernel;

import static dev.causal4j.kernel.Elementary.LANES;

import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;

/**
 * Sums over a row, and functions of them, in plain Java: the specification. Element i of a sum belongs to lane i mod
 * 16, and the lanes are added as a fixed tree, see {@link Elementary#tree}. {@link VectorReductions} is the twin with
 * equal bits; {@code Kernels} has checked every argument. Thread-safe.
 */
public class Reductions {
    /** The largest number; NaN if one is NaN, -infinity if there is none. */
    public float max(float[] x, int offset, int n) {
        float max = Float.NEGATIVE_INFINITY;
        for (int i = offset; i < offset + n; i++) {
            max = Math.max(max, x[i]);
        }
        return max;
    }

    /** The sum in 16 lanes and a tree. */
    public final float sum(float[] x, int offset, int n) {
        return Elementary.tree(sum(x, offset, n, new float[LANES]));
    }

    /**
     * Adds number i to lane i mod 16. The lanes are zeros, or the sums of earlier numbers, a multiple of 16 of them.
     */
    float[] sum(float[] x, int offset, int n, float[] lanes) {
        for (int i = 0; i < n; i++) {
            lanes[i % LANES] += x[offset + i];
        }
        return lanes;
    }

    /** Sum of (x - mean)² in 16 lanes and a tree. */
    final float squares(float[] x, int offset, int n, float mean) {
        return Elementary.tree(squares(x, offset, n, mean, new float[LANES]));
    }

    /** As {@link #sum(float[], int, int, float[])}. */
    float[] squares(float[] x, int offset, int n, float mean, float[] lanes) {
        for (int i = 0; i < n; i++) {
            float d = x[offset + i] - mean;
            lanes[i % LANES] = Math.fma(d, d, lanes[i % LANES]);
        }
        return lanes;
    }

    /**
     * Sum of exp(x - max) in 16 lanes and a tree.
     *
     * @param keep whether each x is replaced by its exponential
     */
    public final float expSum(float[] x, int offset, int n, float max, boolean keep) {
        return Elementary.tree(expSum(x, offset, n, max, keep, new float[LANES]));
    }

    /** As {@link #sum(float[], int, int, float[])}. */
    float[] expSum(float[] x, int offset, int n, float max, boolean keep, float[] lanes) {
        for (int i = 0; i < n; i++) {
            float exp = Elementary.exp(x[offset + i] - max);
            lanes[i % LANES] += exp;
            x[offset + i] = keep ? exp : x[offset + i];
        }
        return lanes;
    }

    /** Sum of d · exp(d) with d = x - max, not below -104, in 16 lanes and a tree. */
    public final float expMoment(float[] x, int offset, int n, float max) {
        return Elementary.tree(expMoment(x, offset, n, max, new float[LANES]));
    }

    /** As {@link #sum(float[], int, int, float[])}. */
    float[] expMoment(float[] x, int offset, int n, float max, float[] lanes) {
        for (int i = 0; i < n; i++) {
            float d = Math.max(x[offset + i] - max, Elementary.EXP_MIN);
            lanes[i % LANES] = Math.fma(d, Elementary.exp(d), lanes[i % LANES]);
        }
        return lanes;
    }

    /** Number of values that are the threshold or more. */
    public int countAtLeast(float[] x, int offset, int n, float threshold) {
        int count = 0;
        for (int i = offset; i < offset + n; i++) {
            count += x[i] >= threshold ? 1 : 0;
        }
        return count;
    }

    /** sums[j] += w[k][j]², each square exact in double, for k = 0, 1, ... */
    public void addSquares(Panels w, double[] sums) {
        float[] step = new float[Panels.WIDTH];
        for (int k = 0; k < w.depth(); k++) {
            MemorySegment.copy(w.memory(), Panels.FLOAT, w.start(0) + k * 4L * Panels.WIDTH, step, 0, Panels.WIDTH);
            for (int j = 0; j < Panels.WIDTH; j++) {
                sums[j] += (double) step[j] * step[j];
            }
        }
    }

    /** y = the norm of x: gain and bias as one fused multiply-add. */
    public final void norm(NormRule rule, float[] x, int xOffset, float[] y, int yOffset) {
        float mean = mean(rule, x, xOffset);
        normalize(rule, x, xOffset, mean, scale(rule, x, xOffset, mean), y, yOffset, 0);
    }

    final float mean(NormRule rule, float[] x, int offset) {
        return rule.centered() ? sum(x, offset, rule.gain().length) / rule.gain().length : 0;
    }

    /** 1 / sqrt(variance + epsilon). */
    final float scale(NormRule rule, float[] x, int offset, float mean) {
        int n = rule.gain().length;
        return 1f / (float) Math.sqrt(squares(x, offset, n, mean) / n + rule.epsilon());
    }

    /** y = (x - mean) · scale · gain + bias, the last two as one fused multiply-add, from number {@code from} on. */
    void normalize(NormRule rule, float[] x, int xOffset, float mean, float scale, float[] y, int yOffset, int from) {
        for (int i = from; i < rule.gain().length; i++) {
            y[yOffset + i] = Math.fma((x[xOffset + i] - mean) * scale, rule.gain()[i], rule.bias()[i]);
        }
    }

    /**
     * Adds the gradient of the input: dx += (g - mean g - h · mean(g · h)) · s with g = dy · gain and h = (x - m) · s,
     * without mean g unless centered. Writes m and s to {@code moments[at]} and {@code moments[at + 1]}.
     */
    public void normBackward(NormRule rule, float[] x, float[] dy, float[] dx, int offset, float[] moments, int at) {
        float[] gain = rule.gain();
        int n = gain.length;
        float mean = mean(rule, x, offset);
        float scale = scale(rule, x, offset, mean);
        moments[at] = mean;
        moments[at + 1] = scale;
        float[] gradients = new float[LANES];
        float[] products = new float[LANES];
        for (int i = 0; i < n; i++) {
            float g = dy[offset + i] * gain[i];
            gradients[i % LANES] += g;
            products[i % LANES] = Math.fma(g, (x[offset + i] - mean) * scale, products[i % LANES]);
        }
        float meanGradient = rule.centered() ? Elementary.tree(gradients) / n : 0;
        float meanProduct = Elementary.tree(products) / n;
        for (int i = 0; i < n; i++) {
            float g = dy[offset + i] * gain[i] - meanGradient;
            float h = (x[offset + i] - mean) * scale;
            dx[offset + i] = Math.fma(Math.fma(-h, meanProduct, g), scale, dx[offset + i]);
        }
    }

    /**
     * Continues chains with keys or values: y[r][j] = fma(x[r][k], w[k][j], y[r][j]) for k = 0, 1, ... depth - 1 and j
     * from {@code first} to n - 1.
     *
     * @param format the format of w, f32 or bf16; its rows of n numbers fill whole words of a step
     * @param n at most 64
     */
    public void addWeightedRows(
            PanelFormat format, MemorySegment w, long at, int depth, Rows x, Rows y, int first, int n) {
        float[] row = new float[n];
        // floats in doubles: C2 vectorises a loop over arrays of different types
        double[] sums = new double[x.count() * n];
        for (int i = 0; i < sums.length; i++) {
            sums[i] = y.data()[y.start(i / n) + i % n];
        }
        for (int k = 0; k < depth; k++) {
            for (int j = first; j < n; j++) {
                row[j] = format.code(w, at + k * format.rowBytes(n), j);
            }
            for (int r = 0; r < x.count(); r++) {
                float number = x.data()[x.start(r) + k];
                for (int j = first; j < n; j++) {
                    sums[r * n + j] = Math.fma(number, row[j], (float) sums[r * n + j]);
                }
            }
        }
        for (int i = 0; i < sums.length; i++) {
            y.data()[y.start(i / n) + i % n] = (float) sums[i];
        }
    }
}
