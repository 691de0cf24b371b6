package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Gemma 3 (2025), also inside multimodal checkpoints: five layers with windows and positions of their own to one without,
 * norms of queries and keys.
 */
record Gemma3(String type) implements Family {
    private static final Family GEMMA2 = new Gemma2("gemma2");

    @Override
    public List<String> types() {
        return List.of(type, "gemma3");
    }

    @Override
    public ModelConfig read(Json outer) throws FormatException {
        Json json = outer.string("model_type", "").equals("gemma3") ? text(outer) : outer;
        String capped = "attn_logit_softcapping";
        json.support(capped, !json.has(capped), "null");
        Keys keys = Gemma2.keys(json, 1e6, 0);
        keys.queryKeyNorm = QueryKeyNorm.HEAD;
        int pattern = json.integer("sliding_window_pattern", 6, 1, ModelConfig.MOST_LAYERS);
        BlockConfig local = Gemma2.block(keys, keys.window(4096), keys.rope(true));
        return keys.model(this, layer -> (layer + 1) % pattern != 0, local, Gemma2.block(keys, 0, keys.rope()));
    }

    /** The language model's part of a multimodal configuration. */
    private Json text(Json outer) throws FormatException {
        Json absent = new Json(outer.subject(), Map.of("vocab_size", 262208));
        Map<String, Object> own = new LinkedHashMap<>();
        own.put("model_type", type);
        own.put("architectures", List.of("Gemma3ForCausalLM"));
        own.put("tie_word_embeddings", outer.bool("tie_word_embeddings", true));
        if (outer.has("eos_token_id")) {
            own.put("eos_token_id", outer.integers("eos_token_id"));
        }
        return absent.with(outer.section("text_config")).with(new Json(outer.subject(), own));
    }

    @Override
    public Names names() {
        return GEMMA2.names();
    }

    @Override
    public Origin origin(ModelConfig config, ParameterSpec spec, String root) {
        return GEMMA2.origin(config, spec, root);
    }

    /** What looks at images is left out. */
    @Override
    public boolean isBuffer(String name) {
        return name.matches("(model\\.)?(vision_tower|multi_modal_projector)\\..*") || GEMMA2.isBuffer(name);
    }
}
