package dev.causal4j.backbone;

import dev.causal4j.kernel.Rows;
import dev.causal4j.tensor.Matrix;

/**
 * A linear layer: y = x · Wᵀ + b. Thread-safe as long as nobody writes to the bias.
 *
 * @param weight W [out, in]
 * @param bias b [out]
 */
public record Linear(Matrix weight, float[] bias) {
    /**
     * Checks the shapes.
     *
     * @throws IllegalArgumentException if there is not one bias for each output
     */
    public Linear {
        if (bias.length != weight.rows()) {
            throw new IllegalArgumentException(
                    "linear: expected a bias of " + weight.rows() + " numbers, got " + bias.length);
        }
    }

    void forward(float[] x, float[] y, int rows) {
        weight.multiply(Rows.of(x, weight.cols(), rows), bias, Rows.of(y, weight.rows(), rows));
    }

    long parameters() {
        return weight.parameters() + bias.length;
    }
}
