package dev.causal4j.model;

import dev.causal4j.decoder.GPT2Backbone;
import dev.causal4j.decoder.GPT2Block;
import dev.causal4j.decoder.GPT2Shape;
import dev.causal4j.decoder.LayerNorm;
import dev.causal4j.decoder.Linear;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.kernel.CounterRandom;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** Seeded initial weights: each number depends on (seed, matrix, place) alone, so threads do not matter. */
final class GPT2Initializer {
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
        GPT2Shape shape = config.shape();
        int d = shape.hiddenSize();
        Matrix embedding = normal(config.vocabularySize(), d, DEVIATION);
        Matrix positions = normal(shape.contextLength(), d, DEVIATION);
        List<GPT2Block> blocks = new ArrayList<>();
        for (int layer = 0; layer < shape.layers(); layer++) {
            blocks.add(block());
        }
        GPT2Backbone backbone = new GPT2Backbone(shape, positions, blocks, norm(d));
        CausalLMHead head = config.tied()
                ? CausalLMHead.tied(embedding)
                : CausalLMHead.untied(embedding, normal(config.vocabularySize(), d, DEVIATION));
        return new CausalLM(backbone, head, Optional.empty(), config.bos(), config.eos());
    }

    /** Another block, with weights of its own. */
    GPT2Block block() {
        GPT2Shape shape = config.shape();
        int d = shape.hiddenSize();
        double residual = DEVIATION / Math.sqrt(2.0 * shape.layers());
        return new GPT2Block(
                norm(d),
                linear(3 * d, d, DEVIATION),
                linear(d, d, residual),
                norm(d),
                linear(shape.innerSize(), d, DEVIATION),
                linear(d, shape.innerSize(), residual));
    }

    private Linear linear(int out, int in, double deviation) {
        return new Linear(normal(out, in, deviation), new float[out]);
    }

    private Matrix normal(int rows, int cols, double deviation) {
        int matrix = matrices++;
        return Matrix.of(device, dtype, rows, cols, (n, row) -> {
            for (int k = 0; k < cols; k++) {
                row[k] = (float) (deviation * CounterRandom.normal(seed, (long) n * cols + k, matrix));
            }
        });
    }

    private static LayerNorm norm(int size) {
        float[] gain = new float[size];
        Arrays.fill(gain, 1f);
        return new LayerNorm(gain, new float[size]);
    }
}
