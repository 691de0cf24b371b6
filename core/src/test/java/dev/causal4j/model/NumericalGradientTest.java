package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.Dropout;
import dev.causal4j.decoder.LowRank;
import dev.causal4j.head.LossOptions;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every parameter's gradient against central differences of the loss along a direction, with dropout on: the masks are
 * functions of the step, so the loss is smooth.
 */
class NumericalGradientTest {
    private static final int VOCABULARY = 29;
    private static final double STEP = 1e-2;
    private static final Dropout DROPOUT = new Dropout(0.2, 0.3, 0.25, 5, 3, 2);

    /**
     * Odd sizes; scores divided by the layer too; a head wider than a panel; a sequence longer than a block of queries; layers
     * with adapters.
     */
    static Stream<CausalLM> models() {
        return Stream.of(
                model(new GPT2Shape(80, 15, 2, 3, 22, 1e-5f, true, true), true, 1),
                model(new GPT2Shape(9, 70, 2, 1, 31, 1e-5f, false, false), false, 0.4),
                adapted(model(new GPT2Shape(9, 15, 1, 3, 22, 1e-5f, true, false), true, 1)));
    }

    /** The model with an adapter in each linear layer. */
    static CausalLM adapted(CausalLM model) {
        Random random = new Random(8);
        return model.withAdapters(
                weight -> new LowRank(matrix(3, weight.cols(), random), matrix(weight.rows(), 3, random), 0.7f));
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
        CausalLM model = adapted(model(new GPT2Shape(9, 15, 2, 3, 22, 1e-5f, true, false), true, 1));
        CausalLM merged = model.merged();
        assertThat(merged.namedParameters()).hasSize(model.namedParameters().size() - 16);
        assertThat(model.parameters() - merged.parameters())
                .as("2 layers, rank 3, in + out of each linear layer")
                .isEqualTo(2 * 3 * ((15 + 45) + (15 + 15) + (15 + 22) + (22 + 15)));
        assertThat(Logits.of(merged, 1, 2, 3)).containsExactly(Logits.of(model, 1, 2, 3), within(1e-4f));
        CausalLM bare = model.withAdapters(weight -> null);
        assertThat(Logits.of(bare, 1, 2, 3)[0]).isNotCloseTo(Logits.of(model, 1, 2, 3)[0], within(1e-2f));
    }

    private static CausalLM model(GPT2Shape shape, boolean tied, double larger) {
        GPT2Config config = new GPT2Config(shape, VOCABULARY, tied, OptionalInt.empty(), Set.of());
        Random random = new Random(1);
        // Larger than initial weights, so that nothing is close to linear.
        return CausalLM.create(config, 1, DType.F32)
                .withParameters(parameter -> moved(parameter, noise(parameter, random), larger));
    }

    private static float[] noise(Parameter parameter, Random random) {
        float[] noise = new float[(int) parameter.size()];
        for (int i = 0; i < noise.length; i++) {
            noise[i] = (float) (0.2 * random.nextGaussian());
        }
        return noise;
    }

    @ParameterizedTest
    @MethodSource("models")
    void gradientsAreTheSlopesOfTheLoss(CausalLM model) {
        Random random = new Random(3);
        int length = Math.min(70, model.decoder().config().contextLength());
        List<int[]> tokens = List.of(
                random.ints(length, 0, VOCABULARY).toArray(),
                random.ints(5, 0, VOCABULARY).toArray());
        int[] targets = random.ints(length + 5L, 0, VOCABULARY).toArray();
        targets[3] = -100;
        Pass pass = Pass.of(model, tokens, targets, Activations.forTraining(0, Activations.Keep.BLOCKS), DROPOUT);
        for (Parameter parameter : model.namedParameters()) {
            float[] gradient = pass.gradient(parameter.name());
            // Half along the gradient, where the slope is steep, half anywhere.
            float[] direction = noise(parameter, random);
            double size = norm(direction);
            double steepness = norm(gradient);
            double slope = 0;
            for (int i = 0; i < direction.length; i++) {
                direction[i] = (float) (direction[i] / size + gradient[i] / Math.max(steepness, 1e-6));
                slope += (double) direction[i] * gradient[i];
            }
            double step = STEP / (1 + steepness);
            double difference = loss(model, parameter, direction, step, tokens, targets)
                    - loss(model, parameter, direction, -step, tokens, targets);
            assertThat(difference / (2 * step))
                    .as(parameter.name())
                    .isCloseTo(slope, within(1e-4 + 2e-3 * Math.abs(slope)));
            if (!parameter.name().contains("c_attn")) {
                assertThat(steepness).as(parameter.name()).isGreaterThan(1e-3);
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

    private static double loss(
            CausalLM model, Parameter parameter, float[] direction, double step, List<int[]> tokens, int[] targets) {
        CausalLM other = model.withParameters(p -> p.name().equals(parameter.name()) ? moved(p, direction, step) : p);
        List<Batch.Chunk> chunks = new ArrayList<>();
        tokens.forEach(sequence -> chunks.add(new Batch.Chunk(other.newCache(), sequence)));
        Activations activations = new Activations();
        activations.use(DROPOUT);
        return other.head()
                .loss(other.forward(new Batch(chunks), activations), targets, LossOptions.DEFAULT)
                .loss();
    }

    private static Parameter moved(Parameter parameter, float[] direction, double step) {
        return switch (parameter) {
            case Parameter.OfVector v -> {
                float[] numbers = v.numbers().clone();
                for (int i = 0; i < numbers.length; i++) {
                    numbers[i] += (float) (step * direction[i]);
                }
                yield v.with(numbers);
            }
            case Parameter.OfMatrix m -> {
                int rows = m.matrix().rows();
                int cols = m.matrix().cols();
                yield m.with(Matrix.of(Device.shared(), DType.F32, rows, cols, (n, row) -> {
                    m.matrix().row(n, row, 0);
                    for (int k = 0; k < cols; k++) {
                        row[k] += (float) (step * direction[m.transposed() ? k * rows + n : n * cols + k]);
                    }
                }));
            }
        };
    }
}
