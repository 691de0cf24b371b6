package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;

/**
 * One sentence a kernel. {@link ScalarKernels} is the specification, {@link VectorKernels} its twin with equal bits;
 * {@link Kernels} has checked every argument before it calls. Implementations are thread-safe, and no result depends on
 * the calls before it.
 */
interface KernelSet {
    /** The name in JSON: {@code scalar}, {@code vector128}, {@code vector256} or {@code vector512}. */
    String name();

    /** The height of the tiles that products of so many rows read; 0 if they read rows where they lie. */
    int tileRows(int rows);

    /** Panels of a size of number, in bytes, that the product of rows where they lie reads side by side, at most. */
    int rowPanels(int bytes);

    /**
     * y[r][64 p + j] = sum over k of x[r][k] · panel[p][k][j], one chain of fused multiply-adds in the order of k that
     * starts at +0, for as many rows as are read where they lie.
     */
    void multiplyF32(Panels w, Rows x, Rows y);

    /** The same on bf16 panels, see {@link Panels} for their layout. */
    void multiplyBf16(Panels w, Rows x, Rows y);

    /** The same on int8 panels, without the scales of their rows. */
    void multiplyInt8(Panels w, Rows x, Rows y);

    /** The product of f32 panels and any number of rows. */
    void multiplyF32(Panels w, RowTiles x, Rows y);

    /** The same on bf16 panels. */
    void multiplyBf16(Panels w, RowTiles x, Rows y);

    /** The same on int8 panels, without the scales of their rows. */
    void multiplyInt8(Panels w, RowTiles x, Rows y);

    /** Continues the chains of one panel's outputs: y[r][j] = fma(x[r][k], w[k][j], y[r][j]) for k = 0, 1, ... */
    void addProductF32(Panels w, RowTiles x, MemorySegment y, long offset);

    /**
     * Fills a tile with rows: to[at + 8 k + r] = x[row + r][k] for r below {@code height}, 6 or 8; rows past the last
     * repeat the last. What is beyond the height means nothing.
     */
    void fillTile(Rows x, int row, int height, int depth, float[] to, int at);

    /**
     * Fills tiles of six with columns: to[at + t stride + 8 k + c] = x[k][6 t + c] for c below 6; columns past the last
     * repeat the last. What is beyond means nothing.
     */
    void fillTilesAcross(Rows x, int columns, float[] to, int at, int stride);

    /** to[j][k] = from[k][j] of a block of 64 by 64 numbers. */
    void transpose(MemorySegment from, long fromOffset, MemorySegment to, long toOffset);

    /** {@link AdamWStep#apply} where the numbers lie. */
    void adamW(AdamWStep step, AdamWStep.Numbers numbers);

    /**
     * What the words of a mask's Philox blocks, from {@code block} on, multiply by: {@link DropoutMask#kept}, or 0 for
     * those below {@link DropoutMask#threshold}. At most {@value PhiloxBlocks#MOST} blocks; {@code factors} has room for
     * the words of so many. What is written behind those of {@code blocks} means nothing.
     */
    void dropoutFactors(DropoutMask mask, long block, int blocks, float[] factors);

    /** sums[j] += w[k][j]², which is exact in double, for k = 0, 1, ... */
    void addSquares(Panels w, double[] sums);

    /**
     * out[i] = fma(p[t], v[t][i], out[i]) for t = 0, 1, ... count - 1, where v is f32 with rows of {@code out}'s length.
     */
    void addWeightedRows(
            float[] p, int pOffset, int count, MemorySegment v, long vOffset, float[] out, int outOffset, int n);

    /**
     * The same for four rows of weights and sums, from {@code row} on, that share one reading of v: the weight of v[t] is
     * number {@code from + t} of its row.
     */
    void addFourWeightedRows(Rows p, int row, int from, int count, MemorySegment v, long vOffset, Rows out, int n);

    /** y = (x - mean) · (1 / sqrt(variance + epsilon)) · gain + bias, the last two as one fused multiply-add. */
    void layerNorm(float[] x, int xOffset, float[] gain, float[] bias, float epsilon, float[] y, int yOffset);

    /**
     * Adds the gradient of the input: dx += (g - mean g - h · mean(g · h)) · s with g = dy · gain, h = (x - m) · s, and
     * leaves m and s, the mean and the inverse deviation of x, at {@code moments[at]} and after.
     */
    void layerNormBackward(
            float[] x, float[] dy, float[] dx, int offset, float[] gain, float epsilon, float[] moments, int at);

    /** Replaces x by exp(x - max x) and returns the sum, taken in 16 lanes and a tree. */
    float expSum(float[] x, int offset, int n);

    /** The largest number; NaN if one is, -infinity of none. */
    float max(float[] x, int offset, int n);

    /** Sum of exp(x - max) in 16 lanes and a tree; x stays. */
    float expSum(float[] x, int offset, int n, float max);

    /** Sum of d · exp(d) with d = x - max, not below -104, in 16 lanes and a tree. */
    float expMoment(float[] x, int offset, int n, float max);

    /** How many are the threshold or more. */
    int countAtLeast(float[] x, int offset, int n, float threshold);

    /** The sum in 16 lanes and a tree. */
    float sum(float[] x, int offset, int n);

    /** x = fma(exp(x - max), scale, shift) · fma(-(x · inverseCap), x · inverseCap, 1). */
    void softmaxBackward(float[] x, int offset, int n, float max, float scale, float shift, float inverseCap);

    /** x / (1 + exp(-2 u)) with u = sqrt(2/pi) (x + 0.044715 x³): equal to 0.5 x (1 + tanh u). */
    void gelu(float[] x, int offset, int n);

    /** dy *= the derivative of {@link #gelu} at x: s + x s (1 - s) 2 u' with s = 1 / (1 + exp(-2 u)). */
    void geluBackward(float[] x, float[] dy, int offset, int n);

    /** y += x. */
    void add(float[] x, int xOffset, float[] y, int yOffset, int n);

    /** y *= x. */
    void scale(float[] x, int xOffset, float[] y, int yOffset, int n);

    /** Elementwise exponential. */
    void exp(float[] x, int offset, int n);

    /** Elementwise hyperbolic tangent. */
    void tanh(float[] x, int offset, int n);
}
