package dev.causal4j.model;

import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.kernel.CounterRandom;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;

/** Initial weights of a model to train from scratch. */
final class InitialParameters {
    private InitialParameters() {}

    /**
     * Seeded parameters, to be requested in the order of the specs. Each number depends on (seed, matrix, index) alone,
     * so threads do not matter.
     */
    static Parameters of(Device device, DType dtype, long seed) {
        AtomicInteger streams = new AtomicInteger(1); // of random numbers, one for each matrix; 0 is the sampler's
        return Parameters.of(spec -> drawn(device, dtype, spec, seed, streams.getAndIncrement()), spec -> {
            float[] vector = new float[spec.rows()];
            Arrays.fill(vector, spec.role() == Role.GAIN ? 1 : 0);
            return vector;
        });
    }

    private static Matrix drawn(Device device, DType dtype, ParameterSpec spec, long seed, int stream) {
        int cols = spec.cols();
        return Matrix.of(device, dtype, spec.rows(), cols, (n, row) -> {
            for (int k = 0; k < cols; k++) {
                row[k] = (float) (spec.deviation() * CounterRandom.normal(seed, (long) n * cols + k, stream));
            }
        });
    }
}
