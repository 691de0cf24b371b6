package dev.causal4j.decoder;

import dev.causal4j.kernel.NormRule;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.Gradients;
import java.util.function.IntUnaryOperator;

/**
 * A norm over rows, forward and backward: y = h ∘ gain + bias with h = (x - m) s.
 *
 * @param rule the formula; its bias is all zeros and untrained if the norm has no bias
 */
record Norm(NormRule rule) {
    /** The gain [D]. */
    float[] gain() {
        return rule.gain();
    }

    /** The bias [D]. */
    float[] bias() {
        return rule.bias();
    }

    /** y = norm(x), each [N, D]; both may be the same. */
    void forward(Step step, float[] x, float[] y) {
        int d = gain().length;
        step.compute.each(step.rows(), r -> Kernels.norm(rule, x, r * d, y, r * d));
    }

    /** Norms {@code n} numbers in place, D at a time. */
    void forward(float[] x, int offset, int n) {
        for (int i = offset; i < offset + n; i += gain().length) {
            Kernels.norm(rule, x, i, x, i);
        }
    }

    /** Adds the gradients by gain, bias and x; dx [N, D]. */
    void backward(Step step, float[] x, float[] dy, float[] dx, Activations a, Gradients gradients) {
        backward(step, new Heads(gain().length, 0, 1), x, dy, dx, a, gradients);
    }

    /**
     * Neighbouring heads of each row, each with a norm of its own.
     *
     * @param width numbers of a row
     * @param offset the index at which the first head begins
     */
    record Heads(int width, int offset, int count) {}

    /** Adds the gradients of heads of rows; x, dy and dx [N, width]. */
    void backward(Step step, Heads heads, float[] x, float[] dy, float[] dx, Activations a, Gradients gradients) {
        int rows = step.rows() * heads.count;
        IntUnaryOperator start = i -> i / heads.count * heads.width + heads.offset + i % heads.count * gain().length;
        float[] moments = a.moments(rows); // two numbers a row
        // dx += (g - mean g - h mean(g h)) s, with g = dy gain and h = (x - m) s
        step.compute.each(rows, r -> Kernels.normBackward(rule, x, dy, dx, start.applyAsInt(r), moments, 2 * r));
        float[] dGain = gradients.of(gain());
        float[] dBias = gradients.of(bias());
        if (dGain == null && dBias == null) {
            return;
        }
        step.compute.run(Panels.needed(gain().length), task -> {
            int from = task * Panels.WIDTH;
            int to = Math.min(gain().length, from + Panels.WIDTH);
            for (int r = 0; r < rows; r++) {
                int at = start.applyAsInt(r);
                float mean = moments[2 * r];
                float scale = moments[2 * r + 1];
                for (int i = from; dGain != null && i < to; i++) {
                    dGain[i] = Math.fma(dy[at + i], (x[at + i] - mean) * scale, dGain[i]); // += Σ dy h
                }
                for (int i = from; dBias != null && i < to; i++) {
                    dBias[i] += dy[at + i]; // += Σ dy
                }
            }
        });
    }
}
