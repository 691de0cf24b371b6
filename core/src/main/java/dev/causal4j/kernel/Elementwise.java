package dev.causal4j.kernel;

/**
 * Functions of single numbers. {@link ScalarElementwise} is the specification, {@link VectorElementwise} its twin with
 * equal bits; {@link Kernels} has checked every argument. Thread-safe.
 */
interface Elementwise {
    /** x = tanh x. */
    void tanh(float[] x, int offset, int n);

    /** x / (1 + exp(-2 u)) with u = scale (x + cube x³). */
    void swish(float[] x, int offset, int n, float scale, float cube);

    /** dy *= the derivative of {@link #swish} at x: s + x s (1 - s) 2 u' with s = 1 / (1 + exp(-2 u)). */
    void swishBackward(float[] x, float[] dy, int offset, int n, float scale, float cube);

    /** x Φ(x), see {@link Elementary#normal}. */
    void gelu(float[] x, int offset, int n);

    /** dy *= Φ(x) + x φ(x). */
    void geluBackward(float[] x, float[] dy, int offset, int n);

    /** x = fma(exp(x - max), scale, shift) · fma(-(x · inverseCap), x · inverseCap, 1). */
    void softmaxBackward(float[] x, int offset, int n, float max, float scale, float shift, float inverseCap);

    /** y += x. */
    void add(float[] x, int xOffset, float[] y, int yOffset, int n);

    /** y *= x. */
    void scale(float[] x, int xOffset, float[] y, int yOffset, int n);

    /** {@link AdamWStep#apply} where the numbers lie. */
    void adamW(AdamWStep step, AdamWStep.Numbers numbers);
}
