package dev.causal4j.kernel;

/** Thread-safe: stateless functions on the caller's arrays. */
public final class Kernels {
    private Kernels() {}

    /** Replaces {@code x[offset .. offset + n)} by its softmax. */
    public static void softmax(float[] x, int offset, int n) {
        float max = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < n; i++) {
            max = Math.max(max, x[offset + i]);
        }
        float sum = 0;
        for (int i = 0; i < n; i++) {
            x[offset + i] = (float) StrictMath.exp(x[offset + i] - max);
            sum += x[offset + i];
        }
        for (int i = 0; i < n; i++) {
            x[offset + i] /= sum;
        }
    }
}
