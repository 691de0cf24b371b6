package dev.causal4j.kernel;

import static dev.causal4j.kernel.ScalarKernels.LANES;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** The twin of {@link ScalarReductions}: the same 16 lanes and tree, W lanes at once. */
final class VectorReductions {
    private static final VectorSpecies<Float> S = VectorWidth.floats();
    private static final int W = S.length();

    private VectorReductions() {}

    static float max(float[] x, int offset, int n) {
        FloatVector a = FloatVector.broadcast(S, Float.NEGATIVE_INFINITY), b = a;
        int i = offset;
        for (; i + 2 * W <= offset + n; i += 2 * W) {
            a = a.max(FloatVector.fromArray(S, x, i));
            b = b.max(FloatVector.fromArray(S, x, i + W));
        }
        float max = a.max(b).reduceLanes(VectorOperators.MAX);
        return Math.max(max, ScalarReductions.max(x, i, offset + n - i));
    }

    static float expSum(float[] x, int offset, int n, float max) {
        int whole = n / LANES * LANES;
        float[] lanes = new float[LANES];
        FloatVector m = FloatVector.broadcast(S, max);
        FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
        for (int i = offset; i < offset + whole; i += LANES) {
            a = a.add(expOf(x, i, m));
            if (W < 16) {
                b = b.add(expOf(x, i + W, m));
            }
            if (W < 8) {
                c = c.add(expOf(x, i + 2 * W, m));
                d = d.add(expOf(x, i + 3 * W, m));
            }
        }
        VectorKernels.storeLanes(lanes, a, b, c, d);
        for (int i = whole; i < n; i++) {
            lanes[i % LANES] += ScalarKernels.exp(x[offset + i] - max);
        }
        return ScalarKernels.tree(lanes);
    }

    private static FloatVector expOf(float[] x, int i, FloatVector max) {
        return VectorKernels.exp(FloatVector.fromArray(S, x, i).sub(max));
    }

    static float expMoment(float[] x, int offset, int n, float max) {
        int whole = n / LANES * LANES;
        float[] lanes = new float[LANES];
        FloatVector m = FloatVector.broadcast(S, max);
        FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
        for (int i = offset; i < offset + whole; i += LANES) {
            a = addMoment(x, i, m, a);
            if (W < 16) {
                b = addMoment(x, i + W, m, b);
            }
            if (W < 8) {
                c = addMoment(x, i + 2 * W, m, c);
                d = addMoment(x, i + 3 * W, m, d);
            }
        }
        VectorKernels.storeLanes(lanes, a, b, c, d);
        for (int i = whole; i < n; i++) {
            float e = Math.max(x[offset + i] - max, ScalarKernels.EXP_MIN);
            lanes[i % LANES] = Math.fma(e, ScalarKernels.exp(e), lanes[i % LANES]);
        }
        return ScalarKernels.tree(lanes);
    }

    private static FloatVector addMoment(float[] x, int i, FloatVector max, FloatVector sum) {
        FloatVector d = FloatVector.fromArray(S, x, i).sub(max).max(ScalarKernels.EXP_MIN);
        return d.fma(VectorKernels.exp(d), sum);
    }

    static int countAtLeast(float[] x, int offset, int n, float threshold) {
        FloatVector t = FloatVector.broadcast(S, threshold);
        int count = 0;
        int i = offset;
        for (; i + W <= offset + n; i += W) {
            count += FloatVector.fromArray(S, x, i)
                    .compare(VectorOperators.GE, t)
                    .trueCount();
        }
        return count + ScalarReductions.countAtLeast(x, i, offset + n - i, threshold);
    }

    static float sum(float[] x, int offset, int n) {
        int whole = n / LANES * LANES;
        float[] lanes = new float[LANES];
        FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
        for (int i = offset; i < offset + whole; i += LANES) {
            a = a.add(FloatVector.fromArray(S, x, i));
            if (W < 16) {
                b = b.add(FloatVector.fromArray(S, x, i + W));
            }
            if (W < 8) {
                c = c.add(FloatVector.fromArray(S, x, i + 2 * W));
                d = d.add(FloatVector.fromArray(S, x, i + 3 * W));
            }
        }
        VectorKernels.storeLanes(lanes, a, b, c, d);
        for (int i = whole; i < n; i++) {
            lanes[i % LANES] += x[offset + i];
        }
        return ScalarKernels.tree(lanes);
    }

    static void softmaxBackward(float[] x, int offset, int n, float max, float scale, float shift, float inverseCap) {
        FloatVector one = FloatVector.broadcast(S, 1f);
        FloatVector scales = FloatVector.broadcast(S, scale);
        FloatVector shifts = FloatVector.broadcast(S, shift);
        int i = offset;
        for (; i + W <= offset + n; i += W) {
            FloatVector v = FloatVector.fromArray(S, x, i);
            FloatVector ratio = v.mul(inverseCap);
            VectorKernels.exp(v.sub(max))
                    .fma(scales, shifts)
                    .mul(ratio.neg().fma(ratio, one))
                    .intoArray(x, i);
        }
        ScalarReductions.softmaxBackward(x, i, offset + n - i, max, scale, shift, inverseCap);
    }
}
