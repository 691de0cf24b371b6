package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.BlockConfig.MixerConfig.StateSpace;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.Gradients;

/**
 * A state space layer, Mamba 2 (Dao and Gu 2024): with (z, u, dt) = in(x) and (x, B, C) = silu(conv(u)), each head
 * moves S = exp(A dt) S + B (dt x)ᵀ, dt = softplus(dt + bias) within limits, and y = Sᵀ C + D x; then out(norm(y ∘
 * silu(z))). Comments number the steps of the forward; a line of the backward has the number of the step that it
 * undoes.
 *
 * @param in z, u and dt [2 width + 2 groups · depth + heads, D]
 * @param decays A, all below zero [heads]
 * @param steps bias of dt [heads]
 * @param skips D [heads]
 * @param norm the norm over all heads
 */
record Mamba2(
        int layer,
        StateSpace config,
        RecurrentHeads heads,
        Linear in,
        CausalConv conv,
        float[] decays,
        float[] steps,
        float[] skips,
        Norm norm,
        Linear out)
        implements Mixer {
    @Override
    public void forward(Step step, Step wanted, Tape tape, Activations a) {
        int width = heads.valueWidth();
        int channels = heads.width();
        int rows = step.rows();
        tape.projected = Activations.atLeast(tape.projected, rows, projected());
        tape.gates = Activations.atLeast(tape.gates, rows, 2 * config.heads());
        tape.prepared = Activations.atLeast(tape.prepared, rows, channels);
        tape.mixed = Activations.atLeast(tape.mixed, rows, width);
        in.forward(a.normed, tape.projected, step.inputs()); // 1: z u dt = x Wᵀ    [N, projected]
        step.keep(layer, inputs(tape.projected, rows), 0, channels + config.heads()); // u dt
        // 2: x B C = conv(u)    [N, channels]
        conv.forward(step, layer, inputs(tape.projected, rows), Rows.of(tape.prepared, channels, rows));
        float[] active = tape.keeps ? tape.prepared.clone() : tape.prepared;
        step.compute.each(rows, row -> {
            Kernels.swish(active, row * channels, channels, 0.5f, 0); // 3: x B C = silu(x B C)
            gates(tape.projected, tape.gates, row); // 4: dt, g
        });
        heads.move(step, layer, active, tape.gates, tape.mixed); // 5: y = Sᵀ C    [N, width]
        float[] y = tape.mixed;
        step.compute.each(rows, row -> skip(active, y, row)); // 6: y += D x
        tape.attended = tape.keeps ? y.clone() : tape.attended;
        float[] z = tape.keeps ? tape.projected.clone() : tape.projected;
        step.compute.each(rows, row -> {
            Kernels.swish(z, row * projected(), width, 0.5f, 0);
            Kernels.scale(z, row * projected(), y, row * width, width); // 7: y = y ∘ silu(z)
            norm.forward(y, row * width, width); // 8: y = norm(y)
        });
        wanted.choose(y, width);
        out.forward(y, a.normed, wanted.rows()); // 9: y Oᵀ    [N, D]
    }

    /** Numbers of a row of projections. */
    private int projected() {
        return heads.valueWidth() + heads.width() + config.heads();
    }

    /** The inputs of the convolution. */
    private Rows inputs(float[] projected, int rows) {
        return new Rows(projected, heads.valueWidth(), projected(), rows);
    }

    /** The index at which dt begins in a row of projections. */
    private int times(int row) {
        return (row + 1) * projected() - config.heads();
    }

    /** 4: dt = softplus(dt + bias) within limits, and the decays g = exp(A dt). */
    private void gates(float[] projected, float[] gates, int row) {
        int rate = row * 2 * config.heads();
        for (int head = 0; head < config.heads(); head++) {
            float said = Kernels.softplus(projected[times(row) + head] + steps[head]);
            float time = Math.min(Math.max(said, config.shortest()), config.longest());
            gates[rate + head] = time;
            gates[rate + config.heads() + head] = Kernels.exp(decays[head] * time);
        }
    }

    /** 6: adds D x to a row, one rounding each. */
    private void skip(float[] active, float[] y, int row) {
        int n = heads.valueSize();
        for (int head = 0; head < config.heads(); head++) {
            int from = row * heads.width() + head * n;
            int to = row * heads.valueWidth() + head * n;
            for (int i = 0; i < n; i++) {
                y[to + i] = Math.fma(skips[head], active[from + i], y[to + i]);
            }
        }
    }

    @Override
    public void backward(Step step, Tape tape, Activations a, Gradients gradients) {
        int rows = step.rows();
        int channels = heads.width();
        a.dMixed = Activations.atLeast(a.dMixed, rows, heads.valueWidth());
        a.dProjected = Activations.atLeast(a.dProjected, rows, projected());
        out.backward(tape.mixed, a.dOut, a.dMixed, rows, gradients); // 9: dy
        float[] dy = new float[rows * heads.valueWidth()];
        gateBackward(step, tape, a, dy, gradients); // 8: dy    7: dz, dy

        float[] active = tape.prepared.clone();
        step.compute.each(rows, row -> Kernels.swish(active, row * channels, channels, 0.5f, 0)); // 3 again
        float[] dActive = new float[rows * channels];
        float[] dGates = new float[rows * 2 * config.heads()];
        new RecurrenceBackward(heads, active, tape.gates, dy, dActive, dGates).run(step); // 5: dC dB dx, d(dt) dg
        skipsBackward(rows, active, dy, dActive, gradients); // 6: dx, to which it adds, so after 5
        gatesBackward(rows, tape, a, dGates, gradients); // 4: d(dt)
        step.compute.each( // 3: dx dB dC = silu'(x B C) ∘ dx dB dC
                rows, row -> Kernels.swishBackward(tape.prepared, dActive, row * channels, channels, 0.5f, 0));
        Rows dInputs = inputs(a.dProjected, rows);
        // 2: du
        conv.backward(step, inputs(tape.projected, rows), Rows.of(dActive, channels, rows), dInputs, gradients);
        in.backward(a.normed, a.dProjected, a.dNormed, rows, gradients); // 1: dx = d(z u dt) W
    }

    /** 8, 7: writes the gradients of norm(y ∘ silu(z)) by y, to dy, and by z, from {@code a.dMixed}. */
    private void gateBackward(Step step, Tape tape, Activations a, float[] dy, Gradients gradients) {
        int width = heads.valueWidth();
        float[] gates = new float[dy.length];
        step.compute.each(step.rows(), row -> {
            System.arraycopy(tape.projected, row * projected(), gates, row * width, width);
            Kernels.swish(gates, row * width, width, 0.5f, 0);
        });
        float[] product = gates.clone();
        Kernels.scale(tape.attended, 0, product, 0, product.length);
        norm.backward(step, product, a.dMixed, dy, a, gradients); // 8: dy, dGain
        step.compute.each(step.rows(), row -> {
            int z = row * projected();
            System.arraycopy(dy, row * width, a.dProjected, z, width);
            Kernels.scale(tape.attended, row * width, a.dProjected, z, width);
            Kernels.swishBackward(tape.projected, a.dProjected, z, width, 0.5f, 0); // 7: dz = dy ∘ y ∘ silu'(z)
            Kernels.scale(gates, row * width, dy, row * width, width); // 7: dy = dy ∘ silu(z)
        });
    }

    /** 6: dD = ⟨dy, x⟩, dx += D dy. */
    private void skipsBackward(int rows, float[] active, float[] dy, float[] dActive, Gradients gradients) {
        int n = heads.valueSize();
        float[] dSkips = gradients.of(skips);
        for (int i = 0; i < rows * config.heads(); i++) {
            int head = i % config.heads();
            int x = i / config.heads() * heads.width() + head * n;
            float sum = 0;
            for (int k = 0; k < n; k++) {
                sum = Math.fma(dy[i * n + k], active[x + k], sum);
                dActive[x + k] = Math.fma(skips[head], dy[i * n + k], dActive[x + k]);
            }
            if (dSkips != null) {
                dSkips[head] += sum;
            }
        }
    }

    /** 4: A has its gradient by ln(-A), which is A dt d(ln g). A step at a limit has no gradient. */
    private void gatesBackward(int rows, Tape tape, Activations a, float[] dGates, Gradients gradients) {
        int count = config.heads();
        float[] dDecays = gradients.of(decays);
        float[] dSteps = gradients.of(steps);
        for (int row = 0; row < rows; row++) {
            for (int head = 0; head < count; head++) {
                int rate = row * 2 * count + head;
                float time = tape.gates[rate];
                float dLog = dGates[rate + count] * tape.gates[rate + count] * decays[head]; // by dt: dg g A
                float[] x = {tape.projected[times(row) + head] + steps[head]};
                float free = Kernels.softplus(x[0]) == time ? 1 : 0;
                Kernels.sigmoid(x, 0, 1);
                float dStep = free * (dGates[rate] + dLog) * x[0]; // softplus' is the sigmoid
                a.dProjected[times(row) + head] = dStep;
                if (dDecays != null) {
                    dDecays[head] = Math.fma(dLog, time, dDecays[head]);
                }
                if (dSteps != null) {
                    dSteps[head] += dStep;
                }
            }
        }
    }
}
