package dev.causal4j.benchmarks;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;

/**
 * A tied GPT-2 with random weights, gains 1 and biases 0, in memory: for the library, for its naive twin, and for peers.
 * Immutable and thread-safe.
 */
record RandomGPT2(GPT2Shape shape, int vocabularySize) {
    /** Uniform numbers up to it have the standard deviation 0.02 of GPT-2's initial weights. */
    private static final float LARGEST = 0.0346f;

    /** Makes a matrix [rows, cols] of whatever kind the model is to be made of. */
    @FunctionalInterface
    interface Form<T> {
        T matrix(int rows, int cols, Matrix.Source source);
    }

    /** All matrices, each [out, in]. */
    record Weights<T>(T embedding, T positions, List<Block<T>> blocks) {
        /** In the order of the forward. */
        List<T> inOrder() {
            List<T> all = new ArrayList<>(List.of(embedding, positions));
            blocks.forEach(block -> all.addAll(List.of(block.queryKeyValue, block.attentionOut, block.up, block.down)));
            return all;
        }
    }

    /** Matrices of one block. */
    record Block<T>(T queryKeyValue, T attentionOut, T up, T down) {}

    <T> Weights<T> weights(Form<T> form) {
        int d = shape.hiddenSize();
        T embedding = matrix(form, vocabularySize, d, 0);
        T positions = matrix(form, shape.contextLength(), d, 1);
        List<Block<T>> blocks = new ArrayList<>();
        for (int layer = 0; layer < shape.layers(); layer++) {
            int stream = 2 + 4 * layer;
            blocks.add(new Block<>(
                    matrix(form, 3 * d, d, stream),
                    matrix(form, d, d, stream + 1),
                    matrix(form, shape.innerSize(), d, stream + 2),
                    matrix(form, d, shape.innerSize(), stream + 3)));
        }
        return new Weights<>(embedding, positions, blocks);
    }

    private static <T> T matrix(Form<T> form, int rows, int cols, int stream) {
        return form.matrix(rows, cols, RandomNumbers.rows(cols, stream, LARGEST));
    }

    CausalLM model(DType dtype) {
        Iterator<Matrix> matrices = weights(
                        (rows, cols, source) -> Matrix.of(Device.shared(), dtype, rows, cols, source))
                .inOrder()
                .iterator();
        return CausalLM.of(
                "random",
                config(),
                new Parameters() {
                    @Override
                    public Matrix matrix(ParameterSpec spec) {
                        return matrices.next();
                    }

                    @Override
                    public float[] vector(ParameterSpec spec) {
                        float[] vector = new float[spec.rows()];
                        Arrays.fill(vector, spec.role() == Role.GAIN ? 1 : 0);
                        return vector;
                    }
                },
                null);
    }

    private ModelConfig config() {
        String json = """
                {"model_type": "gpt2", "vocab_size": %d, "n_positions": %d, "n_embd": %d, "n_layer": %d, "n_head": %d}
                """;
        try {
            return ModelConfig.parse(json.formatted(
                    vocabularySize, shape.contextLength(), shape.hiddenSize(), shape.layers(), shape.heads()));
        } catch (FormatException e) {
            throw new UncheckedIOException(e);
        }
    }

    NaiveGPT2 naive() {
        return new NaiveGPT2(shape, weights(RandomNumbers::rowMajor));
    }
}
