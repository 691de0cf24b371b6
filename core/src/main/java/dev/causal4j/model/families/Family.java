package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.format.Json;
import java.util.Map;

/** An architecture in Hugging Face's files. Implementations have no state. */
public interface Family extends FileLayout {
    /**
     * Reads a configuration. Keys that do not change the arithmetic are ignored; a value that would change it and is
     * not supported is an error.
     */
    Architecture read(Json json) throws FormatException;

    /** Changes the keys of the configuration that an architecture was read from to those that it has now. */
    default void write(Architecture architecture, Map<String, Object> json) {
        json.put("vocab_size", architecture.vocabularySize());
    }

    /** The prefix of names in files written for other programs. */
    default String rootWritten(boolean tied) {
        return names().roots().getFirst();
    }

    /** Causal masks and frequencies, which old programs stored as if they were parameters. */
    @Override
    default boolean isBuffer(DecoderConfig decoder, String name) {
        return name.matches("(h|layers)\\.\\d+\\.(attn|attention)\\.(bias|masked_bias)|.*rotary_emb\\.inv_freq");
    }

    /** Whether a tensor belongs to the part of a multimodal model that sees images. */
    static boolean isOfImages(String name) {
        return name.matches("(model\\.)?(vision_tower|multi_modal_projector)\\..*");
    }
}
