package dev.causal4j.kernel;

import static dev.causal4j.kernel.Panels.FLOAT;

import java.lang.foreign.MemorySegment;

/** The specification of {@link Elementwise}. */
final class ScalarElementwise implements Elementwise {
    @Override
    public void tanh(float[] x, int offset, int n) {
        for (int i = offset; i < offset + n; i++) {
            x[i] = Elementary.tanh(x[i]);
        }
    }

    @Override
    public void swish(float[] x, int offset, int n, float scale, float cube) {
        for (int i = offset; i < offset + n; i++) {
            x[i] = Elementary.swish(x[i], scale, cube);
        }
    }

    @Override
    public void swishBackward(float[] x, float[] dy, int offset, int n, float scale, float cube) {
        for (int i = offset; i < offset + n; i++) {
            dy[i] *= Elementary.swishDerivative(x[i], scale, cube);
        }
    }

    @Override
    public void gelu(float[] x, int offset, int n) {
        for (int i = offset; i < offset + n; i++) {
            x[i] *= Elementary.normal(x[i]);
        }
    }

    @Override
    public void geluBackward(float[] x, float[] dy, int offset, int n) {
        for (int i = offset; i < offset + n; i++) {
            float density = Elementary.exp(-0.5f * x[i] * x[i]) * Elementary.DENSITY;
            dy[i] *= Math.fma(x[i], density, Elementary.normal(x[i]));
        }
    }

    @Override
    public void softmaxBackward(float[] x, int offset, int n, float max, float scale, float shift, float inverseCap) {
        for (int i = offset; i < offset + n; i++) {
            float ratio = x[i] * inverseCap;
            x[i] = Math.fma(Elementary.exp(x[i] - max), scale, shift) * Math.fma(-ratio, ratio, 1f);
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
