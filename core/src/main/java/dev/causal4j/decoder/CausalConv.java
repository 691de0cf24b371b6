package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.Gradients;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A convolution over positions, separate for each channel: y_t = b + sum over j of w_j ∘ x_(t - K + 1 + j). It is one
 * chain of fused multiply-adds from zero, the oldest input first; then the bias is added. Inputs before the first
 * position are zeros.
 *
 * <p>The last K - 1 inputs of a sequence are the first numbers of its layer's state, [K - 1, channels].
 *
 * @param weight w [K, channels]
 * @param bias b [channels], or null
 * @param kernel K
 */
record CausalConv(float[] weight, float @Nullable [] bias, int kernel) {
    int channels() {
        return weight.length / kernel;
    }

    /**
     * Computes y from x, each with all rows of a step, and moves the states of the sequences past these rows.
     *
     * @param y as many rows as x
     */
    void forward(Step step, int layer, Rows x, Rows y) {
        int n = channels();
        int before = kernel - 1;
        float[] earlier = new float[step.parts.size() * before * n]; // [parts, K - 1, channels]
        for (int p = 0; p < step.parts.size(); p++) {
            Step.Part part = step.parts.get(p);
            MemorySegment state = part.cache().state().of(layer);
            MemorySegment.copy(state, Panels.FLOAT, 0, earlier, p * before * n, before * n);
            for (int i = 0; i < before; i++) {
                int t = part.count() - before + i;
                float[] from = t < 0 ? earlier : x.data();
                int at = t < 0 ? (p * before + part.count() + i) * n : x.start(part.first() + t);
                MemorySegment.copy(from, at, state, Panels.FLOAT, 4L * i * n, n);
            }
        }
        step.compute.each(step.rows(), row -> {
            int t = row - step.parts.get(step.part(row)).first();
            int to = y.start(row);
            Arrays.fill(y.data(), to, to + n, 0f);
            for (int j = 0; j < kernel; j++) {
                boolean isEarlier = t + j < before;
                float[] from = isEarlier ? earlier : x.data();
                int at = isEarlier ? (step.part(row) * before + t + j) * n : x.start(row - before + j);
                Kernels.multiplyAdd(weight, j * n, from, at, y.data(), to, n);
            }
            if (bias != null) {
                Kernels.add(bias, 0, y.data(), to, n); // 2: y_t += b
            }
        });
    }

    /** Adds the gradients by weight and bias, and writes dx; sequences begin in the step. */
    void backward(Step step, Rows x, Rows dy, Rows dx, Gradients gradients) {
        int n = channels();
        if (bias != null) {
            gradients.addBias(bias, dy); // 2: db += Σ dy_t
        }
        step.compute.each(step.rows(), row -> {
            Step.Part part = step.parts.get(step.part(row));
            int to = dx.start(row);
            Arrays.fill(dx.data(), to, to + n, 0f);
            // 1: dx_t = Σ w_(K - 1 - i) dy_(t + i)
            for (int i = 0; i < Math.min(kernel, part.first() + part.count() - row); i++) {
                Kernels.multiplyAdd(weight, (kernel - 1 - i) * n, dy.data(), dy.start(row + i), dx.data(), to, n);
            }
        });
        float[] dWeight = gradients.of(weight);
        if (dWeight != null) {
            step.compute.run(Panels.needed(n), task -> {
                int from = task * Panels.WIDTH;
                addWeight(step, x, dy, dWeight, from, Math.min(Panels.WIDTH, n - from));
            });
        }
    }

    /** 1: dw_(K - 1 - i) += Σ dy_t x_(t - i), for some channels; each number is one chain over the rows. */
    private void addWeight(Step step, Rows x, Rows dy, float[] dWeight, int from, int count) {
        for (int row = 0; row < step.rows(); row++) {
            int t = row - step.parts.get(step.part(row)).first();
            for (int i = 0; i < Math.min(kernel, t + 1); i++) {
                int to = (kernel - 1 - i) * channels() + from;
                int at = dy.start(row) + from;
                Kernels.multiplyAdd(dy.data(), at, x.data(), x.start(row - i) + from, dWeight, to, count);
            }
        }
    }
}
