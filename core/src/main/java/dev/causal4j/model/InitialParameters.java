package dev.causal4j.model;

import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.kernel.CounterRandom;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.util.Arrays;

/**
 * Seeded initial weights, requested in the order of the specs. Each number depends on (seed, matrix, index) alone, so
 * threads do not matter. Not thread-safe.
 */
final class InitialParameters implements Parameters {
    private final Device device;
    private final DType dtype;
    private final long seed;
    private int matrices = 1; // next random stream; 0 is the sampler's

    InitialParameters(Device device, DType dtype, long seed) {
        this.device = device;
        this.dtype = dtype;
        this.seed = seed;
    }

    @Override
    public Matrix matrix(ParameterSpec spec) {
        int cols = spec.cols();
        int matrix = matrices++;
        return Matrix.of(device, dtype, spec.rows(), cols, (n, row) -> {
            for (int k = 0; k < cols; k++) {
                row[k] = (float) (spec.deviation() * CounterRandom.normal(seed, (long) n * cols + k, matrix));
            }
        });
    }

    @Override
    public float[] vector(ParameterSpec spec) {
        float[] vector = new float[spec.rows()];
        Arrays.fill(vector, spec.role() == Role.GAIN ? 1 : 0);
        return vector;
    }
}
