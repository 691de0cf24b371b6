package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.Gradients;

/**
 * A short convolution between gates (LFM 2, Liquid AI 2025): with (B, C, u) = in(x), out(C ∘ conv(B ∘ u)).
 *
 * @param in [3 D, D]
 * @param out [D, D]
 */
record ShortConvolution(int layer, Linear in, CausalConv conv, Linear out) implements Mixer {
    @Override
    public void forward(Step step, Step wanted, Tape tape, Activations a) {
        int d = conv.channels();
        tape.projected = Activations.atLeast(tape.projected, step.rows(), 3 * d);
        tape.prepared = Activations.atLeast(tape.prepared, step.rows(), 2 * d);
        tape.mixed = Activations.atLeast(tape.mixed, step.rows(), d);
        in.forward(a.normed, tape.projected, step.inputs()); // 1: B C u = x Wᵀ    [N, 3 D]
        step.compute.each(step.inputs(), row -> {
            System.arraycopy(tape.projected, row * 3 * d, tape.prepared, row * 2 * d, d);
            Kernels.scale(tape.projected, row * 3 * d + 2 * d, tape.prepared, row * 2 * d, d); // 2: v = B ∘ u
        });
        step.keep(layer, half(tape.prepared, 0, step), 0, d);
        conv.forward(step, layer, half(tape.prepared, 0, step), half(tape.prepared, d, step)); // 3: c = conv(v)
        step.compute.each(step.rows(), row -> {
            System.arraycopy(tape.prepared, row * 2 * d + d, tape.mixed, row * d, d);
            Kernels.scale(tape.projected, row * 3 * d + d, tape.mixed, row * d, d); // 4: y = C ∘ c
        });
        wanted.choose(tape.mixed, d);
        out.forward(tape.mixed, a.normed, wanted.rows()); // 5: y Oᵀ    [N, D]
    }

    /** The inputs of the convolution, or its outputs, which follow them in a row, [N, D]. */
    private Rows half(float[] prepared, int offset, Step step) {
        return new Rows(prepared, offset, 2 * conv.channels(), step.rows());
    }

    @Override
    public void backward(Step step, Tape tape, Activations a, Gradients gradients) {
        int d = conv.channels();
        a.dMixed = Activations.atLeast(a.dMixed, step.rows(), d);
        a.dPrepared = Activations.atLeast(a.dPrepared, step.rows(), 2 * d);
        a.dProjected = Activations.atLeast(a.dProjected, step.rows(), 3 * d);
        out.backward(tape.mixed, a.dOut, a.dMixed, step.rows(), gradients); // 5: dy
        step.compute.each(step.rows(), row -> {
            int at = row * 3 * d + d; // C
            System.arraycopy(a.dMixed, row * d, a.dProjected, at, d);
            Kernels.scale(tape.prepared, row * 2 * d + d, a.dProjected, at, d); // 4: dC = dy ∘ c
            System.arraycopy(a.dMixed, row * d, a.dPrepared, row * 2 * d + d, d);
            Kernels.scale(tape.projected, at, a.dPrepared, row * 2 * d + d, d); // 4: dc = dy ∘ C
        });
        Rows dIn = half(a.dPrepared, 0, step);
        // 3: dv
        conv.backward(step, half(tape.prepared, 0, step), half(a.dPrepared, d, step), dIn, gradients);
        step.compute.each(step.rows(), row -> {
            int b = row * 3 * d;
            int u = b + 2 * d;
            System.arraycopy(dIn.data(), dIn.start(row), a.dProjected, b, d);
            Kernels.scale(tape.projected, u, a.dProjected, b, d); // 2: dB = dv ∘ u
            System.arraycopy(dIn.data(), dIn.start(row), a.dProjected, u, d);
            Kernels.scale(tape.projected, b, a.dProjected, u, d); // 2: du = dv ∘ B
        });
        in.backward(a.normed, a.dProjected, a.dNormed, step.rows(), gradients); // 1: dx = d(B C u) W
    }
}
