package dev.causal4j.decoder;

import dev.causal4j.tensor.Matrix;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** A source of parameters for a {@link Decoder}: a file, random numbers, another model. */
public interface Parameters {
    /** The matrix [spec.rows, spec.cols]. */
    Matrix matrix(ParameterSpec spec);

    /** The vector [spec.rows]. */
    float[] vector(ParameterSpec spec);

    /** The rows of a table that stay in a file; null if {@link #matrix} gives the table. Thread-safe. */
    default Matrix.@Nullable Source stored(ParameterSpec table) {
        return null;
    }

    /** The adapter of this weight's linear layer, or null. */
    default @Nullable LowRank adapter(ParameterSpec weight) {
        return null;
    }

    /** Parameters without adapters, each from a function of its spec. */
    static Parameters of(Function<ParameterSpec, Matrix> matrices, Function<ParameterSpec, float[]> vectors) {
        return of(matrices, vectors, Map.of());
    }

    /** Parameters from functions of their specs, with adapters by the names of their weights. */
    static Parameters of(
            Function<ParameterSpec, Matrix> matrices,
            Function<ParameterSpec, float[]> vectors,
            Map<String, LowRank> adapters) {
        return of(matrices, vectors, adapters, _ -> null);
    }

    /** Parameters from functions of their specs, with tables whose rows stay in a file. */
    static Parameters of(
            Function<ParameterSpec, Matrix> matrices,
            Function<ParameterSpec, float[]> vectors,
            Map<String, LowRank> adapters,
            Function<ParameterSpec, Matrix.@Nullable Source> stored) {
        return new Parameters() {
            @Override
            public Matrix matrix(ParameterSpec spec) {
                return matrices.apply(spec);
            }

            @Override
            public float[] vector(ParameterSpec spec) {
                return vectors.apply(spec);
            }

            @Override
            public Matrix.@Nullable Source stored(ParameterSpec table) {
                return stored.apply(table);
            }

            @Override
            public @Nullable LowRank adapter(ParameterSpec weight) {
                return adapters.get(weight.name());
            }
        };
    }
}
