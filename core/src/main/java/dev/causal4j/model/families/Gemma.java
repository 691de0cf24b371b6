package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ActivationFunction;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.NormPlaces;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.json.Json;
import java.util.Map;

/**
 * Gemma 2 (2024): norms 1 + w before and after layers, windows in every other layer, capped scores and logits. Gemma 3
 * (2025), also inside multimodal checkpoints: norms of queries and keys instead of caps; of six layers five have
 * windows and positions of their own.
 */
record Gemma(String type, Names names) implements Family {
    static final Names NAMES = Names.LLAMA.with(Map.of(
            "attention_out_norm", "post_attention_layernorm",
            "feed_forward_norm", "pre_feedforward_layernorm",
            "feed_forward_out_norm", "post_feedforward_layernorm"));

    private static final String TIED = "tie_word_embeddings";

    @Override
    public Architecture read(Json outer) throws FormatException {
        boolean second = type.equals("gemma2");
        boolean multimodal = outer.string("model_type", "").equals("gemma3");
        Json whole = outer.with(Map.of(TIED, outer.bool(TIED, true)));
        Json json = multimodal ? text(whole, Map.of("vocab_size", 262208), TIED, "eos_token_id") : outer;
        Keys keys = new Keys(json, new Keys.Absent(8, 4, 256, second ? 1e4 : 1e6, 1e-6));
        keys.tied = true;
        keys.places = NormPlaces.BEFORE_AND_AFTER;
        keys.scale = (float) (1 / Math.sqrt(json.number("query_pre_attn_scalar", 256, 1e-9, 1e9)));
        keys.embeddingScale = (float) Math.sqrt(keys.hiddenSize);
        keys.logitCap = cap(json, "final_logit_softcapping", second ? 30 : 0);
        String capped = "attn_logit_softcapping";
        if (second) {
            keys.softCap = cap(json, capped, 50);
        } else {
            json.support(capped, !json.has(capped), "null");
            keys.queryKeyNorm = QueryKeyNorm.HEAD;
        }
        ActivationFunction activation = keys.activation("hidden_activation", "gelu_pytorch_tanh");
        Dense dense = keys.dense("intermediate_size", activation, true, false);
        BlockConfig local = keys.block(keys.window(4096), keys.rope(!second), dense);
        BlockConfig full = keys.block(0, keys.rope(), dense);
        int pattern = second ? 2 : json.integer("sliding_window_pattern", 6, 1, Architecture.MOST_LAYERS);
        return keys.model(this, layer -> (layer + 1) % pattern != 0, local, full);
    }

    /** A cap; 0 for null. */
    private static float cap(Json json, String key, double whenAbsent) throws FormatException {
        return (float) json.number(key, json.isNull(key) ? 0 : whenAbsent, 1e-9, 1e9);
    }

    /** Ignores Gemma 3's vision tensors. */
    @Override
    public boolean isBuffer(DecoderConfig decoder, String name) {
        return (type.equals("gemma3_text") && Family.isOfImages(name)) || Family.super.isBuffer(decoder, name);
    }
}
