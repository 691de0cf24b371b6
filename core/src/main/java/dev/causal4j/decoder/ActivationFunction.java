package dev.causal4j.decoder;

import dev.causal4j.kernel.Elementary;
import dev.causal4j.kernel.choice.Kernels;

/** The function between the two linear layers of a {@link BlockConfig.FeedForwardConfig}. */
public enum ActivationFunction {
    /** 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x³))). */
    GELU_TANH,
    /** x Φ(x), exactly. */
    GELU,
    /** x / (1 + exp(-x)). */
    SILU,
    /** max(x, 0). */
    RELU,
    /** max(x, 0)². */
    RELU_SQUARED,
    /** g · sigmoid(1.702 g) · (u + 1), g at most 7 and u from -7 to 7 (gpt-oss). */
    CLAMPED_SWIGLU;

    private static final float LIMIT = 7;

    /** Applies the function to n numbers in place. */
    void apply(float[] x, int offset, int n) {
        switch (this) {
            case GELU_TANH -> Kernels.swish(x, offset, n, Elementary.GELU_SCALE, Elementary.GELU_CUBE);
            case GELU -> Kernels.gelu(x, offset, n);
            case SILU -> Kernels.swish(x, offset, n, 0.5f, 0);
            case RELU -> atLeastZero(x, offset, n);
            case RELU_SQUARED -> {
                atLeastZero(x, offset, n);
                Kernels.scale(x, offset, x, offset, n);
            }
            case CLAMPED_SWIGLU -> {
                for (int i = offset; i < offset + n; i++) {
                    x[i] = Math.min(x[i], LIMIT);
                }
                Kernels.swish(x, offset, n, 0.5f * 1.702f, 0);
            }
        }
    }

    private static void atLeastZero(float[] x, int offset, int n) {
        for (int i = offset; i < offset + n; i++) {
            x[i] = Math.max(x[i], 0);
        }
    }

    /** Multiplies dy by the derivative at x. */
    void backward(float[] x, float[] dy, int offset, int n) {
        switch (this) {
            case GELU_TANH -> Kernels.swishBackward(x, dy, offset, n, Elementary.GELU_SCALE, Elementary.GELU_CUBE);
            case GELU -> Kernels.geluBackward(x, dy, offset, n);
            case SILU -> Kernels.swishBackward(x, dy, offset, n, 0.5f, 0);
            case RELU, RELU_SQUARED -> {
                for (int i = offset; i < offset + n; i++) {
                    float slope = this == RELU ? 1 : 2 * x[i];
                    dy[i] = x[i] > 0 ? dy[i] * slope : 0;
                }
            }
            case CLAMPED_SWIGLU -> {
                Kernels.swishBackward(x, dy, offset, n, 0.5f * 1.702f, 0);
                for (int i = offset; i < offset + n; i++) {
                    dy[i] = x[i] <= LIMIT ? dy[i] : 0;
                }
            }
        }
    }

    /** The factor of gpt-oss's activated gate. */
    static float clampedUp(float up) {
        return Math.clamp(up, -LIMIT, LIMIT) + 1;
    }

    static boolean isClamped(float up) {
        return Math.abs(up) > LIMIT;
    }
}
