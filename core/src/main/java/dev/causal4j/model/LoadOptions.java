package dev.causal4j.model;

import dev.causal4j.compute.Compute;
import dev.causal4j.tensor.DType;
import org.jspecify.annotations.Nullable;

/**
 * Options of loading. Immutable.
 *
 * @param dtype dtype of the weights, rounded or quantised from f32; null for the stored one
 * @param cached dtype of cached keys and values: f32, or bf16 to round them to it
 * @param progress called after each parameter
 * @param compute the threads; unless shared, the caller closes them after the model
 */
public record LoadOptions(@Nullable DType dtype, DType cached, ProgressListener progress, Compute compute) {
    /** The stored dtype, keys and values in f32, and the threads of the process. */
    public static final LoadOptions DEFAULT = new LoadOptions(null, DType.F32, (_, _) -> {}, Compute.shared());

    /** The same with another dtype. */
    public LoadOptions withDtype(DType wanted) {
        return new LoadOptions(wanted, cached, progress, compute);
    }

    /** The same with another dtype of cached keys and values. */
    public LoadOptions withCached(DType wanted) {
        return new LoadOptions(dtype, wanted, progress, compute);
    }

    /** The same with a listener. */
    public LoadOptions withProgress(ProgressListener listener) {
        return new LoadOptions(dtype, cached, listener, compute);
    }
}
