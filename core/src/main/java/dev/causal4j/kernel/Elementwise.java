package dev.causal4j.kernel;

import static dev.causal4j.kernel.Panels.FLOAT;

import java.lang.foreign.MemorySegment;

/**
 * Functions of single numbers in plain Java: the specification. {@link VectorElementwise} is its twin with equal bits;
 * {@code Kernels} has checked every argument. Thread-safe.
 */
public class Elementwise {
    /** x = tanh x. */
    public void tanh(float[] x, int offset, int n) {
        for (int i = offset; i < offset + n; i++) {
            x[i] = Elementary.tanh(x[i]);
        }
    }

    /** x / (1 + exp(-2 u)) with u = scale (x + cube x³). */
    public void swish(float[] x, int offset, int n, float scale, float cube) {
        for (int i = offset; i < offset + n; i++) {
            float u = scale * Math.fma(cube * x[i] * x[i], x[i], x[i]);
            x[i] = x[i] / (1f + Elementary.exp(-(u + u)));
        }
    }

    /** 1 / (1 + exp(-x)). */
    public void sigmoid(float[] x, int offset, int n) {
        for (int i = offset; i < offset + n; i++) {
            x[i] = 1f / (1f + Elementary.exp(-x[i]));
        }
    }

    /** dy *= the derivative of {@link #swish} at x: s + x s (1 - s) 2 u' with s = 1 / (1 + exp(-2 u)). */
    public void swishBackward(float[] x, float[] dy, int offset, int n, float scale, float cube) {
        for (int i = offset; i < offset + n; i++) {
            float u = scale * Math.fma(cube * x[i] * x[i], x[i], x[i]);
            float s = 1f / (1f + Elementary.exp(-(u + u)));
            float slope = scale * Math.fma(3 * cube * x[i], x[i], 1f); // u'
            dy[i] *= Math.fma(x[i] * s * (1f - s), slope + slope, s);
        }
    }

    /** x Φ(x), see {@link Elementary#normal}. */
    public void gelu(float[] x, int offset, int n) {
        for (int i = offset; i < offset + n; i++) {
            x[i] *= Elementary.normal(x[i]);
        }
    }

    /** dy *= Φ(x) + x φ(x). */
    public void geluBackward(float[] x, float[] dy, int offset, int n) {
        for (int i = offset; i < offset + n; i++) {
            float density = Elementary.exp(-0.5f * x[i] * x[i]) * Elementary.DENSITY;
            dy[i] *= Math.fma(x[i], density, Elementary.normal(x[i]));
        }
    }

    /** x = fma(exp(x - max), scale, shift) · fma(-(x · inverseCap), x · inverseCap, 1). */
    public void softmaxBackward(float[] x, int offset, int n, float max, float scale, float shift, float inverseCap) {
        for (int i = offset; i < offset + n; i++) {
            float ratio = x[i] * inverseCap;
            x[i] = Math.fma(Elementary.exp(x[i] - max), scale, shift) * Math.fma(-ratio, ratio, 1f);
        }
    }

    /** y += x. */
    public void add(float[] x, int xOffset, float[] y, int yOffset, int n) {
        for (int i = 0; i < n; i++) {
            y[yOffset + i] += x[xOffset + i];
        }
    }

    /** y *= x. */
    public void scale(float[] x, int xOffset, float[] y, int yOffset, int n) {
        for (int i = 0; i < n; i++) {
            y[yOffset + i] *= x[xOffset + i];
        }
    }

    /** y = fma(w, x, y). */
    public void multiplyAdd(float[] w, int wOffset, float[] x, int xOffset, float[] y, int yOffset, int n) {
        for (int i = 0; i < n; i++) {
            y[yOffset + i] = Math.fma(w[wOffset + i], x[xOffset + i], y[yOffset + i]);
        }
    }

    /** {@link AdamWStep#apply} on numbers in memory. */
    public void adamW(AdamWStep step, AdamWStep.Numbers numbers) {
        int count = numbers.count();
        float[] weights = read(numbers.weights(), numbers);
        float[] first = read(numbers.first(), numbers);
        float[] second = read(numbers.second(), numbers);
        step.apply(weights, read(numbers.gradient(), numbers), first, second, count);
        MemorySegment.copy(weights, 0, numbers.weights(), FLOAT, numbers.offset(), count);
        MemorySegment.copy(first, 0, numbers.first(), FLOAT, numbers.offset(), count);
        MemorySegment.copy(second, 0, numbers.second(), FLOAT, numbers.offset(), count);
    }

    private static float[] read(MemorySegment memory, AdamWStep.Numbers numbers) {
        float[] copy = new float[numbers.count()];
        MemorySegment.copy(memory, FLOAT, numbers.offset(), copy, 0, copy.length);
        return copy;
    }
}
