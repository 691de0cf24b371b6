package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.Gradients;
import java.util.Arrays;

/**
 * The input of a layer's own, added after the block's two layers (Gemma 4): x += norm(projection(act(gate x) · e)),
 * with e this layer's part of {@link PerLayerInputs}.
 *
 * @param layer the number of the layer
 * @param stride L p, numbers of all layers
 * @param gate [p, D]
 * @param projection [D, p]
 */
record PerLayer(int layer, int stride, ActivationFunction activation, Linear gate, Linear projection, Norm norm) {
    private int width() {
        return gate.weight().rows();
    }

    /** Adds to {@code a.hidden}. */
    void forward(Step step, Tape tape, Activations a) {
        int d = gate.weight().cols();
        tape.beforePerLayer =
                tape.keeps ? Activations.copied(a.hidden, tape.beforePerLayer, step.rows(), d) : tape.beforePerLayer;
        tape.perLayerGate = Activations.atLeast(tape.perLayerGate, step.rows(), width());
        gate.forward(a.hidden, tape.perLayerGate, step.rows()); // 1: g = x Gᵀ    [N, p]
        projection.forward(gated(step, tape, a), a.normed, step.rows()); // 2: h = act(g) ∘ e    3: y = h Pᵀ    [N, D]
        tape.perLayerOut =
                tape.keeps ? Activations.copied(a.normed, tape.perLayerOut, step.rows(), d) : tape.perLayerOut;
        norm.forward(step, a.normed, a.normed); // 4: y = norm(y)
        Kernels.add(a.normed, 0, a.hidden, 0, step.rows() * d); // 5: x += y
    }

    /** 2: act(gate) · e, [N, p]. */
    private float[] gated(Step step, Tape tape, Activations a) {
        a.activated = Activations.copied(tape.perLayerGate, a.activated, step.rows(), width());
        step.compute.each(step.rows(), row -> {
            activation.apply(a.activated, row * width(), width());
            Kernels.scale(a.perLayer, own(row), a.activated, row * width(), width());
        });
        return a.activated;
    }

    /** The index at which this layer's numbers begin in a row of all layers' numbers. */
    private int own(int row) {
        return row * stride + layer * width();
    }

    /** Adds the gradients by the parameters, by the layer's own input and by the stream. */
    void backward(Step step, float[] dx, Tape tape, Activations a, Gradients gradients) {
        int rows = step.rows();
        int p = width();
        int d = gate.weight().cols();
        Arrays.fill(a.dOut, 0, rows * d, 0f);
        norm.backward(step, tape.perLayerOut, dx, a.dOut, a, gradients); // 5: dy = dx    4: dy
        a.dActivated = Activations.atLeast(a.dActivated, rows, p);
        projection.backward(gated(step, tape, a), a.dOut, a.dActivated, rows, gradients); // 3: dh = dy P
        System.arraycopy(tape.perLayerGate, 0, a.activated, 0, rows * p);
        step.compute.each(rows, row -> {
            int at = row * p;
            activation.apply(a.activated, at, p);
            Kernels.scale(a.dActivated, at, a.activated, at, p);
            Kernels.add(a.activated, at, a.dPerLayer, own(row), p); // 2: de += dh ∘ act(g)
            Kernels.scale(a.perLayer, own(row), a.dActivated, at, p);
            activation.backward(tape.perLayerGate, a.dActivated, at, p); // 2: dg = dh ∘ e ∘ act'(g)
        });
        // 1: dx += dg G
        gate.backward(
                Rows.of(tape.beforePerLayer, d, rows),
                Rows.of(a.dActivated, p, rows),
                Rows.of(a.dNormed, d, rows),
                gradients);
        Kernels.add(a.dNormed, 0, dx, 0, rows * d);
    }
}
