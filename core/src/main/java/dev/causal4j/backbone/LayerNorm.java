package dev.causal4j.backbone;

import dev.causal4j.kernel.Kernels;

/**
 * Weights of a layer normalisation over D numbers. Thread-safe as long as nobody writes to the arrays.
 *
 * @param gain [D]
 * @param bias [D]
 */
public record LayerNorm(float[] gain, float[] bias) {
    /**
     * Checks that both have one length.
     *
     * @throws IllegalArgumentException if not
     */
    public LayerNorm {
        if (gain.length != bias.length) {
            throw new IllegalArgumentException(
                    "layer norm: expected a bias of " + gain.length + " numbers, got " + bias.length);
        }
    }

    void forward(float epsilon, float[] x, float[] y, int offset) {
        Kernels.layerNorm(x, offset, gain, bias, epsilon, y, offset);
    }

    long parameters() {
        return 2L * gain.length;
    }
}
