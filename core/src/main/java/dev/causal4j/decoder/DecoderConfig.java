package dev.causal4j.decoder;

import static dev.causal4j.decoder.ParameterSpec.NO_LAYER;

import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Experts;
import dev.causal4j.decoder.BlockConfig.NormConfig;
import dev.causal4j.decoder.BlockConfig.NormPlaces;
import dev.causal4j.decoder.ParameterSpec.Role;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * The shape of a decoder, resolved for each block at load. Families differ only in these values. Immutable.
 *
 * @param hiddenSize D
 * @param contextLength positions at most
 * @param embeddingScale factor of embedded tokens
 * @param learnedPositions whether a table of positions is added to them
 * @param lastNorm the norm after the last block
 * @param hiddenScale factor of hidden vectors before the head: 1 / what logits are divided by
 */
public record DecoderConfig(
        int hiddenSize,
        int contextLength,
        float embeddingScale,
        boolean learnedPositions,
        NormConfig lastNorm,
        float hiddenScale,
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
        Table outside = new Table(specs, "", NO_LAYER, ParameterSpec.NO_EXPERT);
        if (learnedPositions) {
            outside.add("positions", Role.POSITIONS, contextLength, hiddenSize, DEVIATION, false);
        }
        for (int layer = 0; layer < blocks.size(); layer++) {
            addBlock(new Table(specs, "layers." + layer + ".", layer, ParameterSpec.NO_EXPERT), blocks.get(layer));
        }
        outside.addNorm("norm", hiddenSize, lastNorm);
        return specs;
    }

    private void addBlock(Table table, BlockConfig block) {
        AttentionConfig a = block.attention();
        int keys = a.kvHeads() * a.headSize();
        int queries = a.heads() * a.headSize();
        boolean before = block.norms() != NormPlaces.AFTER;
        boolean after = block.norms() != NormPlaces.BEFORE;
        boolean norms = a.queryKeyNorm() != QueryKeyNorm.NONE;
        boolean all = a.queryKeyNorm() == QueryKeyNorm.ALL;
        table.addNorm("attention_norm", before ? hiddenSize : 0, block.norm());
        table.add("qkv", Role.QUERY_KEY_VALUE, queries + 2 * keys, hiddenSize, DEVIATION, a.qkvBias());
        table.addNorm("query_norm", norms ? all ? queries : a.headSize() : 0, block.norm());
        table.addNorm("key_norm", norms ? all ? keys : a.headSize() : 0, block.norm());
        if (a.sinks()) {
            table.add("sinks", Role.SINK, a.heads(), 1, 0, false);
        }
        table.add("attention_out", Role.ATTENTION_OUT, hiddenSize, queries, residual(), a.outBias());
        table.addNorm("attention_out_norm", after ? hiddenSize : 0, block.norm());
        table.addNorm("feed_forward_norm", before ? hiddenSize : 0, block.norm());
        switch (block.feedForward()) {
            case Dense dense -> addDense(table, dense);
            case Experts experts -> {
                table.add("router", Role.ROUTER, experts.count(), hiddenSize, DEVIATION, experts.routerBias());
                for (int expert = 0; expert < experts.count(); expert++) {
                    String prefix = table.prefix + "experts." + expert + ".";
                    addDense(new Table(table.specs, prefix, table.layer, expert), experts.each());
                }
            }
        }
        table.addNorm("feed_forward_out_norm", after ? hiddenSize : 0, block.norm());
    }

    private void addDense(Table table, Dense dense) {
        int up = dense.gated() ? 2 * dense.innerSize() : dense.innerSize();
        table.add("up", Role.UP, up, hiddenSize, DEVIATION, dense.bias());
        table.add("down", Role.DOWN, hiddenSize, dense.innerSize(), residual(), dense.bias());
    }

    /** The frequencies of all rotary positions in a sequence of this length: equal ones give equal keys. */
    public List<List<Double>> rotations(int length) {
        return blocks.stream()
                .map(block -> block.attention().rope())
                .filter(Objects::nonNull)
                .distinct()
                .map(rope -> rope.frequencies(length))
                .toList();
    }

    private double residual() {
        return DEVIATION / Math.sqrt(2.0 * blocks.size());
    }

    /** Takes the parameters of an expert, a layer, or none. */
    private record Table(List<ParameterSpec> specs, String prefix, int layer, int expert) {
        void add(String module, Role role, int rows, int cols, double deviation, boolean bias) {
            specs.add(new ParameterSpec(prefix + module + ".weight", role, layer, expert, rows, cols, deviation));
            if (bias) {
                specs.add(new ParameterSpec(prefix + module + ".bias", Role.BIAS, layer, expert, rows, 1, 0));
            }
        }

        /** @param size 0 for no norm */
        void addNorm(String module, int size, NormConfig norm) {
            if (size > 0) {
                add(module, Role.GAIN, size, 1, 0, norm.bias());
            }
        }
    }
}
