package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.tensor.Gradients;
import dev.causal4j.tensor.Matrix;
import org.jspecify.annotations.Nullable;

/**
 * A linear layer: y = x · Wᵀ + b, to which an adapter may add.
 *
 * @param weight W [out, in]
 * @param bias b [out]
 */
record Linear(Matrix weight, float[] bias, @Nullable LowRank adapter) {
    /** y [N, out] from x [N, in]. */
    void forward(float[] x, float[] y, int rows) {
        forwardFrom(0, x, y, rows);
    }

    /** The outputs from {@code from} on; those before them are undefined afterwards. */
    void forwardFrom(int from, float[] x, float[] y, int rows) {
        Rows in = Rows.of(x, weight.cols(), rows);
        Rows out = Rows.of(y, weight.rows(), rows);
        weight.multiplyFrom(from, in, bias, out);
        if (adapter != null) {
            adapter.forward(in, out);
        }
    }

    /** Adds the gradients by weight and bias, and writes dx [N, in]. */
    void backward(float[] x, float[] dy, float[] dx, int rows, Gradients gradients) {
        Rows in = Rows.of(x, weight.cols(), rows);
        Rows dOut = Rows.of(dy, weight.rows(), rows);
        Rows dIn = Rows.of(dx, weight.cols(), rows);
        gradients.addWeight(weight, dOut, in);
        gradients.addBias(bias, dOut);
        weight.multiplyTransposed(dOut, dIn);
        if (adapter != null) {
            adapter.backward(in, dOut, dIn, gradients);
        }
    }
}
