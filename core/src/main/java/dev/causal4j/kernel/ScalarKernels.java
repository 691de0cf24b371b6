package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * The specification: plain Java, written to be read, with inner loops over outputs that C2 vectorises itself. Every
 * result of {@link VectorKernels} has the bits of these lines.
 */
final class ScalarKernels implements KernelSet {
    static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Lanes a split sum has, on every machine. */
    static final int LANES = 16;

    // exp(x) = 2^n exp(r), n = round(x / ln 2), r = x - n ln 2; exp(r) = 1 + r + r² q(r), minimax, relative error
    // 2^-28.
    static final float EXP_MIN = -104f;
    static final float EXP_MAX = 89f;
    static final float LOG2_E = 0x1.715476p+0f;
    static final float LN2_HIGH = 0x1.62e430p-1f;
    static final float LN2_LOW = -0x1.05c61p-29f;
    static final float ROUND = 0x1.8p23f; // adding it leaves the integer in the low bits
    static final float EXP_2 = 0x1.fffffcp-2f;
    static final float EXP_3 = 0x1.555492p-3f;
    static final float EXP_4 = 0x1.5558f2p-5f;
    static final float EXP_5 = 0x1.1239e2p-7f;
    static final float EXP_6 = 0x1.6a2434p-10f;

    // tanh(x) = x + x z p(z) with z = x² below 0.625, minimax, relative error 2^-28; 1 - 2 / (exp(2x) + 1) above.
    static final float TANH_SMALL = 0.625f;
    static final float TANH_1 = -0x1.555532p-2f;
    static final float TANH_2 = 0x1.110726p-3f;
    static final float TANH_3 = -0x1.b83c5ap-5f;
    static final float TANH_4 = 0x1.52269cp-6f;
    static final float TANH_5 = -0x1.75e1ccp-8f;

    static final float GELU_SCALE = 0x1.988454p-1f; // sqrt(2 / pi)
    static final float GELU_CUBE = 0.044715f;

    @Override
    public String name() {
        return "scalar";
    }

    @Override
    public int tileRows(int rows) {
        return 0;
    }

    @Override
    public int rowPanels(int bytes) {
        return ScalarProducts.SIDE_BY_SIDE;
    }

    @Override
    public void multiplyF32(Panels w, Rows x, Rows y) {
        ScalarProducts.multiplyF32(w, x, y);
    }

    @Override
    public void multiplyBf16(Panels w, Rows x, Rows y) {
        ScalarProducts.multiplyBf16(w, x, y);
    }

    @Override
    public void multiplyInt8(Panels w, Rows x, Rows y) {
        ScalarProducts.multiplyInt8(w, x, y);
    }

    @Override
    public void multiplyF32(Panels w, RowTiles x, Rows y) {
        ScalarProducts.multiplyF32(w, x, y);
    }

    @Override
    public void multiplyBf16(Panels w, RowTiles x, Rows y) {
        ScalarProducts.multiplyBf16(w, x, y);
    }

    @Override
    public void multiplyInt8(Panels w, RowTiles x, Rows y) {
        ScalarProducts.multiplyInt8(w, x, y);
    }

    @Override
    public void addProductF32(Panels w, RowTiles x, MemorySegment y, long offset) {
        ScalarProducts.addProductF32(w, x, y, offset);
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
        ScalarBackward.transpose(from, fromOffset, to, toOffset);
    }

    @Override
    public void dropoutFactors(DropoutMask mask, long block, int blocks, float[] factors) {
        PhiloxBlocks.factors(mask, block, blocks, factors);
    }

    @Override
    public void adamW(AdamWStep step, AdamWStep.Numbers numbers) {
        ScalarBackward.adamW(step, numbers);
    }

    @Override
    public void addSquares(Panels w, double[] sums) {
        ScalarBackward.addSquares(w, sums);
    }

    @Override
    public void addWeightedRows(
            float[] p, int pOffset, int count, MemorySegment v, long vOffset, float[] out, int outOffset, int n) {
        float[] row = new float[n];
        for (int t = 0; t < count; t++) {
            float weight = p[pOffset + t];
            MemorySegment.copy(v, FLOAT, vOffset + t * 4L * n, row, 0, n);
            for (int i = 0; i < n; i++) {
                out[outOffset + i] = Math.fma(weight, row[i], out[outOffset + i]);
            }
        }
    }

    @Override
    public void addFourWeightedRows(
            Rows p, int row, int from, int count, MemorySegment v, long vOffset, Rows out, int n) {
        for (int r = row; r < row + 4; r++) {
            addWeightedRows(p.data(), p.start(r) + from, count, v, vOffset, out.data(), out.start(r), n);
        }
    }

    @Override
    public void layerNorm(float[] x, int xOffset, float[] gain, float[] bias, float epsilon, float[] y, int yOffset) {
        int n = gain.length;
        float[] moments = new float[2];
        moments(x, xOffset, n, epsilon, moments, 0);
        for (int i = 0; i < n; i++) {
            y[yOffset + i] = Math.fma((x[xOffset + i] - moments[0]) * moments[1], gain[i], bias[i]);
        }
    }

