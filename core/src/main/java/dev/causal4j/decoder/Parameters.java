package dev.causal4j.decoder;

import dev.causal4j.tensor.Matrix;
import java.util.function.Function;
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

    /** Parameters without adapters, each from a function of its spec. */
    static Parameters of(Function<ParameterSpec, Matrix> matrices, Function<ParameterSpec, float[]> vectors) {
        return new Parameters() {
            @Override
            public Matrix matrix(ParameterSpec spec) {
                return matrices.apply(spec);
            }

            @Override
            public float[] vector(ParameterSpec spec) {
                return vectors.apply(spec);
            }
        };
    }
}
