package dev.causal4j.decoder;

import dev.causal4j.tensor.Matrix;
import org.jspecify.annotations.Nullable;

/** Where the one walk over a model, Decoder.of, gets its parameters: a file, random numbers, another model. */
public interface Parameters {
    /** The matrix [spec.rows, spec.cols]. */
    Matrix matrix(ParameterSpec spec);

    /** The vector [spec.rows]. */
    float[] vector(ParameterSpec spec);

    /** What is added to the linear layer of this weight; null for nothing. */
    default @Nullable LowRank adapter(ParameterSpec weight) {
        return null;
    }
}