    /** Writes the mean and 1 / sqrt(variance + epsilon), both sums in 16 lanes and a tree. */
    static void moments(float[] x, int offset, int n, float epsilon, float[] moments, int at) {
        float[] lanes = new float[LANES];
        for (int i = 0; i < n; i++) {
            lanes[i % LANES] += x[offset + i];
        }
        float mean = tree(lanes) / n;
        Arrays.fill(lanes, 0f);
        for (int i = 0; i < n; i++) {
            float d = x[offset + i] - mean;
            lanes[i % LANES] = Math.fma(d, d, lanes[i % LANES]);
        }
        moments[at] = mean;
        moments[at + 1] = inverseDeviation(tree(lanes), n, epsilon);
    }

    static float inverseDeviation(float squares, int n, float epsilon) {
        return 1f / (float) Math.sqrt(squares / n + epsilon);
    }

    /** Adds 16 lanes as the fixed tree: 8 onto 8, 4 onto 4, 2 onto 2, 1 onto 1. */
    static float tree(float[] lanes) {
        for (int half = LANES / 2; half > 0; half /= 2) {
            for (int j = 0; j < half; j++) {
                lanes[j] += lanes[j + half];
            }
        }
        return lanes[0];
    }

    @Override
    public float expSum(float[] x, int offset, int n) {
        float max = max(x, offset, n);
        float[] lanes = new float[LANES];
        for (int i = 0; i < n; i++) {
            x[offset + i] = exp(x[offset + i] - max);
            lanes[i % LANES] += x[offset + i];
        }
        return tree(lanes);
    }

    @Override
    public float max(float[] x, int offset, int n) {
        return ScalarReductions.max(x, offset, n);
    }

    @Override
    public float expSum(float[] x, int offset, int n, float max) {
        return ScalarReductions.expSum(x, offset, n, max);
    }

    @Override
    public float expMoment(float[] x, int offset, int n, float max) {
        return ScalarReductions.expMoment(x, offset, n, max);
    }

    @Override
    public int countAtLeast(float[] x, int offset, int n, float threshold) {
        return ScalarReductions.countAtLeast(x, offset, n, threshold);
    }

    @Override
    public float sum(float[] x, int offset, int n) {
        return ScalarReductions.sum(x, offset, n);
    }

    @Override
    public void softmaxBackward(float[] x, int offset, int n, float max, float scale, float shift, float inverseCap) {
        ScalarReductions.softmaxBackward(x, offset, n, max, scale, shift, inverseCap);
    }

    @Override
    public void layerNormBackward(
            float[] x, float[] dy, float[] dx, int offset, float[] gain, float epsilon, float[] moments, int at) {
        ScalarBackward.layerNorm(x, dy, dx, offset, gain, epsilon, moments, at);
    }

    @Override
    public void geluBackward(float[] x, float[] dy, int offset, int n) {
        ScalarBackward.gelu(x, dy, offset, n);
    }

    @Override
    public void gelu(float[] x, int offset, int n) {
        for (int i = 0; i < n; i++) {
            x[offset + i] = gelu(x[offset + i]);
        }
    }

    @Override
    public void add(float[] x, int xOffset, float[] y, int yOffset, int n) {
        for (int i = 0; i < n; i++) {
            y[yOffset + i] += x[xOffset + i];
        }
    }

    @Override
    public void scale(float[] x, int xOffset, float[] y, int yOffset, int n) {
        for (int i = 0; i < n; i++) {
            y[yOffset + i] *= x[xOffset + i];
        }
    }

    @Override
    public void exp(float[] x, int offset, int n) {
        for (int i = 0; i < n; i++) {
            x[offset + i] = exp(x[offset + i]);
        }
    }

    @Override
    public void tanh(float[] x, int offset, int n) {
        for (int i = 0; i < n; i++) {
            x[offset + i] = tanh(x[offset + i]);
        }
    }

    static float exp(float x) {
        float bounded = x < EXP_MIN ? EXP_MIN : x;
        bounded = bounded > EXP_MAX ? EXP_MAX : bounded;
        float shifted = Math.fma(bounded, LOG2_E, ROUND);
        float n = shifted - ROUND;
        float r = Math.fma(n, -LN2_LOW, Math.fma(n, -LN2_HIGH, bounded));
        float q = Math.fma(EXP_6, r, EXP_5);
        q = Math.fma(q, r, EXP_4);
        q = Math.fma(q, r, EXP_3);
        q = Math.fma(q, r, EXP_2);
        float p = Math.fma(q, r, 1f);
        p = Math.fma(p, r, 1f);
        // 2^n in two factors, so that results near the ends of the range are rounded once.
        int power = Float.floatToRawIntBits(shifted) - Float.floatToRawIntBits(ROUND);
        int half = power >> 1;
        return p * Float.intBitsToFloat((half + 127) << 23) * Float.intBitsToFloat((power - half + 127) << 23);
    }

    static float tanh(float x) {
        float a = Math.abs(x);
        float z = a * a;
        float p = Math.fma(TANH_5, z, TANH_4);
        p = Math.fma(p, z, TANH_3);
        p = Math.fma(p, z, TANH_2);
        p = Math.fma(p, z, TANH_1);
        float small = Math.fma(a * z, p, a);
        float large = 1f - 2f / (exp(a + a) + 1f);
        float magnitude = a < TANH_SMALL ? small : large;
        int sign = Float.floatToRawIntBits(x) & 0x80000000;
        return Float.intBitsToFloat(Float.floatToRawIntBits(magnitude) | sign);
    }

    static float gelu(float x) {
        float u = GELU_SCALE * Math.fma(GELU_CUBE * x * x, x, x);
        return x / (1f + exp(-(u + u)));
    }
}
