package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.Dropout;
import dev.causal4j.decoder.LowRank;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.head.LossOptions;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every parameter's gradient against central differences of the loss along a direction, with dropout on: the masks are
 * functions of the step, so the loss is smooth.
 */
class NumericalGradientTest {
    private static final int VOCABULARY = 29;
    private static final double STEP = 1e-3; // clamps bend the loss beyond it, rounding hides the slope below it
    private static final Dropout DROPOUT = new Dropout(0.2, 0.3, 0.25, 5, 3, 2);

    /**
     * Odd sizes; scores divided by the layer too; a head wider than a panel; a sequence longer than a block of queries;
     * layers with adapters.
     */
    static Stream<CausalLM> models() throws IOException {
        String byLayer = "\"scale_attn_by_inverse_layer_idx\": true";
        String unscaled = "\"scale_attn_weights\": false";
        List<CausalLM> models = new ArrayList<>(List.of(
                model(SmallModels.gpt2(VOCABULARY, 80, 15, 2, 3, "\"n_inner\": 22", byLayer), 1),
                model(
                        SmallModels.gpt2(VOCABULARY, 9, 70, 2, 1, "\"n_inner\": 31", unscaled)
                                .withTied(false),
                        0.4),
                adapted(model(SmallModels.gpt2(VOCABULARY, 9, 15, 1, 3, "\"n_inner\": 22"), 1))));
        models.add(model(SmallModels.config("""
                {"model_type": "gemma4_text", "vocab_size": 29, "vocab_size_per_layer_input": 29, "hidden_size": 15,
                 "num_hidden_layers": 3, "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 6,
                 "global_head_dim": 10, "attention_k_eq_v": true, "num_kv_shared_layers": 1, "intermediate_size": 22,
                 "hidden_size_per_layer_input": 4, "sliding_window": 9, "max_position_embeddings": 80,
                 "layer_types": ["sliding_attention", "full_attention", "full_attention"]}"""), 0.4));
        for (String family : FamiliesTest.fewTrained()) {
            if (!family.equals("gemma4-e2b")) { // its loss is too steep for single precision
                models.add(smooth(Golden.folder(family)));
            }
        }
        return models.stream();
    }

    /** A fixture's model with all its experts chosen: the choice of a few is not smooth. */
    private static CausalLM smooth(Path folder) throws IOException {
        String json = Files.readString(folder.resolve("config.json"));
        String all = json.replaceAll("(?s)(.*_experts\": )(\\d+)(.*(_per_tok|top_k_experts)\": )\\d+", "$1$2$3$2");
        return CausalLM.of(
                "smooth",
                SmallModels.config(all),
                CausalLM.load(folder, DType.F32).merged(),
                null);
    }

    /** The model with an adapter in each linear layer. */
    static CausalLM adapted(CausalLM model) {
        Random random = new Random(8);
        return changed(
                model,
                UnaryOperator.identity(),
                spec -> new LowRank(matrix(3, spec.cols(), random), matrix(spec.rows(), 3, random), 0.7f));
    }

    /** The model with other matrices and vectors, and with adapters. */
    private static CausalLM changed(
            CausalLM model, UnaryOperator<Object> change, Function<ParameterSpec, @Nullable LowRank> adapters) {
        return model.with(new Parameters() {
            @Override
            public Matrix matrix(ParameterSpec spec) {
                return (Matrix) change.apply(model.matrix(spec));
            }

            @Override
            public float[] vector(ParameterSpec spec) {
                return (float[]) change.apply(model.vector(spec));
            }

            @Override
            public @Nullable LowRank adapter(ParameterSpec weight) {
                LowRank adapter = adapters.apply(weight);
                return adapter == null
                        ? null
                        : new LowRank(
                                (Matrix) change.apply(adapter.down()),
                                (Matrix) change.apply(adapter.up()),
                                adapter.scale());
            }
        });
    }

