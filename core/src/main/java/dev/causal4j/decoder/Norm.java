package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.kernel.Panels;
import dev.causal4j.tensor.Gradients;

/**
 * A layer norm over D numbers: y = (x - mean) / sqrt(variance + epsilon) · gain + bias.
 *
 * @param gain [D]
 * @param bias [D]
 */
record Norm(float[] gain, float[] bias, float epsilon) {
    /** y = norm(x), each [N, D]; both may be the same. */
    void forward(Step step, float[] x, float[] y) {
        int d = gain.length;
        step.compute.each(step.rows(), r -> Kernels.norm(x, r * d, gain, bias, epsilon, true, y, r * d));
    }

    /** Adds the gradients by gain, bias and x; dx [N, D]. */
    void backward(Step step, float[] x, float[] dy, float[] dx, float[] moments, Gradients gradients) {
        int d = gain.length;
        int rows = step.rows();
        step.compute.each(rows, r -> Kernels.normBackward(x, dy, dx, r * d, gain, epsilon, true, moments, 2 * r));
        gradients.addBias(bias, Rows.of(dy, d, rows));
        float[] dGain = gradients.of(gain);
        if (dGain == null) {
            return;
        }
        step.compute.run(Panels.needed(d), task -> {
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
}
