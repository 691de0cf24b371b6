package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Experts;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Routing;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;
import java.util.List;

/** Qwen 3 with experts in all layers or some. */
final class Qwen3Moe implements Family {
    @Override
    public String type() {
        return "qwen3_moe";
    }

    @Override
    public ModelConfig read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 4, 0, 1e4, 1e-6));
        int window = keys.windowIfUsed(4096);
        RopeConfig rope = keys.rope();
        int step = json.integer("decoder_sparse_step", 1, 1, ModelConfig.MOST_LAYERS);
        List<Integer> dense = json.integers("mlp_only_layers");
        String countKey = json.has("num_local_experts") ? "num_local_experts" : "num_experts";
        int count = json.requireInt(countKey, 1, ModelConfig.MOST_EXPERTS);
        int chosen = json.integer("num_experts_per_tok", 8, 1, count);
        boolean sumsToOne = json.bool("norm_topk_prob", false);
        Experts experts = new Experts(
                count,
                chosen,
                keys.dense("moe_intermediate_size", keys.activation("hidden_act", "silu"), false),
                sumsToOne ? Routing.SOFTMAX_OF_CHOSEN : Routing.SOFTMAX_OF_ALL,
                false);
        List<BlockConfig> blocks = keys.blocks(layer -> {
            boolean isDense = dense.contains(layer) || (layer + 1) % step != 0;
            AttentionConfig attention = keys.attention(window, rope, QueryKeyNorm.HEAD);
            return keys.block(attention, isDense ? keys.dense() : experts);
        });
        return keys.model(this, false, blocks);
    }
}
