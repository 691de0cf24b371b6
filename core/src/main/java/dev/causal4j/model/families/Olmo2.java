package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.NormPlaces;
import dev.causal4j.decoder.BlockConfig.Residual;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;
import java.util.List;
import java.util.Map;

/** OLMo 2 (Walsh et al. 2024): Llama with norms after layers instead of before, and of all queries and keys of a token. */
final class Olmo2 implements Family {
    private static final LlamaNames NAMES = new LlamaNames(Map.of(
            "attention_out_norm", "post_attention_layernorm",
            "feed_forward_out_norm", "post_feedforward_layernorm"));

    @Override
    public String type() {
        return "olmo2";
    }

    @Override
    public ModelConfig read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 0, 0, 1e4, 1e-5));
        keys.onlyFullAttention();
        AttentionConfig attention = keys.attention(0, keys.rope(), QueryKeyNorm.ALL);
        Dense dense = keys.dense();
        List<BlockConfig> blocks = keys.blocks(
                layer -> new BlockConfig(attention, dense, keys.norm(), NormPlaces.AFTER, Residual.SEQUENTIAL, 1));
        return keys.model(this, false, blocks);
    }

    @Override
    public Origin.InRows origin(ModelConfig config, ParameterSpec spec, String root) {
        return NAMES.origin(config, spec, root);
    }
}
