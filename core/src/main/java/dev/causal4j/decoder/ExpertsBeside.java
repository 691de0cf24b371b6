package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.Gradients;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Experts beside a dense layer for all tokens. The sum is experts(h) + dense(h), with h the normed stream x; or
 * experts(h) + sigmoid(gate h) dense(h) (Qwen 3.5); or norm(experts(norm(x))) + norm(dense(h)), with a router that
 * reads norm(x) / sqrt(D) (Gemma 4).
 *
 * @param gate [1, D], or null
 * @param norms the norms of Gemma 4, or null
 */
record ExpertsBeside(
        Experts experts,
        DenseLayer dense,
        @Nullable Linear gate,
        @Nullable Norms norms) implements FeedForward {
    /** The norms before router and experts, and after experts and dense layer. */
    record Norms(Norm routerIn, Norm expertsIn, Norm expertsOut, Norm denseOut) {}

    private int hiddenSize() {
        return dense.down().weight().rows();
    }

    @Override
    public void forwardUp(Step step, Tape tape, Activations a) {
        dense.forwardUp(step, tape, a);
        if (gate != null) {
            tape.router = Activations.atLeast(tape.router, step.rows(), 1);
            gate.forward(a.normed, tape.router, step.rows()); // [N, 1]
            Kernels.sigmoid(tape.router, 0, step.rows());
        }
        if (norms == null) {
            experts.forwardUp(step, tape.beside(), a);
            return;
        }
        tape.routed = Activations.atLeast(tape.routed, step.rows(), hiddenSize());
        norms.routerIn.forward(step, a.hidden, tape.routed);
        scale(step, tape.routed);
        experts.route(step, tape.routed, tape.beside());
        norms.expertsIn.forward(step, a.hidden, a.normed);
        experts.up(step, tape.beside(), a);
    }

    /** Divides the router's inputs by sqrt(D). */
    private void scale(Step step, float[] x) {
        Activations.scale(x, step.rows() * hiddenSize(), (float) (1 / Math.sqrt(hiddenSize())));
    }

    @Override
    public void forwardDown(Step step, Tape tape, Activations a) {
        int d = hiddenSize();
        dense.forwardDown(step, tape, a);
        out(step, norms == null ? null : norms.denseOut, tape, a);
        a.beside = Activations.copied(a.normed, a.beside, step.rows(), d);
        experts.forwardDown(step, tape.beside(), a);
        out(step, norms == null ? null : norms.expertsOut, tape.beside(), a);
        step.compute.each(step.rows(), row -> {
            float factor = gate == null ? 1 : tape.router[row];
            for (int i = row * d; i < (row + 1) * d; i++) {
                a.normed[i] = Math.fma(factor, a.beside[i], a.normed[i]);
            }
        });
    }

    /** Norms the output of experts or dense layer; keeps the output before the norm for the backward. */
    private void out(Step step, @Nullable Norm norm, Tape tape, Activations a) {
        if (norm != null) {
            tape.sideOut =
                    tape.keeps ? Activations.copied(a.normed, tape.sideOut, step.rows(), hiddenSize()) : tape.sideOut;
            norm.forward(step, a.normed, a.normed);
        }
    }

    @Override
    public void backward(Step step, float[] dx, Tape tape, Activations a, Gradients gradients) {
        int n = step.rows() * hiddenSize();
        if (norms != null) {
            float[] dSum = Arrays.copyOf(a.dOut, n);
            float[] normed = Arrays.copyOf(a.normed, n);
            expertsBackward(step, norms, dSum, dx, tape, a, gradients);
            System.arraycopy(normed, 0, a.normed, 0, n);
            outBackward(step, norms.denseOut, tape, dSum, a, gradients);
            dense.backward(step, dx, tape, a, gradients);
            return;
        }
        experts.backward(step, dx, tape.beside(), a, gradients);
        float[] dIn = Arrays.copyOf(a.dNormed, n);
        float[] dGate = gate == null ? new float[0] : gateBackward(step, tape, a);
        dense.backward(step, dx, tape, a, gradients);
        Kernels.add(dIn, 0, a.dNormed, 0, n);
        if (gate != null) {
            gate.backward(a.normed, dGate, dIn, step.rows(), gradients);
            Kernels.add(dIn, 0, a.dNormed, 0, n);
        }
    }

    /**
     * The backward of experts and their norms. Adds the gradient by the stream, which the norms read, to {@code dx}.
     */
    private void expertsBackward(
            Step step, Norms own, float[] dSum, float[] dx, Tape tape, Activations a, Gradients gradients) {
        outBackward(step, own.expertsOut, tape.beside(), dSum, a, gradients);
        own.expertsIn.forward(step, tape.afterMixer, a.normed);
        float[] dRouted = experts.backwardFrom(step, tape.routed, tape.beside(), a, gradients);
        scale(step, dRouted);
        own.expertsIn.backward(step, tape.afterMixer, a.dNormed, dx, a, gradients);
        own.routerIn.backward(step, tape.afterMixer, dRouted, dx, a, gradients);
    }

    /** {@code a.dOut} becomes the gradient by the norm's input. */
    private static void outBackward(Step step, Norm norm, Tape tape, float[] dSum, Activations a, Gradients gradients) {
        Arrays.fill(a.dOut, 0, dSum.length, 0f);
        norm.backward(step, tape.sideOut, dSum, a.dOut, a, gradients);
    }

    /** The gradients by the gate's logits; {@code a.dOut} becomes the gradient by the dense layer's output. */
    private float[] gateBackward(Step step, Tape tape, Activations a) {
        int d = hiddenSize();
        a.beside = Activations.atLeast(a.beside, step.rows(), d);
        Rows activated = dense.activate(step, step.rows(), tape, 0, a);
        dense.down().forward(activated, Rows.of(a.beside, d, step.rows()));
        float[] dGate = new float[step.rows()];
        step.compute.each(step.rows(), row -> {
            float s = tape.router[row];
            float sum = 0;
            for (int i = row * d; i < (row + 1) * d; i++) {
                sum = Math.fma(a.dOut[i], a.beside[i], sum); // ds = dy · dense
                a.dOut[i] *= s; // d dense = s dy
            }
            dGate[row] = sum * s * (1 - s); // by the gate's logit
        });
        return dGate;
    }
}
