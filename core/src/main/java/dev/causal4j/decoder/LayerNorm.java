package dev.causal4j.decoder;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.kernel.Panels;
import dev.causal4j.tensor.Gradients;

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

    /**
     * Adds the gradients by gain, bias and input.
     *
     * @param x [rows, D]
     * @param dy [rows, D]
     * @param dx [rows, D], added to
     * @param moments scratch [rows, 2]
     */
    void backward(float epsilon, float[] x, float[] dy, float[] dx, int rows, float[] moments, Gradients gradients) {
        int d = gain.length;
        Compute.shared().each(rows, r -> Kernels.layerNormBackward(x, dy, dx, r * d, gain, epsilon, moments, 2 * r));
        gradients.addBias(bias, Rows.of(dy, d, rows));
        float[] dGain = gradients.of(gain);
        if (dGain == null) {
            return;
        }
        Compute.shared().run(Panels.needed(d), task -> {
            int from = task * Panels.WIDTH;
            int to = Math.min(d, from + Panels.WIDTH);
            for (int r = 0; r < rows; r++) {
                float mean = moments[2 * r];
                float scale = moments[2 * r + 1];
                for (int i = from; i < to; i++) {
                    dGain[i] = Math.fma(dy[r * d + i], (x[r * d + i] - mean) * scale, dGain[i]);
                }
            }
        });
    }

    boolean trained(Gradients gradients) {
        return gradients.of(gain) != null || gradients.of(bias) != null;
    }
}
