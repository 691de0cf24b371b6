package dev.causal4j.kernel;

import static dev.causal4j.kernel.ScalarKernels.LANES;

/** The specification of the gradients of what is elementwise or runs over a row. */
final class ScalarBackward {
    private ScalarBackward() {}

    static void layerNorm(
            float[] x, float[] dy, float[] dx, int offset, float[] gain, float epsilon, float[] moments, int at) {
        int n = gain.length;
        ScalarKernels.moments(x, offset, n, epsilon, moments, at);
        float mean = moments[at];
        float scale = moments[at + 1];
        float[] lanes = new float[LANES];
        float[] products = new float[LANES];
        for (int i = 0; i < n; i++) {
            float g = dy[offset + i] * gain[i];
            lanes[i % LANES] += g;
            products[i % LANES] = Math.fma(g, (x[offset + i] - mean) * scale, products[i % LANES]);
        }
        float meanGradient = ScalarKernels.tree(lanes) / n;
        float meanProduct = ScalarKernels.tree(products) / n;
        for (int i = 0; i < n; i++) {
            float g = dy[offset + i] * gain[i] - meanGradient;
            float h = (x[offset + i] - mean) * scale;
            dx[offset + i] = Math.fma(Math.fma(-h, meanProduct, g), scale, dx[offset + i]);
        }
    }

    static void gelu(float[] x, float[] dy, int offset, int n) {
        for (int i = offset; i < offset + n; i++) {
            dy[i] *= geluDerivative(x[i]);
        }
    }

    private static float geluDerivative(float x) {
        float u = ScalarKernels.GELU_SCALE * Math.fma(ScalarKernels.GELU_CUBE * x * x, x, x);
        float s = 1f / (1f + ScalarKernels.exp(-(u + u)));
        float slope = ScalarKernels.GELU_SCALE * Math.fma(3 * ScalarKernels.GELU_CUBE * x, x, 1f); // u'
        return Math.fma(x * s * (1f - s), slope + slope, s);
    }
}
