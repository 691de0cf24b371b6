package dev.causal4j.decoder;

import static dev.causal4j.decoder.ParameterSpec.NO_LAYER;

import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Experts;
import dev.causal4j.decoder.BlockConfig.NormConfig;
import dev.causal4j.decoder.ParameterSpec.Initialization;
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
     * Its parameters, in the order of the forward. Weights begin from N(0, 0.02²), those of projections back into the
     * residual stream from N(0, 0.02² / (2 layers)), biases with 0, gains with 1 (Radford et al. 2019).
     */
    public List<ParameterSpec> specs() {
        List<ParameterSpec> specs = new ArrayList<>();
        double residual = DEVIATION / Math.sqrt(2.0 * blocks.size());
        if (learnedPositions) {
            specs.add(matrix("positions", Role.POSITIONS, NO_LAYER, contextLength, hiddenSize, DEVIATION));
        }
        for (int layer = 0; layer < blocks.size(); layer++) {
            BlockConfig block = blocks.get(layer);
            String name = "layers." + layer + ".";
            AttentionConfig a = block.attention();
            int out = (a.heads() + 2 * a.kvHeads()) * a.headSize();
            addNorm(specs, name + "attention_norm", layer, block.norm());
            addLinear(specs, name + "qkv", Role.QUERY_KEY_VALUE, layer, out, hiddenSize, DEVIATION, a.qkvBias());
            int heads = a.heads() * a.headSize();
            addLinear(
                    specs, name + "attention_out", Role.ATTENTION_OUT, layer, hiddenSize, heads, residual, a.outBias());
            addNorm(specs, name + "feed_forward_norm", layer, block.norm());
            switch (block.feedForward()) {
                case Dense f -> {
                    int up = f.gated() ? 2 * f.innerSize() : f.innerSize();
                    addLinear(specs, name + "up", Role.UP, layer, up, hiddenSize, DEVIATION, f.bias());
                    addLinear(specs, name + "down", Role.DOWN, layer, hiddenSize, f.innerSize(), residual, f.bias());
                }
                case Experts _ -> throw new IllegalArgumentException("feed-forward: expected dense, got experts");
            }
        }
        addNorm(specs, "norm", NO_LAYER, lastNorm);
        return specs;
    }

    private static ParameterSpec matrix(String name, Role role, int layer, int rows, int cols, double deviation) {
        return new ParameterSpec(name + ".weight", role, layer, rows, cols, new Initialization.Normal(deviation));
    }

    private static void addLinear(
            List<ParameterSpec> specs,
            String name,
            Role role,
            int layer,
            int rows,
            int cols,
            double deviation,
            boolean bias) {
        specs.add(matrix(name, role, layer, rows, cols, deviation));
        if (bias) {
            specs.add(new ParameterSpec(name + ".bias", Role.BIAS, layer, rows, 1, new Initialization.Constant(0)));
        }
    }

    private void addNorm(List<ParameterSpec> specs, String name, int layer, NormConfig norm) {
        specs.add(new ParameterSpec(name + ".weight", Role.GAIN, layer, hiddenSize, 1, new Initialization.Constant(1)));
        if (norm.bias()) {
            specs.add(
                    new ParameterSpec(name + ".bias", Role.BIAS, layer, hiddenSize, 1, new Initialization.Constant(0)));
        }
    }
}
