package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.BlockConfig.MixerConfig.GatedDelta;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.Gradients;
import java.util.Arrays;

/**
 * A gated delta net (Yang et al. 2024): (q, k, v) = silu(conv(in(x))), normed queries and keys, the rule of {@link
 * RecurrentHeads} with decay g = exp(-exp(A) softplus(a + dt)) and rate b = sigmoid(b), then out(norm(y) ∘ silu(z)).
 * Comments number the steps of the forward; a line of the backward has the number of the step that it undoes.
 *
 * @param in queries, keys, values and z [channels + value width, D]
 * @param gates b and a [2 value heads, D]
 * @param decays -exp(A) [value heads]
 * @param steps dt [value heads]
 * @param queryNorm q / |q| / sqrt(keySize)
 * @param keyNorm k / |k|
 * @param norm the norm over a value head
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
        in.forward(a.normed, tape.projected, step.inputs()); // 1: q k v z = x Wᵀ    [N, width]
        gates.forward(a.normed, tape.gates, step.inputs()); // 2: b a = x Gᵀ    [N, 2 value heads]
        step.keep(layer, inputs, 0, channels);
        step.keep(layer, Rows.of(tape.gates, 2 * config.valueHeads(), rows), channels, 2 * config.valueHeads());
        conv.forward(step, layer, inputs, Rows.of(tape.prepared, channels, rows)); // 3: q k v = conv(q k v)
        float[] active = tape.keeps ? tape.prepared.clone() : tape.prepared;
        float[] gated = tape.keeps ? tape.gates.clone() : tape.gates;
        step.compute.each(rows, row -> {
            Kernels.swish(active, row * channels, channels, 0.5f, 0); // 4: q k v = silu(q k v)
            norm(active, gated, row); // 5: q, k    6: b, g
        });
        heads.move(step, layer, active, gated, tape.mixed); // 7: y = Sᵀ q    [N, values]
        tape.attended = tape.keeps ? tape.mixed.clone() : tape.attended;
        float[] z = tape.keeps ? tape.projected.clone() : tape.projected;
        step.compute.each(rows, row -> {
            int at = row * width + channels;
            norm.forward(tape.mixed, row * values, values); // 8: y = norm(y)
            Kernels.swish(z, at, values, 0.5f, 0);
            Kernels.scale(z, at, tape.mixed, row * values, values); // 9: y = y ∘ silu(z)
        });
        wanted.choose(tape.mixed, values);
        out.forward(tape.mixed, a.normed, wanted.rows()); // 10: y Oᵀ    [N, D]
    }

    /** Norms the queries and keys of a row, and turns its gates into rates and decays. */
    private void norm(float[] active, float[] gated, int row) {
        int keys = config.keyHeads() * config.keySize();
        int at = row * config.channels();
        queryNorm.forward(active, at, keys); // 5: q = q / |q| / sqrt(keySize)
        keyNorm.forward(active, at + keys, keys); // 5: k = k / |k|
        int heads = config.valueHeads();
        int gate = row * 2 * heads;
        Kernels.sigmoid(gated, gate, heads); // 6: b = sigmoid(b)
        for (int head = 0; head < heads; head++) {
            int decay = gate + heads + head; // 6: g = exp(-exp(A) softplus(a + dt))
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
        out.backward(tape.mixed, a.dOut, a.dMixed, rows, gradients); // 10: dy
        float[] dSeen = new float[rows * values];
        gateBackward(step, tape, a, dSeen, gradients); // 9: dz, dy    8: dy

        float[] active = Arrays.copyOf(tape.prepared, rows * channels);
        step.compute.each(rows, row -> Kernels.swish(active, row * channels, channels, 0.5f, 0)); // 4, 5 and 6 again
        float[] normed = active.clone();
        float[] gated = Arrays.copyOf(tape.gates, rows * 2 * config.valueHeads());
        step.compute.each(rows, row -> norm(normed, gated, row));
        float[] dNormed = new float[rows * channels];
        float[] dGates = new float[gated.length];
        new RecurrenceBackward(heads, normed, gated, dSeen, dNormed, dGates).run(step); // 7: dq dk dv, db dg
        ratesBackward(rows, tape, gated, dGates, gradients); // 6: db da

        float[] dActive = new float[rows * channels];
        step.compute.each(rows, row -> {
            int value = row * channels + 2 * keys;
            System.arraycopy(dNormed, value, dActive, value, values);
        });
        Norm.Heads queryHeads = new Norm.Heads(channels, 0, config.keyHeads());
        queryNorm.backward(step, queryHeads, active, dNormed, dActive, a, gradients); // 5: dq
        Norm.Heads keyHeads = new Norm.Heads(channels, keys, config.keyHeads());
        keyNorm.backward(step, keyHeads, active, dNormed, dActive, a, gradients); // 5: dk
        step.compute.each( // 4: dq dk dv = silu'(q k v) ∘ dq dk dv
                rows, row -> Kernels.swishBackward(tape.prepared, dActive, row * channels, channels, 0.5f, 0));
        Rows dIn = new Rows(a.dProjected, 0, width, rows);
        // 3: dq dk dv
        conv.backward(step, new Rows(tape.projected, 0, width, rows), Rows.of(dActive, channels, rows), dIn, gradients);
        float[] dGated = new float[a.dNormed.length];
        gates.backward(a.normed, dGates, dGated, rows, gradients); // 2: dx = d(b a) G
        in.backward(a.normed, a.dProjected, a.dNormed, rows, gradients); // 1: dx = d(q k v z) W
        Kernels.add(dGated, 0, a.dNormed, 0, rows * in.weight().cols()); // the sum of both
    }

    /** 9, 8: writes the gradients of norm(y) ∘ silu(z) by y, to dy, and by z, from {@code a.dMixed}. */
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
            Kernels.scale(gate, 0, dNormed, at, values); // 9: dy = dy ∘ silu(z)
            System.arraycopy(tape.attended, at, a.dProjected, z, values);
            norm.forward(a.dProjected, z, values);
            Kernels.scale(a.dMixed, at, a.dProjected, z, values);
            // 9: dz = dy ∘ norm(y) ∘ silu'(z)
            Kernels.swishBackward(tape.projected, a.dProjected, z, values, 0.5f, 0);
        });
        Norm.Heads all = new Norm.Heads(values, 0, config.valueHeads());
        norm.backward(step, all, tape.attended, dNormed, dy, a, gradients); // 8: dy, dGain
    }

    /**
     * 6: the gradients by rates and decays become the gradients by the gates. Since ln g = -exp(A) softplus(x), dA +=
     * ln g · d ln g.
     */
    private void ratesBackward(int rows, Tape tape, float[] gated, float[] dGates, Gradients gradients) {
        int heads = config.valueHeads();
        float[] dDecays = gradients.of(decays);
        float[] dSteps = gradients.of(steps);
        for (int i = 0; i < rows * heads; i++) {
            int head = i % heads;
            int rate = i / heads * 2 * heads + head;
            int decay = rate + heads;
            dGates[rate] *= gated[rate] * (1 - gated[rate]); // db = db b (1 - b)
            float[] x = {tape.gates[decay] + steps[head]};
            float dLog = dGates[decay] * gated[decay]; // d ln g = dg g
            if (dDecays != null) {
                dDecays[head] = Math.fma(dLog, decays[head] * Kernels.softplus(x[0]), dDecays[head]);
            }
            Kernels.sigmoid(x, 0, 1);
            dGates[decay] = dLog * decays[head] * x[0]; // da = -exp(A) sigmoid(x) d ln g
            if (dSteps != null) {
                dSteps[head] += dGates[decay];
            }
        }
    }
}
