package dev.causal4j.decoder;

import dev.causal4j.compute.Compute;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Activation;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.tensor.Gradients;

/**
 * One layer for all tokens: down(act(up x)), or gated: down(act(gate x) · up x).
 *
 * @param up [inner, D], or gate and up packed [2 inner, D]
 * @param down [D, inner]
 */
record DenseLayer(Activation activation, boolean gated, Linear up, Linear down) implements FeedForward {
    @Override
    public void forwardUp(Step step, Tape tape, Activations a) {
        up.forward(a.normed, tape.inner, step.rows()); // [N, inner] or [N, 2 inner]
    }

    @Override
    public void forwardDown(Step step, Tape tape, Activations a) {
        activate(step.compute, step.rows(), tape.inner, 0, a.activated);
        down.forward(a.activated, a.normed, step.rows()); // [N, D]
    }

    @Override
    public void backward(Step step, Tape tape, Activations a, Gradients gradients) {
        activate(step.compute, step.rows(), tape.inner, 0, a.activated);
        down.backward(a.activated, a.dOut, a.dActivated, step.rows(), gradients);
        activateBackward(step.compute, step.rows(), tape.inner, 0, a.dActivated, a.dInner);
        up.backward(a.normed, a.dInner, a.dNormed, step.rows(), gradients);
    }

    @Override
    public DenseLayer each() {
        return this;
    }

    @Override
    public int count() {
        return 1;
    }

    @Override
    public int chosen() {
        return 1;
    }

    /**
     * The activation of some rows.
     *
     * @param inner [.., up], the first of the rows is row {@code first}
     * @param activated [rows, inner]
     */
    void activate(Compute compute, int rows, float[] inner, int first, float[] activated) {
        int width = up.weight().rows();
        int n = gated ? width / 2 : width;
        compute.each(rows, r -> {
            int from = (first + r) * width;
            System.arraycopy(inner, from, activated, r * n, n);
            activation.apply(activated, r * n, n);
            if (gated && activation == Activation.CLAMPED_SWIGLU) {
                for (int i = 0; i < n; i++) {
                    activated[r * n + i] *= Activation.clampedUp(inner[from + n + i]);
                }
            } else if (gated) {
                Kernels.scale(inner, from + n, activated, r * n, n);
            }
        });
    }

    /**
     * Its backward.
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
                Kernels.scale(dActivated, r * n, dInner, from + n, n);
                System.arraycopy(inner, from + n, dInner, from, n);
                if (activation == Activation.CLAMPED_SWIGLU) {
                    for (int i = from; i < from + n; i++) {
                        dInner[i + n] = Activation.isClamped(inner[i + n]) ? 0 : dInner[i + n];
                        dInner[i] = Activation.clampedUp(dInner[i]);
                    }
                }
                Kernels.scale(dActivated, r * n, dInner, from, n);
            } else {
                System.arraycopy(dActivated, r * n, dInner, from, n);
            }
            activation.backward(inner, dInner, from, n);
        });
    }
}
