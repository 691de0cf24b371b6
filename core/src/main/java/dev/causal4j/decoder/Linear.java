package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.tensor.Gradients;
import dev.causal4j.tensor.Matrix;
import org.jspecify.annotations.Nullable;

/**
 * A linear layer, y = x · Wᵀ + b, perhaps with an adapter that adds to y.
 *
 * @param weight W [out, in]
 * @param bias b [out], or null
 */
record Linear(
        Matrix weight, float @Nullable [] bias, @Nullable LowRank adapter) {
    /** y [N, out] from x [N, in]. */
    void forward(float[] x, float[] y, int rows) {
        forward(Rows.of(x, weight.cols(), rows), Rows.of(y, weight.rows(), rows));
    }

    /** y [N, out] from x [N, in], for rows of any stride. */
    void forward(Rows x, Rows y) {
        weight.multiply(x, bias, y); // 1: y = x Wᵀ + b
        if (adapter != null) {
            adapter.forward(x, y); // 2: y += scale (x Aᵀ) Bᵀ
        }
    }

    /** Adds the gradients by weight and bias, and writes dx [N, in]. */
    void backward(float[] x, float[] dy, float[] dx, int rows, Gradients gradients) {
        Rows in = Rows.of(x, weight.cols(), rows);
        backward(in, Rows.of(dy, weight.rows(), rows), Rows.of(dx, weight.cols(), rows), gradients);
    }

    /** Adds the gradients by weight and bias, and writes dx, for rows of any stride. */
    void backward(Rows x, Rows dy, Rows dx, Gradients gradients) {
        if (bias != null) {
            gradients.addBias(bias, dy); // 1: db += Σ dy
        }
        gradients.addWeight(weight, dy, x); // 1: dW += dyᵀ x
        weight.multiplyTransposed(dy, dx); // 1: dx = dy W
        if (adapter != null) {
            adapter.backward(x, dy, dx, gradients); // 2: dx += .., after 1 has written dx
        }
    }
}
