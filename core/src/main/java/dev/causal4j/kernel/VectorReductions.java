package dev.causal4j.kernel;

import static dev.causal4j.kernel.Elementary.LANES;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * The twin of {@link ScalarReductions}. A sum takes its 16 lanes W at a time, in 16 / W passes over the cached row,
 * then the numbers after the last whole 16.
 */
final class VectorReductions implements Reductions {
    private static final VectorSpecies<Float> S = VectorWidth.floats();
    private static final VectorSpecies<Integer> I = VectorProducts.I;
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final int W = S.length();

    /** Doubles of the same width, and the floats that fill them. */
    private static final VectorSpecies<Double> D = S.withLanes(double.class);

    private static final VectorSpecies<Float> HALF =
            VectorSpecies.of(float.class, VectorShape.forBitSize(S.vectorBitSize() / 2));

    private static final ScalarReductions REST = new ScalarReductions();

    private static FloatVector at(float[] x, int i) {
        return FloatVector.fromArray(S, x, i);
    }

    /** Stores a loop's variable; -0 and the class are those of {@link VectorLoops}. */
    private static void store(FloatVector sums, float[] to, int offset) {
        FloatVector.broadcast(S, -0f).add(sums).intoArray(to, offset);
    }

    private static int whole(int n) {
        return n / LANES * LANES;
    }

    @Override
    public float max(float[] x, int offset, int n) {
        FloatVector a = FloatVector.broadcast(S, Float.NEGATIVE_INFINITY), b = a;
        int i = offset;
        for (; i + 2 * W <= offset + n; i += 2 * W) {
            a = at(x, i).max(a);
            b = at(x, i + W).max(b);
        }
        return Math.max(a.max(b).reduceLanes(VectorOperators.MAX), REST.max(x, i, offset + n - i));
    }

    @Override
    public float sum(float[] x, int offset, int n) {
        float[] lanes = new float[LANES];
        int end = offset + whole(n);
        for (int j = 0; j < LANES; j += W) {
            FloatVector a = FloatVector.zero(S);
            for (int i = offset + j; i < end; i += LANES) {
                a = at(x, i).add(a);
            }
            store(a, lanes, j);
        }
        for (int i = whole(n); i < n; i++) {
            lanes[i % LANES] += x[offset + i];
        }
        return Elementary.tree(lanes);
    }

    @Override
    public float expSum(float[] x, int offset, int n, float max, boolean keep) {
        float[] lanes = new float[LANES];
        int end = offset + whole(n);
        for (int j = 0; j < LANES; j += W) {
            FloatVector a = FloatVector.zero(S);
            for (int i = offset + j; i < end; i += LANES) {
                FloatVector exp = VectorElementwise.exp(at(x, i).sub(max));
                if (keep) {
                    exp.intoArray(x, i);
                }
                a = exp.add(a);
            }
            store(a, lanes, j);
        }
        for (int i = whole(n); i < n; i++) {
            float exp = Elementary.exp(x[offset + i] - max);
            lanes[i % LANES] += exp;
            x[offset + i] = keep ? exp : x[offset + i];
        }
        return Elementary.tree(lanes);
    }

    @Override
    public float expMoment(float[] x, int offset, int n, float max) {
        float[] lanes = new float[LANES];
        int end = offset + whole(n);
        for (int j = 0; j < LANES; j += W) {
            FloatVector a = FloatVector.zero(S);
            for (int i = offset + j; i < end; i += LANES) {
                FloatVector d = at(x, i).sub(max).max(Elementary.EXP_MIN);
                a = d.fma(VectorElementwise.exp(d), a);
            }
            store(a, lanes, j);
        }
        for (int i = whole(n); i < n; i++) {
            float d = Math.max(x[offset + i] - max, Elementary.EXP_MIN);
            lanes[i % LANES] = Math.fma(d, Elementary.exp(d), lanes[i % LANES]);
        }
        return Elementary.tree(lanes);
    }

    @Override
    public int countAtLeast(float[] x, int offset, int n, float threshold) {
        FloatVector t = FloatVector.broadcast(S, threshold);
        int count = 0;
        int i = offset;
        for (; i + W <= offset + n; i += W) {
            count += at(x, i).compare(VectorOperators.GE, t).trueCount();
        }
        return count + REST.countAtLeast(x, i, offset + n - i, threshold);
    }

