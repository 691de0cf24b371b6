package dev.causal4j.decoder;

import static dev.causal4j.decoder.ParameterSpec.NO_LAYER;

import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.NormConfig;
import dev.causal4j.decoder.ParameterSpec.Role;
import java.util.ArrayList;
import java.util.List;

/**
 * The shape of a decoder, resolved for each block at load. Families differ only in these values. Immutable.
 *
 * @param hiddenSize D
 * @param contextLength positions at most
 * @param embeddingScale factor of embedded tokens
 * @param learnedPositions whether a table of positions is added to them
 * @param lastNorm the norm after the last block
 */
public record DecoderConfig(
        int hiddenSize,
        int contextLength,
        float embeddingScale,
        boolean learnedPositions,
        NormConfig lastNorm,
        List<BlockConfig> blocks) {
    private static final double DEVIATION = 0.02;

    public DecoderConfig {
        blocks = List.copyOf(blocks);
    }

    /**
     * Refuses, with both values, what the layers do not implement: they are those of GPT-2.
     *
     * @throws IllegalArgumentException naming the layer, or the knob outside of the layers
     */
    void check() {
        check("embedding scale", 1f, embeddingScale);
        check("learned positions", true, learnedPositions);
        check("last norm", lastNorm.implemented(), lastNorm);
        for (int layer = 0; layer < blocks.size(); layer++) {
            check("layer " + layer, blocks.get(layer).implemented(), blocks.get(layer));
        }
    }

    private static void check(String knob, Object implemented, Object asked) {
        if (!implemented.equals(asked)) {
            throw new IllegalArgumentException("decoder, " + knob + ": expected " + implemented + ", got " + asked
                    + "; this version cannot compute that");
        }
    }

    /**
     * Its parameters, in the order of the forward. Weights begin from N(0, 0.02²), those of projections back into the
     * residual stream from N(0, 0.02² / (2 layers)), biases with 0, gains with 1 (Radford et al. 2019).
     */
    public List<ParameterSpec> specs() {
        List<ParameterSpec> specs = new ArrayList<>();
        double residual = DEVIATION / Math.sqrt(2.0 * blocks.size());
        Table outside = new Table(specs, "", NO_LAYER);
        if (learnedPositions) {
            outside.add("positions", Role.POSITIONS, contextLength, hiddenSize, DEVIATION, false);
        }
        for (int layer = 0; layer < blocks.size(); layer++) {
            BlockConfig block = blocks.get(layer);
            AttentionConfig a = block.attention();
            Dense f = (Dense) block.feedForward();
            int out = (a.heads() + 2 * a.kvHeads()) * a.headSize();
            int up = f.gated() ? 2 * f.innerSize() : f.innerSize();
            Table table = new Table(specs, "layers." + layer + ".", layer);
            table.addNorm("attention_norm", hiddenSize, block.norm());
            table.add("qkv", Role.QUERY_KEY_VALUE, out, hiddenSize, DEVIATION, a.qkvBias());
            table.add("attention_out", Role.ATTENTION_OUT, hiddenSize, a.heads() * a.headSize(), residual, a.outBias());
            table.addNorm("feed_forward_norm", hiddenSize, block.norm());
            table.add("up", Role.UP, up, hiddenSize, DEVIATION, f.bias());
            table.add("down", Role.DOWN, hiddenSize, f.innerSize(), residual, f.bias());
        }
        outside.addNorm("norm", hiddenSize, lastNorm);
        return specs;
    }

    /** Takes the parameters of a layer, or of none. */
    private record Table(List<ParameterSpec> specs, String prefix, int layer) {
        void add(String module, Role role, int rows, int cols, double deviation, boolean bias) {
            specs.add(new ParameterSpec(prefix + module + ".weight", role, layer, rows, cols, deviation));
            if (bias) {
                specs.add(new ParameterSpec(prefix + module + ".bias", Role.BIAS, layer, rows, 1, 0));
            }
        }

        void addNorm(String module, int size, NormConfig norm) {
            add(module, Role.GAIN, size, 1, 0, norm.bias());
        }
    }
}
