package dev.causal4j.model;

import dev.causal4j.decoder.Decoder;
import dev.causal4j.decoder.Initialization;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.kernel.CounterRandom;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.util.Arrays;
import java.util.Optional;

/** Seeded initial weights: each number depends on (seed, matrix, place) alone, so threads do not matter. */
final class GPT2Initializer implements Parameters {
    private static final double DEVIATION = 0.02;

    private final GPT2Config config;
    private final long seed;
    private final DType dtype;
    private final Device device = Device.shared();
    private int matrices = 1; // random streams, of which a sampler has 0

    GPT2Initializer(GPT2Config config, long seed, DType dtype) {
        this.config = config;
        this.seed = seed;
        this.dtype = dtype;
    }

    CausalLM model() {
        int d = config.shape().hiddenSize();
        Matrix embedding = normal(config.vocabularySize(), d, DEVIATION);
        Decoder decoder = Decoder.of(config.shape().decoder(), this);
        CausalLMHead head = config.tied()
                ? CausalLMHead.tied(embedding)
                : CausalLMHead.untied(embedding, normal(config.vocabularySize(), d, DEVIATION));
        return new CausalLM(decoder, head, Optional.empty(), config.bos(), config.eos());
    }

    @Override
    public Matrix matrix(ParameterSpec spec) {
        return normal(spec.rows(), spec.cols(), ((Initialization.Normal) spec.init()).deviation());
    }

    @Override
    public float[] vector(ParameterSpec spec) {
        float[] vector = new float[spec.rows()];
        Arrays.fill(vector, ((Initialization.Constant) spec.init()).value());
        return vector;
    }

    private Matrix normal(int rows, int cols, double deviation) {
        int matrix = matrices++;
        return Matrix.of(device, dtype, rows, cols, (n, row) -> {
            for (int k = 0; k < cols; k++) {
                row[k] = (float) (deviation * CounterRandom.normal(seed, (long) n * cols + k, matrix));
            }
        });
    }
}
