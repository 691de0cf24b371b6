package dev.causal4j.decoder;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.Gradients;

/**
 * A feed-forward layer for all tokens: down(act(up x)), or gated: down(act(gate x) · up x).
 *
 * @param up [inner, D], or gate and up packed [2 inner, D]
 * @param down [D, inner]
 */
record DenseLayer(ActivationFunction activation, boolean gated, Linear up, Linear down) implements FeedForward {
    @Override
    public void forwardUp(Step step, Tape tape, Activations a) {
        tape.inner = Activations.atLeast(tape.inner, step.rows(), up.weight().rows());
        up.forward(a.normed, tape.inner, step.rows()); // 1: g u = x Upᵀ    [N, 2 inner], or [N, inner]
    }

    @Override
    public void forwardDown(Step step, Tape tape, Activations a) {
        Rows activated = activate(step, step.rows(), tape, 0, a); // 2, 3: h = act(g) ∘ u    [N, inner]
        down.forward(activated, Rows.of(a.normed, down.weight().rows(), step.rows())); // 4: y = h Downᵀ    [N, D]
    }

    @Override
    public void backward(Step step, float[] dx, Tape tape, Activations a, Gradients gradients) {
        activate(step, step.rows(), tape, 0, a); // 2, 3 again
        a.dActivated =
                Activations.atLeast(a.dActivated, step.rows(), down.weight().cols());
        a.dInner = Activations.atLeast(a.dInner, step.rows(), up.weight().rows());
        down.backward(a.activated, a.dOut, a.dActivated, step.rows(), gradients); // 4: dh = dy Down
        activateBackward(step.compute, step.rows(), tape.inner, 0, a.dActivated, a.dInner); // 3, 2: dg du
        up.backward(a.normed, a.dInner, a.dNormed, step.rows(), gradients); // 1: dx = d(g u) Up
    }

    /**
     * Activates some rows, in place unless a backward will read them.
     *
     * @param first the first row in {@code tape.inner} [.., up]
     * @return [rows, inner]
     */
    Rows activate(Step step, int rows, Tape tape, int first, Activations a) {
        int width = up.weight().rows();
        int n = gated ? width / 2 : width;
        float[] inner = tape.inner;
        a.activated = Activations.atLeast(a.activated, tape.keeps ? rows : 0, n);
        Rows activated = tape.keeps ? Rows.of(a.activated, n, rows) : new Rows(inner, first * width, width, rows);
        float[] x = activated.data();
        step.compute.each(rows, r -> {
            int from = (first + r) * width;
            int to = activated.start(r);
            if (tape.keeps) {
                System.arraycopy(inner, from, x, to, n);
            }
            activation.apply(x, to, n);
            if (gated && activation == ActivationFunction.CLAMPED_SWIGLU) {
                for (int i = 0; i < n; i++) {
                    x[to + i] *= ActivationFunction.clampedUp(inner[from + n + i]);
                }
            } else if (gated) {
                Kernels.scale(inner, from + n, x, to, n); // 3: h = h ∘ u
            }
        });
        return activated;
    }

    /**
     * The backward of {@link #activate}.
     *
     * @param dActivated [rows, inner]
     * @param dInner [.., up], written
     */
    void activateBackward(Compute compute, int rows, float[] inner, int first, float[] dActivated, float[] dInner) {
        int width = up.weight().rows();
        int n = gated ? width / 2 : width;
        compute.each(rows, r -> {
            int from = (first + r) * width;
            if (gated) {
                System.arraycopy(inner, from, dInner, from + n, n);
                activation.apply(dInner, from + n, n);
                Kernels.scale(dActivated, r * n, dInner, from + n, n); // 3: du = dh ∘ act(g)
                System.arraycopy(inner, from + n, dInner, from, n);
                if (activation == ActivationFunction.CLAMPED_SWIGLU) {
                    for (int i = from; i < from + n; i++) {
                        dInner[i + n] = ActivationFunction.isClamped(inner[i + n]) ? 0 : dInner[i + n];
                        dInner[i] = ActivationFunction.clampedUp(dInner[i]);
                    }
                }
                Kernels.scale(dActivated, r * n, dInner, from, n); // 3: dg = dh ∘ u
            } else {
                System.arraycopy(dActivated, r * n, dInner, from, n);
            }
            activation.backward(inner, dInner, from, n); // 2: dg = dg ∘ act'(g)
        });
    }
}
