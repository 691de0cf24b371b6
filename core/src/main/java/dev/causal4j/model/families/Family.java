package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;
import java.util.Map;

/** An architecture in Hugging Face's files. Implementations have no state. */
public interface Family {
    /** Its {@code model_type}. */
    String type();

    /**
     * Reads a configuration. Keys that do not change the arithmetic are ignored; a value that would change it and is not
     * supported is an error.
     */
    ModelConfig read(Json json) throws FormatException;

    /** Changes the keys of the configuration it was read from to those of this one. */
    default void write(ModelConfig config, Map<String, Object> json) {
        json.put("vocab_size", config.vocabularySize());
    }

    /** The names of its tensors. */
    Names names();

    /** The origin of a parameter in a file whose names, except the head's, begin with {@code root}. */
    default Origin origin(ModelConfig config, ParameterSpec spec, String root) {
        return names().origin(config, spec, root);
    }

    /** The prefix of names in files written for other programs. */
    default String rootWritten(ModelConfig config) {
        return names().roots().getFirst();
    }

    /** Whether files may have tensors outside of blocks that are not the model's, such as other heads. */
    default boolean mayHaveMore() {
        return false;
    }

    /**
     * Whether a tensor, named without the root, is no parameter but what old programs stored as if it were: causal masks
     * and frequencies.
     */
    default boolean isBuffer(String name) {
        return name.matches("(h|layers)\\.\\d+\\.(attn|attention)\\.(bias|masked_bias)|.*rotary_emb\\.inv_freq");
    }
}
