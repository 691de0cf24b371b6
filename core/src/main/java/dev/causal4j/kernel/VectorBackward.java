package dev.causal4j.kernel;

import static dev.causal4j.kernel.ScalarKernels.LANES;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** The twin of {@link ScalarBackward}: the same 16 lanes and tree, W lanes at once. */
final class VectorBackward {
    private static final VectorSpecies<Float> S = VectorWidth.floats();
    private static final int W = S.length();

    /** As many bits of double, and the floats that fill them. */
    private static final VectorSpecies<Double> D = S.withLanes(double.class);

    private static final VectorSpecies<Float> HALF =
            VectorSpecies.of(float.class, VectorShape.forBitSize(S.vectorBitSize() / 2));

    private VectorBackward() {}

    static void layerNorm(
            float[] x, float[] dy, float[] dx, int offset, float[] gain, float epsilon, float[] moments, int at) {
        int n = gain.length;
        VectorKernels.moments(x, offset, n, epsilon, moments, at);
        float mean = moments[at];
        float scale = moments[at + 1];
        float meanGradient = sum(dy, offset, gain) / n;
        float meanProduct = productSum(x, dy, offset, gain, mean, scale) / n;
        int i = 0;
        for (; i + W <= n; i += W) {
            FloatVector g = scaled(dy, offset, gain, i).sub(meanGradient);
            FloatVector h = normal(x, offset, mean, scale, i);
            h.neg()
                    .fma(FloatVector.broadcast(S, meanProduct), g)
                    .fma(FloatVector.broadcast(S, scale), FloatVector.fromArray(S, dx, offset + i))
                    .intoArray(dx, offset + i);
        }
        for (; i < n; i++) {
            float g = dy[offset + i] * gain[i] - meanGradient;
            float h = (x[offset + i] - mean) * scale;
            dx[offset + i] = Math.fma(Math.fma(-h, meanProduct, g), scale, dx[offset + i]);
        }
    }

    private static FloatVector scaled(float[] dy, int offset, float[] gain, int i) {
        return FloatVector.fromArray(S, dy, offset + i).mul(FloatVector.fromArray(S, gain, i));
    }

    private static FloatVector normal(float[] x, int offset, float mean, float scale, int i) {
        return FloatVector.fromArray(S, x, offset + i).sub(mean).mul(scale);
    }

    /** The sum of dy · gain. */
    private static float sum(float[] dy, int offset, float[] gain) {
        int n = gain.length;
        int whole = n / LANES * LANES;
        FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
        for (int i = 0; i < whole; i += LANES) {
            a = a.add(scaled(dy, offset, gain, i));
            if (W < 16) {
                b = b.add(scaled(dy, offset, gain, i + W));
            }
            if (W < 8) {
                c = c.add(scaled(dy, offset, gain, i + 2 * W));
                d = d.add(scaled(dy, offset, gain, i + 3 * W));
            }
        }
        float[] lanes = VectorReductions.lanes(a, b, c, d);
        for (int i = whole; i < n; i++) {
            lanes[i % LANES] += dy[offset + i] * gain[i];
        }
        return ScalarKernels.tree(lanes);
    }

    /** The sum of dy · gain · (x - mean) · scale. */
    private static float productSum(float[] x, float[] dy, int offset, float[] gain, float mean, float scale) {
        int n = gain.length;
        int whole = n / LANES * LANES;
        FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
        for (int i = 0; i < whole; i += LANES) {
            a = scaled(dy, offset, gain, i).fma(normal(x, offset, mean, scale, i), a);
            if (W < 16) {
                b = scaled(dy, offset, gain, i + W).fma(normal(x, offset, mean, scale, i + W), b);
            }
            if (W < 8) {
                c = scaled(dy, offset, gain, i + 2 * W).fma(normal(x, offset, mean, scale, i + 2 * W), c);
                d = scaled(dy, offset, gain, i + 3 * W).fma(normal(x, offset, mean, scale, i + 3 * W), d);
            }
        }
        float[] lanes = VectorReductions.lanes(a, b, c, d);
        for (int i = whole; i < n; i++) {
            lanes[i % LANES] = Math.fma(dy[offset + i] * gain[i], (x[offset + i] - mean) * scale, lanes[i % LANES]);
        }
        return ScalarKernels.tree(lanes);
    }

    static void gelu(float[] x, float[] dy, int offset, int n) {
        FloatVector one = FloatVector.broadcast(S, 1f);
        int i = offset;
        for (; i + W <= offset + n; i += W) {
            FloatVector v = FloatVector.fromArray(S, x, i);
            FloatVector u = v.mul(ScalarKernels.GELU_CUBE).mul(v).fma(v, v).mul(ScalarKernels.GELU_SCALE);
            FloatVector s = one.div(VectorKernels.exp(u.add(u).neg()).add(one));
            FloatVector slope = v.mul(3 * ScalarKernels.GELU_CUBE).fma(v, one).mul(ScalarKernels.GELU_SCALE);
            v.mul(s)
                    .mul(one.sub(s))
                    .fma(slope.add(slope), s)
                    .mul(FloatVector.fromArray(S, dy, i))
                    .intoArray(dy, i);
        }
        ScalarBackward.gelu(x, dy, i, offset + n - i);
    }

    static void addSquares(Panels w, double[] sums) {
        int n = D.length();
        for (int j = 0; j < Kernels.PANEL; j += 4 * n) {
            DoubleVector a = DoubleVector.fromArray(D, sums, j);
            DoubleVector b = DoubleVector.fromArray(D, sums, j + n);
            DoubleVector c = DoubleVector.fromArray(D, sums, j + 2 * n);
            DoubleVector d = DoubleVector.fromArray(D, sums, j + 3 * n);
            for (int k = 0; k < w.depth(); k++) {
                long o = w.start(0) + (k * (long) Kernels.PANEL + j) * 4;
                a = addSquare(w.data(), o, a);
                b = addSquare(w.data(), o + 4L * n, b);
                c = addSquare(w.data(), o + 8L * n, c);
                d = addSquare(w.data(), o + 12L * n, d);
            }
            a.intoArray(sums, j);
            b.intoArray(sums, j + n);
            c.intoArray(sums, j + 2 * n);
            d.intoArray(sums, j + 3 * n);
        }
    }

    /** The product is exact, so one rounding is the same as two. */
    private static DoubleVector addSquare(MemorySegment data, long offset, DoubleVector sums) {
        DoubleVector x = (DoubleVector) FloatVector.fromMemorySegment(HALF, data, offset, ByteOrder.LITTLE_ENDIAN)
                .convertShape(VectorOperators.F2D, D, 0);
        return x.fma(x, sums);
    }
}
