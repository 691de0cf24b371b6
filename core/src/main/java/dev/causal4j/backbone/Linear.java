package dev.causal4j.backbone;

import dev.causal4j.kernel.Rows;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.Gradients;
import dev.causal4j.tensor.Matrix;
import org.jspecify.annotations.Nullable;

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

    /**
     * Adds the gradients by weight and bias, and writes that by the input.
     *
     * @param x [rows, in]
     * @param dy [rows, out]
     * @param dx [rows, in], or null if it is not wanted
     */
    void backward(float[] x, float[] dy, float @Nullable [] dx, int rows, Gradients gradients) {
        Rows dOut = Rows.of(dy, weight.rows(), rows);
        Gradient dWeight = gradients.of(weight);
        if (dWeight != null) {
            dWeight.add(dOut, Rows.of(x, weight.cols(), rows));
        }
        gradients.addBias(bias, dOut);
        if (dx != null) {
            weight.multiplyTransposed(dOut, Rows.of(dx, weight.cols(), rows));
        }
    }

    boolean trained(Gradients gradients) {
        return gradients.of(weight) != null || gradients.of(bias) != null;
    }
}
