package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.NormPlaces;
import dev.causal4j.json.Json;
import java.util.Map;

/**
 * OLMo 2 (Walsh et al. 2024): Llama with norms after layers instead of before, and with norms of all queries and of all
 * keys of a token.
 */
record Olmo2(String type, Names names) implements Family {
    static final Names NAMES = Names.LLAMA.with(Map.of(
            "attention_out_norm", "post_attention_layernorm",
            "feed_forward_out_norm", "post_feedforward_layernorm"));

    @Override
    public Architecture read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 0, 0, 1e4, 1e-5));
        keys.onlyFullAttention();
        keys.places = NormPlaces.AFTER;
        keys.queryKeyNorm = QueryKeyNorm.ALL;
        return keys.model(this, keys.block(0));
    }
}
