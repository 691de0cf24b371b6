package dev.causal4j.format;

import dev.causal4j.FormatException;
import dev.causal4j.tensor.TensorView;
import java.util.Set;

/** The tensors of a model's files by name. */
public interface Tensors {
    /** The names of all. */
    Set<String> names();

    /**
     * A view; nothing is copied.
     *
     * @throws FormatException if there is none of this name, or its type is not supported
     */
    TensorView tensor(String name) throws FormatException;
}