    @Override
    public void addSquares(Panels w, double[] sums) {
        int n = D.length();
        for (int j = 0; j < Panels.WIDTH; j += 4 * n) {
            DoubleVector a = DoubleVector.fromArray(D, sums, j);
            DoubleVector b = DoubleVector.fromArray(D, sums, j + n);
            DoubleVector c = DoubleVector.fromArray(D, sums, j + 2 * n);
            DoubleVector d = DoubleVector.fromArray(D, sums, j + 3 * n);
            for (int k = 0; k < w.depth(); k++) {
                long o = w.start(0) + (k * (long) Panels.WIDTH + j) * 4;
                a = addSquare(w.data(0), o, a);
                b = addSquare(w.data(0), o + 4L * n, b);
                c = addSquare(w.data(0), o + 8L * n, c);
                d = addSquare(w.data(0), o + 12L * n, d);
            }
            a.intoArray(sums, j);
            b.intoArray(sums, j + n);
            c.intoArray(sums, j + 2 * n);
            d.intoArray(sums, j + 3 * n);
        }
    }

    /** The product is exact, so one rounding is the same as two. */
    private static DoubleVector addSquare(MemorySegment data, long offset, DoubleVector sums) {
        DoubleVector x = (DoubleVector)
                FloatVector.fromMemorySegment(HALF, data, offset, LE).convertShape(VectorOperators.F2D, D, 0);
        return x.fma(x, sums);
    }

    @Override
    public void norm(
            float[] x,
            int xOffset,
            float[] gain,
            float[] bias,
            float epsilon,
            boolean centered,
            float[] y,
            int yOffset) {
        int n = gain.length;
        float mean = centered ? sum(x, xOffset, n) / n : 0;
        float scale = scale(x, xOffset, n, mean, epsilon);
        int i = 0;
        for (; i + W <= n; i += W) {
            normal(x, xOffset + i, mean, scale).fma(at(gain, i), at(bias, i)).intoArray(y, yOffset + i);
        }
        for (; i < n; i++) {
            y[yOffset + i] = Math.fma((x[xOffset + i] - mean) * scale, gain[i], bias[i]);
        }
    }

    private static FloatVector normal(float[] x, int i, float mean, float scale) {
        return at(x, i).sub(mean).mul(scale);
    }

    /** 1 / sqrt(variance + epsilon). */
    private static float scale(float[] x, int offset, int n, float mean, float epsilon) {
        float[] lanes = new float[LANES];
        int end = offset + whole(n);
        for (int j = 0; j < LANES; j += W) {
            FloatVector a = FloatVector.zero(S);
            for (int i = offset + j; i < end; i += LANES) {
                FloatVector d = at(x, i).sub(mean);
                a = d.fma(d, a);
            }
            store(a, lanes, j);
        }
        for (int i = whole(n); i < n; i++) {
            float d = x[offset + i] - mean;
            lanes[i % LANES] = Math.fma(d, d, lanes[i % LANES]);
        }
        return Elementary.inverseDeviation(Elementary.tree(lanes), n, epsilon);
    }

    @Override
    public void normBackward(
            float[] x,
            float[] dy,
            float[] dx,
            int offset,
            float[] gain,
            float epsilon,
            boolean centered,
            float[] moments,
            int at) {
        int n = gain.length;
        float mean = centered ? sum(x, offset, n) / n : 0;
        float scale = scale(x, offset, n, mean, epsilon);
        moments[at] = mean;
        moments[at + 1] = scale;
        float[] gradients = new float[LANES];
        float[] products = new float[LANES];
        for (int j = 0; j < LANES; j += W) {
            FloatVector a = FloatVector.zero(S), b = a;
            for (int i = j; i < whole(n); i += LANES) {
                FloatVector g = at(dy, offset + i).mul(at(gain, i));
                a = g.add(a);
                b = g.fma(normal(x, offset + i, mean, scale), b);
            }
            store(a, gradients, j);
            store(b, products, j);
        }
        for (int i = whole(n); i < n; i++) {
            float g = dy[offset + i] * gain[i];
            gradients[i % LANES] += g;
            products[i % LANES] = Math.fma(g, (x[offset + i] - mean) * scale, products[i % LANES]);
        }
        float meanGradient = centered ? Elementary.tree(gradients) / n : 0;
        float meanProduct = Elementary.tree(products) / n;
        FloatVector product = FloatVector.broadcast(S, meanProduct);
        FloatVector scales = FloatVector.broadcast(S, scale);
        int i = 0;
        for (; i + W <= n; i += W) {
            FloatVector g = at(dy, offset + i).mul(at(gain, i)).sub(meanGradient);
            FloatVector h = normal(x, offset + i, mean, scale);
            h.neg().fma(product, g).fma(scales, at(dx, offset + i)).intoArray(dx, offset + i);
        }
        for (; i < n; i++) {
            float g = dy[offset + i] * gain[i] - meanGradient;
            float h = (x[offset + i] - mean) * scale;
            dx[offset + i] = Math.fma(Math.fma(-h, meanProduct, g), scale, dx[offset + i]);
        }
    }

