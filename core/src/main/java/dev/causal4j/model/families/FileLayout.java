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

    /** Whether files may have further tensors outside of blocks, such as other heads. */
    default boolean mayHaveMore() {
        return false;
    }

    /** Whether a tensor of files, named without the root, is not a parameter of the model. */
    boolean isBuffer(DecoderConfig decoder, String name);

    /** The layout of a file with these tensors, if there are several layouts. */
    default FileLayout forTensors(Set<String> tensors) {
        return this;
    }
}
