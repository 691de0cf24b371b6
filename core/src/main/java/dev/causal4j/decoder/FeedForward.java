package dev.causal4j.decoder;

import dev.causal4j.kernel.Kernels;
import dev.causal4j.tensor.Gradients;

/**
 * The layer after attention, applied to each token: down(gelu(up x)).
 *
 * @param up [inner, D]
 * @param down [D, inner]
 */
record FeedForward(Linear up, Linear down) {
    private static final float GELU_SCALE = 0x1.988454p-1f; // sqrt(2 / pi)
    private static final float GELU_CUBE = 0.044715f;

    /** The part that the backward may recompute: up of {@code a.normed}. */
    void forwardUp(Step step, Tape tape, Activations a) {
        up.forward(a.normed, tape.inner, step.rows()); // [N, inner]
    }

    /** The rest, into {@code a.normed}. */
    void forwardDown(Step step, Tape tape, Activations a) {
        activate(step, tape, a);
        down.forward(a.activated(tape), a.normed, step.rows()); // [N, D]
    }

    /** Adds the gradients, and writes {@code a.dNormed} from {@code a.dOut}; {@code a.normed} is what entered. */
    void backward(Step step, Tape tape, Activations a, Gradients gradients) {
        int width = up.weight().rows();
        activate(step, tape, a);
        down.backward(a.activated(tape), a.dOut, a.dInner, step.rows(), gradients);
        step.compute.each(
                step.rows(), r -> Kernels.swishBackward(tape.inner, a.dInner, r * width, width, GELU_SCALE, GELU_CUBE));
        up.backward(a.normed, a.dInner, a.dNormed, step.rows(), gradients);
    }

    private void activate(Step step, Tape tape, Activations a) {
        int width = up.weight().rows();
        float[] activated = a.activated(tape);
        step.compute.each(step.rows(), r -> {
            if (tape.keeps) {
                System.arraycopy(tape.inner, r * width, activated, r * width, width);
            }
            Kernels.swish(activated, r * width, width, GELU_SCALE, GELU_CUBE);
        });
    }
}
