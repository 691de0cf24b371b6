package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.BlockConfig.MixerConfig.GatedDelta;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.Gradients;
import java.util.Arrays;

/**
 * A gated delta net (Yang et al. 2024): (q, k, v) = silu(conv(in(x))), normed queries and keys, the rule of {@link
 * RecurrentHeads} with decay g = exp(-exp(A) softplus(a + dt)) and rate b = sigmoid(b), then out(norm(y) ∘ silu(z)).
 *
 * @param in queries, keys, values and z [channels + value width, D]
 * @param gates b and a [2 value heads, D]
 * @param decays -exp(A) [value heads]
 * @param steps dt [value heads]
 * @param queryNorm q / |q| / sqrt(keySize)
 * @param keyNorm k / |k|
 * @param norm over a value head
 */
record GatedDeltaNet(
        int layer,
        GatedDelta config,
        RecurrentHeads heads,
        Linear in,
        Linear gates,
        CausalConv conv,
        float[] decays,
        float[] steps,
        Norm queryNorm,
        Norm keyNorm,
        Norm norm,
        Linear out)
        implements Mixer {
    @Override
    public void forward(Step step, Step wanted, Tape tape, Activations a) {
        int channels = config.channels();
        int values = config.valueWidth();
        int width = channels + values;
        int rows = step.rows();
        tape.projected = Activations.atLeast(tape.projected, rows, width);
        tape.gates = Activations.atLeast(tape.gates, rows, 2 * config.valueHeads());
        tape.prepared = Activations.atLeast(tape.prepared, rows, channels);
        tape.mixed = Activations.atLeast(tape.mixed, rows, values);
        Rows inputs = new Rows(tape.projected, 0, width, rows);
        in.forward(a.normed, tape.projected, step.inputs()); // [N, q k v z]
        gates.forward(a.normed, tape.gates, step.inputs()); // [N, b a]
        step.keep(layer, inputs, 0, channels);
        step.keep(layer, Rows.of(tape.gates, 2 * config.valueHeads(), rows), channels, 2 * config.valueHeads());
        conv.forward(step, layer, inputs, Rows.of(tape.prepared, channels, rows));
        float[] active = tape.keeps ? tape.prepared.clone() : tape.prepared;
        float[] gated = tape.keeps ? tape.gates.clone() : tape.gates;
        step.compute.each(rows, row -> {
            Kernels.swish(active, row * channels, channels, 0.5f, 0);
            norm(active, gated, row);
        });
        heads.move(step, layer, active, gated, tape.mixed);
        tape.attended = tape.keeps ? tape.mixed.clone() : tape.attended;
        float[] z = tape.keeps ? tape.projected.clone() : tape.projected;
        step.compute.each(rows, row -> {
            int at = row * width + channels;
            norm.forward(tape.mixed, row * values, values);
            Kernels.swish(z, at, values, 0.5f, 0);
            Kernels.scale(z, at, tape.mixed, row * values, values);
        });
        wanted.choose(tape.mixed, values);
        out.forward(tape.mixed, a.normed, wanted.rows()); // [N, D]
    }

    /** Norms the queries and keys of a row, and makes rates and decays of its gates. */
    private void norm(float[] active, float[] gated, int row) {
        int keys = config.keyHeads() * config.keySize();
        int at = row * config.channels();
        queryNorm.forward(active, at, keys);
        keyNorm.forward(active, at + keys, keys);
        int heads = config.valueHeads();
        int gate = row * 2 * heads;
        Kernels.sigmoid(gated, gate, heads);
        for (int head = 0; head < heads; head++) {
            int decay = gate + heads + head;
            gated[decay] = Kernels.exp(decays[head] * Kernels.softplus(gated[decay] + steps[head]));
        }
    }

    @Override
    public void backward(Step step, Tape tape, Activations a, Gradients gradients) {
        int rows = step.rows();
        int channels = config.channels();
        int values = config.valueWidth();
        int width = channels + values;
        int keys = config.keyHeads() * config.keySize();
        a.dMixed = Activations.atLeast(a.dMixed, rows, values);
        a.dProjected = Activations.atLeast(a.dProjected, rows, width);
        out.backward(tape.mixed, a.dOut, a.dMixed, rows, gradients);
        float[] dSeen = new float[rows * values];
        gateBackward(step, tape, a, dSeen, gradients);

        float[] active = Arrays.copyOf(tape.prepared, rows * channels);
        step.compute.each(rows, row -> Kernels.swish(active, row * channels, channels, 0.5f, 0));
        float[] normed = active.clone();
        float[] gated = Arrays.copyOf(tape.gates, rows * 2 * config.valueHeads());
        step.compute.each(rows, row -> norm(normed, gated, row));
        float[] dNormed = new float[rows * channels];
        float[] dGates = new float[gated.length];
        new RecurrenceBackward(heads, normed, gated, dSeen, dNormed, dGates).run(step);

        float[] dActive = new float[rows * channels];
        step.compute.each(rows, row -> {
            int value = row * channels + 2 * keys;
            System.arraycopy(dNormed, value, dActive, value, values);
        });
        Norm.Heads queryHeads = new Norm.Heads(channels, 0, config.keyHeads());
        queryNorm.backward(step, queryHeads, active, dNormed, dActive, a, gradients);
        Norm.Heads keyHeads = new Norm.Heads(channels, keys, config.keyHeads());
        keyNorm.backward(step, keyHeads, active, dNormed, dActive, a, gradients);
        step.compute.each(
                rows, row -> Kernels.swishBackward(tape.prepared, dActive, row * channels, channels, 0.5f, 0));
        Rows dIn = new Rows(a.dProjected, 0, width, rows);
        conv.backward(step, new Rows(tape.projected, 0, width, rows), Rows.of(dActive, channels, rows), dIn, gradients);
        ratesBackward(rows, tape, gated, dGates, gradients);
        float[] dGated = new float[a.dNormed.length];
        gates.backward(a.normed, dGates, dGated, rows, gradients);
        in.backward(a.normed, a.dProjected, a.dNormed, rows, gradients);
        Kernels.add(dGated, 0, a.dNormed, 0, rows * in.weight().cols());
    }

    /** Writes the gradients of norm(y) ∘ silu(z) by y, to dy, and by z, from {@code a.dMixed}. */
    private void gateBackward(Step step, Tape tape, Activations a, float[] dy, Gradients gradients) {
        int values = config.valueWidth();
        int width = config.channels() + values;
        float[] dNormed = new float[dy.length];
        step.compute.each(step.rows(), row -> {
            int at = row * values;
            int z = row * width + config.channels();
            float[] gate = Arrays.copyOfRange(tape.projected, z, z + values);
            Kernels.swish(gate, 0, values, 0.5f, 0);
            System.arraycopy(a.dMixed, at, dNormed, at, values);
            Kernels.scale(gate, 0, dNormed, at, values);
            System.arraycopy(tape.attended, at, a.dProjected, z, values);
            norm.forward(a.dProjected, z, values);
            Kernels.scale(a.dMixed, at, a.dProjected, z, values);
            Kernels.swishBackward(tape.projected, a.dProjected, z, values, 0.5f, 0);
        });
        Norm.Heads all = new Norm.Heads(values, 0, config.valueHeads());
        norm.backward(step, all, tape.attended, dNormed, dy, a, gradients);
    }

    /**
     * The gradients by rates and decays become those by what they are made of. A decay's is by its logarithm: with ln g
     * = -exp(A) softplus(x) it is ln g · d ln g.
     */
    private void ratesBackward(int rows, Tape tape, float[] gated, float[] dGates, Gradients gradients) {
        int heads = config.valueHeads();
        float[] dDecays = gradients.of(decays);
        float[] dSteps = gradients.of(steps);
        for (int i = 0; i < rows * heads; i++) {
            int head = i % heads;
            int rate = i / heads * 2 * heads + head;
            int decay = rate + heads;
            dGates[rate] *= gated[rate] * (1 - gated[rate]);
            float[] x = {tape.gates[decay] + steps[head]};
            float dLog = dGates[decay] * gated[decay];
            if (dDecays != null) {
                dDecays[head] = Math.fma(dLog, decays[head] * Kernels.softplus(x[0]), dDecays[head]);
            }
            Kernels.sigmoid(x, 0, 1);
            dGates[decay] = dLog * decays[head] * x[0];
            if (dSteps != null) {
                dSteps[head] += dGates[decay];
            }
        }
    }
}