    private static FloatVector f32(MemorySegment m, long offset) {
        return FloatVector.fromMemorySegment(S, m, offset, LE);
    }

    @Override
    public void addWeightedRows(
            float[] p, int pOffset, int count, MemorySegment v, long vOffset, float[] out, int outOffset, int n) {
        int i = 0;
        for (; i + 4 * W <= n; i += 4 * W) {
            FloatVector a = FloatVector.fromArray(S, out, outOffset + i);
            FloatVector b = FloatVector.fromArray(S, out, outOffset + i + W);
            FloatVector c = FloatVector.fromArray(S, out, outOffset + i + 2 * W);
            FloatVector d = FloatVector.fromArray(S, out, outOffset + i + 3 * W);
            for (int t = 0; t < count; t++) {
                long o = vOffset + 4L * ((long) t * n + i);
                FloatVector weight = FloatVector.broadcast(S, p[pOffset + t]);
                a = weight.fma(f32(v, o), a);
                b = weight.fma(f32(v, o + 4L * W), b);
                c = weight.fma(f32(v, o + 8L * W), c);
                d = weight.fma(f32(v, o + 12L * W), d);
            }
            store(a, out, outOffset + i);
            store(b, out, outOffset + i + W);
            store(c, out, outOffset + i + 2 * W);
            store(d, out, outOffset + i + 3 * W);
        }
        for (; i + W <= n; i += W) {
            FloatVector a = FloatVector.fromArray(S, out, outOffset + i);
            for (int t = 0; t < count; t++) {
                FloatVector weight = FloatVector.broadcast(S, p[pOffset + t]);
                a = weight.fma(f32(v, vOffset + 4L * ((long) t * n + i)), a);
            }
            store(a, out, outOffset + i);
        }
        for (; i < n; i++) {
            float a = out[outOffset + i];
            for (int t = 0; t < count; t++) {
                a = Math.fma(p[pOffset + t], v.get(Panels.FLOAT, vOffset + 4L * ((long) t * n + i)), a);
            }
            out[outOffset + i] = a;
        }
    }

    @Override
    public void addWeightedWords(
            float[] p, int pOffset, int count, MemorySegment v, long vOffset, float[] out, int outOffset, int n) {
        long row = PanelFormat.BF16.rowBytes(n);
        int i = 0;
        for (; i + 32 <= n; i += 32) {
            for (int word = 0; word < 16; word += W) {
                int at = outOffset + i + word;
                FloatVector low = FloatVector.fromArray(S, out, at);
                FloatVector high = FloatVector.fromArray(S, out, at + 16);
                for (int t = 0; t < count; t++) {
                    IntVector words = IntVector.fromMemorySegment(I, v, vOffset + t * row + 2L * i + 4L * word, LE);
                    FloatVector weight = FloatVector.broadcast(S, p[pOffset + t]);
                    low = weight.fma(words.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats(), low);
                    high = weight.fma(words.and(VectorProducts.HIGH).reinterpretAsFloats(), high);
                }
                store(low, out, at);
                store(high, out, at + 16);
            }
        }
        for (; i < n; i++) {
            float sum = out[outOffset + i];
            for (int t = 0; t < count; t++) {
                sum = Math.fma(p[pOffset + t], PanelFormat.BF16.code(v, vOffset + t * row, i), sum);
            }
            out[outOffset + i] = sum;
        }
    }
}
