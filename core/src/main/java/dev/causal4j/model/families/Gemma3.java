package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Gemma 3 (2025), also inside multimodal checkpoints: five layers with windows and positions of their own to one without,
 * norms of queries and keys.
 */
final class Gemma3 implements Family {
    @Override
    public String type() {
        return "gemma3_text";
    }

    @Override
    public List<String> types() {
        return List.of("gemma3_text", "gemma3");
    }

    @Override
    public ModelConfig read(Json outer) throws FormatException {
        Json json = outer.string("model_type", "").equals("gemma3") ? text(outer) : outer;
        Keys keys = new Keys(json, new Keys.Absent(8, 4, 256, 1e6, 1e-6));
        int window = keys.window(4096);
        String capped = "attn_logit_softcapping";
        json.support(capped, !json.has(capped), "null");
        int pattern = json.integer("sliding_window_pattern", 6, 1, ModelConfig.MOST_LAYERS);
        RopeConfig global = keys.rope();
        RopeConfig local = keys.rope(true);
        List<BlockConfig> blocks = keys.blocks(layer -> {
            boolean isLocal = keys.isLocal(layer, (layer + 1) % pattern != 0);
            return Gemma2.block(keys, 0, isLocal ? window : 0, isLocal ? local : global, QueryKeyNorm.HEAD);
        });
        return Gemma2.model(this, keys, blocks, Gemma2.cap(json, "final_logit_softcapping", 0));
    }

    /** The language model's part of a multimodal configuration. */
    private static Json text(Json outer) throws FormatException {
        Json absent = new Json(outer.subject(), Map.of("vocab_size", 262208));
        Map<String, Object> own = new LinkedHashMap<>();
        own.put("model_type", "gemma3_text");
        own.put("architectures", List.of("Gemma3ForCausalLM"));
        own.put("tie_word_embeddings", outer.bool("tie_word_embeddings", true));
        if (outer.has("eos_token_id")) {
            own.put("eos_token_id", outer.integers("eos_token_id"));
        }
        return absent.with(outer.section("text_config")).with(new Json(outer.subject(), own));
    }

    @Override
    public Origin.InRows origin(ModelConfig config, ParameterSpec spec, String root) {
        Origin.InRows origin = Gemma2.NAMES.origin(config, spec, root);
        return new Origin.InRows(origin.parts(), spec.role() == Role.GAIN);
    }

    /** What looks at images is left out. */
    @Override
    public boolean isBuffer(String name) {
        return name.matches("(model\\.)?(vision_tower|multi_modal_projector)\\..*") || Family.super.isBuffer(name);
    }
}
