package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.tensor.Gradients;
import dev.causal4j.tensor.Matrix;
import org.jspecify.annotations.Nullable;

/**
 * A linear layer: y = x · Wᵀ + b, to which an adapter may add.
 *
 * @param weight W [out, in]
 * @param bias b [out], or null
 */
record Linear(
        Matrix weight, float @Nullable [] bias, @Nullable LowRank adapter) {
    /** y [N, out] from x [N, in]. */
    void forward(float[] x, float[] y, int rows) {
        forwardFrom(0, x, y, rows);
    }

    /** The same for rows anywhere. */
    void forward(Rows x, Rows y) {
        forwardFrom(0, x, bias, y);
    }

    /** The outputs from {@code from} on; those before them are undefined afterwards. */
    void forwardFrom(int from, float[] x, float[] y, int rows) {
        forwardFrom(from, Rows.of(x, weight.cols(), rows), bias, Rows.of(y, weight.rows(), rows));
    }

    private void forwardFrom(int from, Rows x, float @Nullable [] added, Rows y) {
        weight.multiplyFrom(from, x, added, y);
        if (adapter != null) {
            adapter.forward(x, y);
        }
    }

    /** The same with the bias of each row multiplied by its factor. */
    void forward(Rows x, Rows y, float[] factors) {
        forwardFrom(0, x, null, y);
        for (int r = 0; r < y.count() && bias != null; r++) {
            for (int i = 0; i < bias.length; i++) {
                y.data()[y.start(r) + i] = Math.fma(factors[r], bias[i], y.data()[y.start(r) + i]);
            }
        }
    }

    /** Adds the gradients by weight and bias, and writes dx [N, in]. */
    void backward(float[] x, float[] dy, float[] dx, int rows, Gradients gradients) {
        Rows in = Rows.of(x, weight.cols(), rows);
        backward(in, Rows.of(dy, weight.rows(), rows), Rows.of(dx, weight.cols(), rows), gradients);
    }

    /** The same for rows anywhere. */
    void backward(Rows x, Rows dy, Rows dx, Gradients gradients) {
        if (bias != null) {
            gradients.addBias(bias, dy);
        }
        backwardWithoutBias(x, dy, dx, gradients);
    }

    /** The backward of the forward with factors of the bias. */
    void backward(float[] x, float[] dy, float[] dx, int rows, float[] factors, Gradients gradients) {
        float[] dBias = bias == null ? null : gradients.of(bias);
        for (int r = 0; r < rows && dBias != null; r++) {
            for (int i = 0; i < dBias.length; i++) {
                dBias[i] = Math.fma(factors[r], dy[r * dBias.length + i], dBias[i]);
            }
        }
        Rows in = Rows.of(x, weight.cols(), rows);
        backwardWithoutBias(in, Rows.of(dy, weight.rows(), rows), Rows.of(dx, weight.cols(), rows), gradients);
    }

    private void backwardWithoutBias(Rows x, Rows dy, Rows dx, Gradients gradients) {
        gradients.addWeight(weight, dy, x);
        weight.multiplyTransposed(dy, dx);
        if (adapter != null) {
            adapter.backward(x, dy, dx, gradients);
        }
    }

    /** The sum of row r of dy times the bias. */
    float biasProduct(Rows dy, int r) {
        float sum = 0;
        for (int i = 0; bias != null && i < bias.length; i++) {
            sum = Math.fma(dy.data()[dy.start(r) + i], bias[i], sum);
        }
        return sum;
    }
}
