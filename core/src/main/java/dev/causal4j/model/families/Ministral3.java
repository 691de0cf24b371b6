package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.json.Json;
import java.util.List;
import java.util.Map;

/**
 * Ministral 3 (2025), also inside multimodal checkpoints: Mistral with YaRN, and queries that grow with the logarithm
 * of their position.
 */
record Ministral3(String type, Names names) implements Family {
    private static final Map<String, Object> YARN = Json.object(
            "rope_type", "yarn",
            "rope_theta", 1e6,
            "factor", 16.0,
            "original_max_position_embeddings", 16384,
            "mscale", 1.0,
            "mscale_all_dim", 1.0,
            "llama_4_scaling_beta", 0.1);

    @Override
    public Architecture read(Json given) throws FormatException {
        boolean scaled = given.has("rope_parameters") || given.has("rope_scaling");
        Json json = scaled ? given : given.with(Map.of("rope_parameters", YARN));
        Keys keys = new Keys(json, new Keys.Absent(0, 8, 128, 1e4, 1e-5));
        keys.onlyFullAttention();
        keys.growingQueries = true;
        return keys.model(this, keys.block(keys.window(0)));
    }

    /** The language model's part of a multimodal configuration: Ministral 3 or Mistral. */
    static Json text(Json outer) throws FormatException {
        outer.support("quantization_config", !outer.has("quantization_config"), "no quantization");
        Json text = outer.section("text_config");
        String type = text.string("model_type", "mistral");
        text.support("model_type", List.of("ministral3", "mistral").contains(type), "ministral3 or mistral");
        return Families.named(type).text(outer, Map.of(), "tie_word_embeddings", "bos_token_id", "eos_token_id");
    }

    @Override
    public boolean isBuffer(DecoderConfig decoder, String name) {
        return Family.isOfImages(name) || Family.super.isBuffer(decoder, name);
    }
}
