package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.Gradients;
import dev.causal4j.tensor.Matrix;
import org.jspecify.annotations.Nullable;

/**
 * A linear layer: y = x · Wᵀ + b, to which an adapter may add. Thread-safe as long as nobody writes to the bias.
 *
 * @param weight W [out, in]
 * @param bias b [out]
 * @param adapter what is added to the layer, or null
 */
public record Linear(Matrix weight, float[] bias, @Nullable LowRank adapter) {
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
        if (adapter != null
                && (adapter.up().rows() != weight.rows() || adapter.down().cols() != weight.cols())) {
            throw new IllegalArgumentException("linear: expected an adapter of [" + weight.rows() + ", " + weight.cols()
                    + "], got [" + adapter.up().rows() + ", " + adapter.down().cols() + "]");
        }
    }

    /** A layer without an adapter. */
    public Linear(Matrix weight, float[] bias) {
        this(weight, bias, null);
    }

    /** The same function without an adapter: the weights, in f32, are the sum of both. */
    public Linear merged() {
        return adapter == null ? this : new Linear(adapter.merged(weight), bias);
    }

    void forward(float[] x, float[] y, int rows) {
        forwardFrom(0, x, y, rows);
    }

    /** The outputs from {@code from} on; what is before them in y means nothing afterwards. */
    void forwardFrom(int from, float[] x, float[] y, int rows) {
        Rows in = Rows.of(x, weight.cols(), rows);
        Rows out = Rows.of(y, weight.rows(), rows);
        weight.multiplyFrom(from, in, bias, out);
        if (adapter != null) {
            adapter.forward(in, out);
        }
    }

    /**
     * Adds the gradients by weight and bias, and writes that by the input.
     *
     * @param x [rows, in]
     * @param dy [rows, out]
     * @param dx [rows, in], or null if it is not wanted
     */
    void backward(float[] x, float[] dy, float @Nullable [] dx, int rows, Gradients gradients) {
        Rows in = Rows.of(x, weight.cols(), rows);
        Rows dOut = Rows.of(dy, weight.rows(), rows);
        Rows dIn = dx == null ? null : Rows.of(dx, weight.cols(), rows);
        Gradient dWeight = gradients.of(weight);
        if (dWeight != null) {
            dWeight.add(dOut, in);
        }
        gradients.addBias(bias, dOut);
        if (dIn != null) {
            weight.multiplyTransposed(dOut, dIn);
        }
        if (adapter != null) {
            adapter.backward(in, dOut, dIn, gradients);
        }
    }

    boolean trained(Gradients gradients) {
        return gradients.of(weight) != null
                || gradients.of(bias) != null
                || (adapter != null && adapter.trained(gradients));
    }
}
