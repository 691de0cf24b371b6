package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.Gradients;
import dev.causal4j.tensor.Matrix;

/**
 * A low-rank addition to a linear layer, y += scale · x · downᵀ · upᵀ, that can be trained while the layer is frozen
 * (Hu et al. 2021, "LoRA"). Immutable and thread-safe.
 *
 * @param down A [rank, in]
 * @param up B [out, rank]
 * @param scale alpha / rank
 */
public record LowRank(Matrix down, Matrix up, float scale) {
    /** @throws IllegalArgumentException if the ranks of the two differ */
    public LowRank {
        if (down.rows() != up.cols()) {
            throw new IllegalArgumentException(
                    "low rank: expected two matrices of one rank, got " + down.rows() + " and " + up.cols());
        }
    }

    /** The number of elements. */
    public long parameters() {
        return down.parameters() + up.parameters();
    }

    void forward(Rows x, Rows y) {
        Rows added = rows(up.rows(), x.count());
        up.multiply(lowered(x), null, added); // 1: l = x Aᵀ    2: u = l Bᵀ
        up.device().compute().each(x.count(), r -> {
            for (int i = 0; i < up.rows(); i++) {
                int at = y.start(r) + i;
                // 3: y += scale u
                y.data()[at] = Math.fma(scale, added.data()[added.start(r) + i], y.data()[at]);
            }
        });
    }

    /** Adds the gradients by both matrices, and the gradient by the input to {@code dx}. */
    void backward(Rows x, Rows dy, Rows dx, Gradients gradients) {
        Rows scaled = rows(up.rows(), dy.count());
        up.device().compute().each(dy.count(), r -> {
            for (int i = 0; i < up.rows(); i++) {
                scaled.data()[scaled.start(r) + i] = scale * dy.data()[dy.start(r) + i]; // 3: du = scale dy
            }
        });
        gradients.addWeight(up, scaled, lowered(x)); // 2: dB += duᵀ l
        Rows dLow = rows(down.rows(), dy.count());
        up.multiplyTransposed(scaled, dLow); // 2: dl = du B
        gradients.addWeight(down, dLow, x); // 1: dA += dlᵀ x
        Rows added = rows(down.cols(), dy.count());
        down.multiplyTransposed(dLow, added); // 1: dx += dl A
        up.device()
                .compute()
                .each(dy.count(), r -> Kernels.add(added.data(), added.start(r), dx.data(), dx.start(r), down.cols()));
    }

    private Rows lowered(Rows x) {
        Rows low = rows(down.rows(), x.count());
        down.multiply(x, null, low);
        return low;
    }

    private static Rows rows(int width, int count) {
        return Rows.of(new float[Math.multiplyExact(width, count)], width, count);
    }

    /** The merged weight, weight + scale · up · down, computed in f32. Thread-safe. */
    public Matrix.Source merged(Matrix.Source weight) {
        Rows ups = rows(up.cols(), up.rows());
        for (int n = 0; n < up.rows(); n++) {
            up.row(n, ups.data(), ups.start(n));
        }
        Rows added = rows(down.cols(), up.rows());
        down.multiplyTransposed(ups, added);
        return (n, row) -> {
            weight.row(n, row);
            for (int k = 0; k < row.length; k++) {
                row[k] = Math.fma(scale, added.data()[added.start(n) + k], row[k]);
            }
        };
    }
}
