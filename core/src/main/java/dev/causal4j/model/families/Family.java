package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.json.Json;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** An architecture in Hugging Face's files. Implementations have no state. */
public interface Family extends FileLayout {
    /**
     * Reads a configuration. Keys that do not change the arithmetic are ignored; a value that would change it and is
     * not supported is an error.
     */
    Architecture read(Json json) throws FormatException;

    /** Updates the keys of the configuration that an architecture was read from to its present values. */
    default void write(Architecture architecture, Map<String, Object> json) {
        json.put("vocab_size", architecture.vocabularySize());
    }

    /** The prefix of names in files written for other programs. */
    default String rootWritten(boolean tied) {
        return names().roots().getFirst();
    }

    /** Whether a tensor is a causal mask or frequencies, which old programs stored as if they were parameters. */
    @Override
    default boolean isBuffer(DecoderConfig decoder, String name) {
        return name.matches("(h|layers)\\.\\d+\\.(attn|attention)\\.(bias|masked_bias)|.*rotary_emb\\.inv_freq");
    }

    /**
     * The part of a multimodal configuration that configures the language model.
     *
     * @param absent values for absent keys
     * @param whole keys of the whole model, which win if it has them
     */
    default Json text(Json outer, Map<String, ?> absent, String... whole) throws FormatException {
        Json inner = outer.section("text_config");
        Map<String, Object> own = new LinkedHashMap<>();
        own.put("model_type", type());
        own.put("architectures", List.of(Families.architecture(this)));
        for (String key : whole) {
            if (outer.has(key)) {
                own.put(key, outer.root().get(key));
            }
        }
        return new Json(inner.subject(), absent).with(inner.root()).with(own);
    }

    /** Whether each expert has tensors of its own; some files have one tensor for all experts. */
    static boolean hasSingleExperts(Set<String> tensors) {
        return tensors.stream().anyMatch(name -> name.endsWith(".experts.0.down_proj.weight"));
    }

    /** Whether a tensor belongs to the part of a multimodal model that sees images. */
    static boolean isOfImages(String name) {
        return name.matches("(model\\.)?(vision_tower|multi_modal_projector)\\..*");
    }
}
