package dev.causal4j.model;

import dev.causal4j.compute.Compute;
import dev.causal4j.tensor.DType;
import org.jspecify.annotations.Nullable;

/**
 * Options of loading. Immutable.
 *
 * @param dtype dtype of the weights, rounded or quantised from f32; null for the stored one
 * @param compute the threads; unless shared, the caller closes them after the model
 */
public record LoadOptions(@Nullable DType dtype, Compute compute) {
    /** The stored dtype and the threads of the process. */
    public static final LoadOptions DEFAULT = new LoadOptions(null, Compute.shared());

    /** The same with another dtype. */
    public LoadOptions withDtype(DType wanted) {
        return new LoadOptions(wanted, compute);
    }
}
