package dev.causal4j.decoder;

import dev.causal4j.kernel.Kernels;
import dev.causal4j.tensor.Gradients;
import java.util.Arrays;

/**
 * A dense layer and experts side by side (Gemma 4): norm(dense(h)) + norm(experts(norm(x))), with h the normed stream x. The
 * router reads norm(x) / sqrt(D), by a norm of its own.
 */
record ExpertsBeside(DenseLayer dense, Norm denseOut, Experts experts, Norm routerIn, Norm expertsIn, Norm expertsOut)
        implements FeedForward {
    private int hiddenSize() {
        return routerIn.gain().length;
    }

    @Override
    public void forwardUp(Step step, Tape tape, Activations a) {
        dense.forwardUp(step, tape, a);
        tape.routed = Activations.atLeast(tape.routed, step.rows(), hiddenSize());
        routerIn.forward(step, a.hidden, tape.routed);
        scale(step, tape.routed);
        experts.route(step, tape.routed, tape.beside());
        expertsIn.forward(step, a.hidden, a.normed);
        experts.up(step, tape.beside(), a);
    }

    /** The router's inputs are divided by sqrt(D). */
    private void scale(Step step, float[] x) {
        float factor = (float) (1 / Math.sqrt(hiddenSize()));
        for (int i = 0; i < step.rows() * hiddenSize(); i++) {
            x[i] *= factor;
        }
    }

    @Override
    public void forwardDown(Step step, Tape tape, Activations a) {
        dense.forwardDown(step, tape, a);
        out(step, denseOut, tape, a);
        a.beside = Activations.copied(a.normed, a.beside, step.rows(), hiddenSize());
        experts.forwardDown(step, tape.beside(), a);
        out(step, expertsOut, tape.beside(), a);
        Kernels.add(a.beside, 0, a.normed, 0, step.rows() * hiddenSize());
    }

    /** Norms the output of one of both; the backward reads it as it was. */
    private void out(Step step, Norm norm, Tape tape, Activations a) {
        if (tape.keeps) {
            tape.sideOut = Activations.copied(a.normed, tape.sideOut, step.rows(), hiddenSize());
        }
        norm.forward(step, a.normed, a.normed);
    }

    @Override
    public void backward(Step step, float[] dx, Tape tape, Activations a, Gradients gradients) {
        int n = step.rows() * hiddenSize();
        float[] dSum = Arrays.copyOf(a.dOut, n);
        Tape beside = tape.beside();
        outBackward(step, expertsOut, beside, dSum, a, gradients);
        float[] normed = Arrays.copyOf(a.normed, n);
        expertsIn.forward(step, tape.middle, a.normed);
        float[] dRouted = experts.backwardFrom(step, tape.routed, beside, a, gradients);
        scale(step, dRouted);
        expertsIn.backward(step, tape.middle, a.dNormed, dx, a, gradients);
        routerIn.backward(step, tape.middle, dRouted, dx, a, gradients);

        System.arraycopy(normed, 0, a.normed, 0, n);
        outBackward(step, denseOut, tape, dSum, a, gradients);
        dense.backward(step, dx, tape, a, gradients);
    }

    /** {@code a.dOut} becomes the gradient by the norm's input. */
    private static void outBackward(Step step, Norm norm, Tape tape, float[] dSum, Activations a, Gradients gradients) {
        Arrays.fill(a.dOut, 0, dSum.length, 0f);
        norm.backward(step, tape.sideOut, dSum, a.dOut, a, gradients);
    }
}
