package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;

/**
 * Sums over a row, and functions of them. Element i of a sum belongs to lane i mod 16, and the lanes are added as a
 * fixed tree, see {@link Elementary#tree}. {@link ScalarReductions} is the specification, {@link VectorReductions} its
 * twin with equal bits; {@link Kernels} has checked every argument. Thread-safe.
 */
interface Reductions {
    /** The largest number; NaN if one is NaN, -infinity if there is none. */
    float max(float[] x, int offset, int n);

    /** The sum in 16 lanes and a tree. */
    float sum(float[] x, int offset, int n);

    /**
     * Sum of exp(x - max) in 16 lanes and a tree.
     *
     * @param keep whether each x is replaced by its exponential
     */
    float expSum(float[] x, int offset, int n, float max, boolean keep);

    /** Sum of d · exp(d) with d = x - max, not below -104, in 16 lanes and a tree. */
    float expMoment(float[] x, int offset, int n, float max);

    /** Number of values that are the threshold or more. */
    int countAtLeast(float[] x, int offset, int n, float threshold);

    /** sums[j] += w[k][j]², which is exact in double, for k = 0, 1, ... */
    void addSquares(Panels w, double[] sums);

    /**
     * y = (x - m) · s · gain + bias, the last two as one fused multiply-add; s = 1 / sqrt(mean of (x - m)² + epsilon).
     *
     * @param centered whether m is the mean of x, as in a layer norm, or 0, as in an RMS norm
     */
    void norm(
            float[] x,
            int xOffset,
            float[] gain,
            float[] bias,
            float epsilon,
            boolean centered,
            float[] y,
            int yOffset);

    /**
     * Adds the gradient of the input: dx += (g - mean g - h · mean(g · h)) · s with g = dy · gain, h = (x - m) · s, where
     * mean g is left out unless centered, and writes m and s to {@code moments[at]} and after.
     */
    void normBackward(
            float[] x,
            float[] dy,
            float[] dx,
            int offset,
            float[] gain,
            float epsilon,
            boolean centered,
            float[] moments,
            int at);

    /**
     * out[i] = fma(p[t], v[t][i], out[i]) for t = 0, 1, ... count - 1, where v is f32 with rows of {@code out}'s
     * length.
     */
    void addWeightedRows(
            float[] p, int pOffset, int count, MemorySegment v, long vOffset, float[] out, int outOffset, int n);

    /** The same where v is bf16, each row in words as in a step of {@link PanelFormat#BF16}. */
    void addWeightedWords(
            float[] p, int pOffset, int count, MemorySegment v, long vOffset, float[] out, int outOffset, int n);
}
