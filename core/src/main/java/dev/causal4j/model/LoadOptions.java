package dev.causal4j.model;

import dev.causal4j.compute.Compute;
import dev.causal4j.tensor.DType;
import org.jspecify.annotations.Nullable;

/**
 * How a model is loaded. Immutable.
 *
 * @param dtype how weights are held: f32 ones are rounded to bf16 or quantised to int8; null for as they are stored
 * @param compute the threads, which the caller closes after the model if they are not the shared ones
 */
public record LoadOptions(@Nullable DType dtype, Compute compute) {
    /** As the weights are stored, with the threads of the process. */
    public static final LoadOptions DEFAULT = new LoadOptions(null, Compute.shared());

    /** The same in a dtype of choice. */
    public LoadOptions withDtype(DType wanted) {
        return new LoadOptions(wanted, compute);
    }

    /** The same with other threads. */
    public LoadOptions withCompute(Compute wanted) {
        return new LoadOptions(dtype, wanted);
    }
}
