package dev.causal4j.kernel;

import static dev.causal4j.kernel.ScalarKernels.LANES;

/** The specification of what is read off a row of logits, and of the gradient that takes its place. */
final class ScalarReductions {
    private ScalarReductions() {}

    static float max(float[] x, int offset, int n) {
        float max = Float.NEGATIVE_INFINITY;
        for (int i = offset; i < offset + n; i++) {
            max = Math.max(max, x[i]);
        }
        return max;
    }

    static float expSum(float[] x, int offset, int n, float max) {
        float[] lanes = new float[LANES];
        for (int i = 0; i < n; i++) {
            lanes[i % LANES] += ScalarKernels.exp(x[offset + i] - max);
        }
        return ScalarKernels.tree(lanes);
    }

    static float expMoment(float[] x, int offset, int n, float max) {
        float[] lanes = new float[LANES];
        for (int i = 0; i < n; i++) {
            float d = Math.max(x[offset + i] - max, ScalarKernels.EXP_MIN);
            lanes[i % LANES] = Math.fma(d, ScalarKernels.exp(d), lanes[i % LANES]);
        }
        return ScalarKernels.tree(lanes);
    }

    static int countAtLeast(float[] x, int offset, int n, float threshold) {
        int count = 0;
        for (int i = offset; i < offset + n; i++) {
            count += x[i] >= threshold ? 1 : 0;
        }
        return count;
    }

    static float sum(float[] x, int offset, int n) {
        float[] lanes = new float[LANES];
        for (int i = 0; i < n; i++) {
            lanes[i % LANES] += x[offset + i];
        }
        return ScalarKernels.tree(lanes);
    }

    static void softmaxBackward(float[] x, int offset, int n, float max, float scale, float shift, float inverseCap) {
        for (int i = offset; i < offset + n; i++) {
            float ratio = x[i] * inverseCap;
            x[i] = Math.fma(ScalarKernels.exp(x[i] - max), scale, shift) * Math.fma(-ratio, ratio, 1f);
        }
    }
}
