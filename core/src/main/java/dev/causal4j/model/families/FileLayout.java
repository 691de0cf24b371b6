package dev.causal4j.model.families;

import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.ParameterSpec;
import java.util.Set;

/** The names and places of a model's parameters in its files. */
public interface FileLayout {
    /** The {@code model_type} of the model. */
    String type();

    /** The names of its tensors. */
    Names names();

    /** The origin of a parameter in a file whose names, except the head's, begin with {@code root}. */
    default Origin origin(DecoderConfig decoder, ParameterSpec spec, String root) {
        return names().origin(decoder, spec, root);
    }

    /** Whether files may have tensors outside of blocks that are not the model's, such as other heads. */
    default boolean mayHaveMore() {
        return false;
    }

    /** Whether a tensor, named without the root, is no parameter of the model although files have it. */
    boolean isBuffer(DecoderConfig decoder, String name);

    /** The layout in a file with these tensors, where there are several. */
    default FileLayout forTensors(Set<String> tensors) {
        return this;
    }
}
