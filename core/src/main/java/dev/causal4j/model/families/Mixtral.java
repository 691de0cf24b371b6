package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Experts;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Routing;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;
import java.util.List;
import java.util.Map;

/** Mixtral (Jiang et al. 2024): Mistral with experts in every layer. */
final class Mixtral implements Family {
    private static final LlamaNames NAMES = new LlamaNames(Map.of(
            "router", "block_sparse_moe.gate",
            "experts", "block_sparse_moe.experts.",
            "gate", "w1",
            "up", "w3",
            "down", "w2"));

    @Override
    public String type() {
        return "mixtral";
    }

    @Override
    public ModelConfig read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 8, 0, 1e6, 1e-5));
        int window = keys.window(0);
        RopeConfig rope = keys.rope();
        int count = json.integer("num_local_experts", 8, 1, ModelConfig.MOST_EXPERTS);
        int chosen = json.integer("num_experts_per_tok", 2, 1, count);
        Experts experts = new Experts(count, chosen, keys.dense(), Routing.SOFTMAX_OF_CHOSEN, false);
        List<BlockConfig> blocks =
                keys.blocks(layer -> keys.block(keys.attention(window, rope, QueryKeyNorm.NONE), experts));
        return keys.model(this, false, blocks);
    }

    @Override
    public Origin.InRows origin(ModelConfig config, ParameterSpec spec, String root) {
        return NAMES.origin(config, spec, root);
    }
}
