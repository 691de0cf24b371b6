package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.LowRank;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.json.Json;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** Configurations and parts of models for tests. */
public final class SmallModels {
    private SmallModels() {}

    /**
     * A small GPT-2.
     *
     * @param more members of config.json, such as {@code "n_inner": 50}
     */
    public static ModelConfig gpt2(
            int vocabularySize, int contextLength, int hiddenSize, int layers, int heads, String... more) {
        String members = more.length == 0 ? "" : ", " + String.join(", ", more);
        return config("""
                {"model_type": "gpt2", "vocab_size": %d, "n_positions": %d, "n_embd": %d, "n_layer": %d, "n_head": %d%s}
                """.formatted(vocabularySize, contextLength, hiddenSize, layers, heads, members));
    }

    /** The configuration of a config.json with this text. */
    public static ModelConfig config(String json) {
        try {
            return ModelConfig.parse(json);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The configuration of a config.json. */
    public static ModelConfig config(Json json) throws FormatException {
        return ModelConfig.of(json);
    }

    /** A model without tokenizer and special ids. */
    public static CausalLM bare(CausalLM model) {
        ModelConfig config = model.config();
        return CausalLM.of("bare", config.withSpecialIds(OptionalInt.empty(), Set.of()), model, null);
    }

    /** A model with the matrices of another head. */
    public static CausalLM withHead(CausalLM model, Matrix embedding, Matrix projection) {
        Parameters parameters = replacing(model, spec -> switch (spec.role()) {
            case EMBEDDING -> embedding;
            case PROJECTION -> projection;
            default -> null;
        });
        return CausalLM.of("other head", model.config().withTied(false), parameters, null);
    }

    /** A model's parameters with some other matrices; null for those that stay. */
    static Parameters replacing(CausalLM model, Function<ParameterSpec, @Nullable Matrix> replacement) {
        return Parameters.of(
                spec -> {
                    Matrix other = replacement.apply(spec);
                    return other == null ? model.matrix(spec) : other;
                },
                model::vector);
    }

    /** A parameter by its name. */
    public static ParameterSpec spec(CausalLM model, String name) {
        return model.config().specs().stream()
                .filter(spec -> spec.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    /** The numbers of a parameter, row by row. */
    public static float[] numbers(Parameters parameters, ParameterSpec spec) {
        return spec.role().isVector() ? parameters.vector(spec) : numbers(parameters.matrix(spec));
    }

    static float[] numbers(Matrix matrix) {
        float[] numbers = new float[Math.toIntExact(matrix.parameters())];
        for (int row = 0; row < matrix.rows(); row++) {
            matrix.row(row, numbers, row * matrix.cols());
        }
        return numbers;
    }

    /** A model with an adapter of random numbers at each chosen layer. */
    public static CausalLM adapted(CausalLM model, Predicate<ParameterSpec> chosen) {
        Random random = new Random(5);
        Map<String, LowRank> adapters = new HashMap<>();
        for (ParameterSpec spec : model.config().specs()) {
            if (spec.role().isLinear() && chosen.test(spec)) {
                int rank = spec.role() == Role.UP ? 2 : 3;
                adapters.put(
                        spec.name(),
                        new LowRank(matrix(rank, spec.cols(), random), matrix(spec.rows(), rank, random), 1 / 3f));
            }
        }
        return model.with(Parameters.of(model::matrix, model::vector, adapters, model::stored));
    }

    private static Matrix matrix(int rows, int cols, Random random) {
        float[] numbers = random(rows * cols, random);
        return Matrix.of(
                Device.shared(), DType.F32, rows, cols, (n, row) -> System.arraycopy(numbers, n * cols, row, 0, cols));
    }

    static float[] random(int size, Random random) {
        float[] numbers = new float[size];
        for (int i = 0; i < size; i++) {
            numbers[i] = (float) (0.2 * random.nextGaussian());
        }
        return numbers;
    }
}
