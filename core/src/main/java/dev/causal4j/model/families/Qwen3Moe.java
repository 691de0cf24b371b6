package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Routing;
import dev.causal4j.json.Json;
import java.util.List;

/** Qwen 3 with experts in all layers or some. */
record Qwen3Moe(String type, Names names) implements Family {
    @Override
    public Architecture read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 4, 0, 1e4, 1e-6));
        keys.queryKeyNorm = QueryKeyNorm.HEAD;
        int window = keys.windowIfUsed();
        int step = json.integer("decoder_sparse_step", 1, 1, Architecture.MOST_LAYERS);
        List<Integer> only = json.integers("mlp_only_layers");
        String count = json.has("num_local_experts") ? "num_local_experts" : "num_experts";
        Dense each = keys.dense("moe_intermediate_size", keys.activation("hidden_act", "silu"), true, false);
        boolean sumsToOne = json.bool("norm_topk_prob", false);
        Routing routing = sumsToOne ? Routing.SOFTMAX_OF_CHOSEN : Routing.SOFTMAX_OF_ALL;
        BlockConfig sparse = keys.block(window, keys.rope(), keys.experts(count, 0, 8, each, routing, false));
        BlockConfig dense = keys.block(window);
        return keys.model(this, json, layer -> only.contains(layer) || (layer + 1) % step != 0 ? dense : sparse);
    }
}