    private static Matrix matrix(int rows, int cols, Random random) {
        float[] numbers = new float[rows * cols];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = (float) (0.3 * random.nextGaussian());
        }
        return Matrix.of(
                Device.shared(), DType.F32, rows, cols, (n, row) -> System.arraycopy(numbers, n * cols, row, 0, cols));
    }

    @Test
    void mergedAdaptersAreTheSameFunction() {
        CausalLM model = adapted(model(SmallModels.gpt2(VOCABULARY, 9, 15, 2, 3, "\"n_inner\": 22"), 1));
        CausalLM merged = model.merged();
        assertThat(model.parameters() - merged.parameters())
                .as("2 layers, rank 3, in + out of each linear layer")
                .isEqualTo(2 * 3 * ((15 + 45) + (15 + 15) + (15 + 22) + (22 + 15)));
        assertThat(Logits.of(merged, 1, 2, 3)).containsExactly(Logits.of(model, 1, 2, 3), within(1e-4f));
        CausalLM bare = changed(model, UnaryOperator.identity(), _ -> null);
        assertThat(Logits.of(bare, 1, 2, 3)[0]).isNotCloseTo(Logits.of(model, 1, 2, 3)[0], within(1e-2f));
    }

    private static CausalLM model(ModelConfig config, double larger) {
        Random random = new Random(1);
        // Larger than initial weights, so that nothing is close to linear.
        CausalLM model = CausalLM.create(config, 1, DType.F32);
        return changed(model, part -> moved(part, noise(part, random), larger), model::adapter);
    }

    private static float[] noise(Object part, Random random) {
        int size = part instanceof Matrix matrix ? (int) matrix.parameters() : ((float[]) part).length;
        float[] noise = new float[size];
        for (int i = 0; i < noise.length; i++) {
            noise[i] = (float) (0.2 * random.nextGaussian());
        }
        return noise;
    }

    @ParameterizedTest
    @MethodSource("models")
    void gradientsAreTheSlopesOfTheLoss(CausalLM model) {
        Random random = new Random(4);
        int length = Math.min(70, model.contextLength());
        List<int[]> tokens = List.of(
                random.ints(length, 0, VOCABULARY).toArray(),
                random.ints(5, 0, VOCABULARY).toArray());
        int[] targets = random.ints(length + 5L, 0, VOCABULARY).toArray();
        targets[3] = -100;
        Pass pass = Pass.of(model, tokens, targets, Activations.forTraining(0, Activations.Keep.BLOCKS), DROPOUT);
        for (Map.Entry<String, Object> named : Pass.parts(model).entrySet()) {
            String name = named.getKey();
            float[] gradient = pass.gradient(name);
            // Half along the gradient, where the slope is steep, half anywhere.
            float[] direction = noise(named.getValue(), random);
            double size = norm(direction);
            double steepness = norm(gradient);
            double slope = 0;
            for (int i = 0; i < direction.length; i++) {
                direction[i] = (float) (direction[i] / size + gradient[i] / Math.max(steepness, 1e-6));
                slope += (double) direction[i] * gradient[i];
            }
            if (name.contains("decay") && named.getValue() instanceof float[] rates) { // the gradient is by logarithms
                for (int i = 0; i < direction.length; i++) {
                    direction[i] *= rates[i];
                }
            }
            double step = STEP / (1 + steepness);
            double tolerance = 2e-4 + 4e-3 * Math.abs(slope);
            double measured = slope(model, named.getValue(), direction, step / 2, tokens, targets);
            if (Math.abs(measured - slope) > tolerance / 2) {
                // Richardson extrapolation: the error of second order cancels.
                double wide = slope(model, named.getValue(), direction, step, tokens, targets);
                measured = (4 * measured - wide) / 3;
            }
            assertThat(measured).as(name).isCloseTo(slope, within(tolerance));
            if (!name.contains("qkv")) {
                assertThat(steepness).as(name).isGreaterThan(1e-3);
            }
        }
    }

    private static double norm(float[] x) {
        double sum = 0;
        for (float value : x) {
            sum += (double) value * value;
        }
        return Math.sqrt(sum);
    }

    private static double slope(
            CausalLM model, Object moving, float[] direction, double step, List<int[]> tokens, int[] targets) {
        double difference = loss(model, moving, direction, step, tokens, targets)
                - loss(model, moving, direction, -step, tokens, targets);
        return difference / (2 * step);
    }

    private static double loss(
            CausalLM model, Object moving, float[] direction, double step, List<int[]> tokens, int[] targets) {
        CausalLM other = changed(
                model, part -> Objects.equals(part, moving) ? moved(part, direction, step) : part, model::adapter);
        List<Batch.Chunk> chunks = new ArrayList<>();
        tokens.forEach(sequence -> chunks.add(new Batch.Chunk(other.newCache(), sequence)));
        Activations activations = new Activations();
        activations.use(DROPOUT);
        return other.head()
                .loss(other.forward(new Batch(chunks), activations), targets, LossOptions.DEFAULT)
                .loss();
    }

    private static Object moved(Object part, float[] direction, double step) {
        if (part instanceof float[] vector) {
            float[] numbers = vector.clone();
            for (int i = 0; i < numbers.length; i++) {
                numbers[i] += (float) (step * direction[i]);
            }
            return numbers;
        }
        Matrix matrix = (Matrix) part;
        int cols = matrix.cols();
        return Matrix.of(Device.shared(), DType.F32, matrix.rows(), cols, (n, row) -> {
            matrix.row(n, row, 0);
            for (int k = 0; k < cols; k++) {
                row[k] += (float) (step * direction[n * cols + k]);
            }
        });
    }
}
