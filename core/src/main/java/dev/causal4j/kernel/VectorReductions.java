package dev.causal4j.kernel;

import static dev.causal4j.kernel.ScalarKernels.LANES;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** The twin of {@link ScalarReductions}: the same 16 lanes and tree, W lanes at once. */
final class VectorReductions {
    private static final VectorSpecies<Float> S = VectorWidth.floats();
    private static final int W = S.length();

    /** Where a thread lays the 16 lanes of a sum down. */
    private static final ThreadLocal<float[]> LANES_OF_SUM = ThreadLocal.withInitial(() -> new float[LANES]);

    private VectorReductions() {}

    /**
     * The lanes of a sum, of which {@code a} has the first W, until this thread asks again. In two methods of at most 35
     * bytes of code: what takes a vector must be inlined, or C2 boxes the vector in every turn of the loop it comes from.
     */
    static float[] lanes(FloatVector a, FloatVector b, FloatVector c, FloatVector d) {
        float[] lanes = scratch();
        a.intoArray(lanes, 0);
        if (W < 16) {
            storeRest(lanes, b, c, d);
        }
        return lanes;
    }

    private static float[] scratch() {
        return LANES_OF_SUM.get();
    }

    private static void storeRest(float[] lanes, FloatVector b, FloatVector c, FloatVector d) {
        b.intoArray(lanes, W);
        if (W < 8) {
            c.intoArray(lanes, 8);
            d.intoArray(lanes, 12);
        }
    }

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
        float[] lanes = lanes(a, b, c, d);
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
        float[] lanes = lanes(a, b, c, d);
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
        float[] lanes = lanes(a, b, c, d);
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
