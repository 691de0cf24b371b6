package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.tensor.Gradients;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Experts and a layer for all tokens: experts(x) + shared(x), or experts(x) + sigmoid(gate x) shared(x).
 *
 * @param gate [1, D], or null
 */
record SharedExperts(
        Experts experts, DenseLayer shared, @Nullable Linear gate) implements FeedForward {
    @Override
    public void forwardUp(Step step, Tape tape, Activations a) {
        Tape beside = tape.beside();
        experts.forwardUp(step, tape, a);
        shared.forwardUp(step, beside, a);
        if (gate != null) {
            beside.router = Activations.atLeast(beside.router, step.rows(), 1);
            gate.forward(a.normed, beside.router, step.rows()); // [N, 1]
            Kernels.sigmoid(beside.router, 0, step.rows());
        }
    }

    @Override
    public void forwardDown(Step step, Tape tape, Activations a) {
        int d = shared.down().weight().rows();
        Rows results = shared(step, tape.beside(), a);
        experts.forwardDown(step, tape, a);
        step.compute.each(step.rows(), row -> {
            float factor = gate == null ? 1 : tape.beside().router[row];
            for (int i = row * d; i < (row + 1) * d; i++) {
                a.normed[i] = Math.fma(factor, results.data()[i], a.normed[i]);
            }
        });
    }

    /** The results of the layer for all, [N, D]. */
    private Rows shared(Step step, Tape beside, Activations a) {
        int d = shared.down().weight().rows();
        a.beside = Activations.atLeast(a.beside, step.rows(), d);
        Rows results = Rows.of(a.beside, d, step.rows());
        shared.down().forward(shared.activate(step, step.rows(), beside, 0, a), results);
        return results;
    }

    @Override
    public void backward(Step step, float[] dx, Tape tape, Activations a, Gradients gradients) {
        Tape beside = tape.beside();
        int d = shared.down().weight().rows();
        int size = step.rows() * d;
        float[] dOut = a.dOut;
        experts.backward(step, dx, tape, a, gradients);
        float[] dIn = Arrays.copyOf(a.dNormed, size);
        a.dOut = Arrays.copyOf(dOut, size);
        float[] dGate = new float[step.rows()];
        if (gate != null) {
            gateBackward(step, beside, a, dGate);
        }
        shared.backward(step, dx, beside, a, gradients);
        Kernels.add(a.dNormed, 0, dIn, 0, size);
        if (gate != null) {
            gate.backward(a.normed, dGate, a.dNormed, step.rows(), gradients);
            Kernels.add(a.dNormed, 0, dIn, 0, size);
        }
        System.arraycopy(dIn, 0, a.dNormed, 0, size);
        a.dOut = dOut;
    }

    /** The gradients by the gate's logits, and {@code a.dOut} that by the shared layer's output. */
    private void gateBackward(Step step, Tape beside, Activations a, float[] dGate) {
        int d = shared.down().weight().rows();
        float[] results = shared(step, beside, a).data();
        step.compute.each(step.rows(), row -> {
            float s = beside.router[row];
            float sum = 0;
            for (int i = row * d; i < (row + 1) * d; i++) {
                sum = Math.fma(a.dOut[i], results[i], sum);
                a.dOut[i] *= s;
            }
            dGate[row] = sum * s * (1 - s);
        });
    }
}
