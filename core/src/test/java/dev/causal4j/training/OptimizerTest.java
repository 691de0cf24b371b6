package dev.causal4j.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.decoder.Dropout;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tensor.DType;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/** Ten steps of AdamW, clipped to a norm of 1, against PyTorch in double precision. */
class OptimizerTest {
    @ParameterizedTest
    @CsvSource({"gpt2-tied,3", "gpt2-tied,1", "gpt2-untied,2", "gpt2-odd,3"})
    void tenLossesAndGradientNormsAreThoseOfDoublePrecision(String name, int partSize) throws Exception {
        train(name, partSize, 10, 1e-6, 1e-5);
    }

    /** The tolerances are PyTorch's own differences between single and double precision. */
    @ParameterizedTest
    @MethodSource("dev.causal4j.model.FamiliesTest#fewTrained")
    void tenLossesOfEveryFamilyAreThoseOfDoublePrecision(String name) throws Exception {
        train(name, 2, STEADY.getOrDefault(name, 10), 5e-5, 1e-3);
    }

    /**
     * The number of steps before rounding shows. PyTorch in single precision departs from double precision as early
     * with Gemma 4. With Qwen 3.5, weights that differ only in last bits diverge as fast (the norm of step 6 by 6 %).
     */
    private static final Map<String, Integer> STEADY =
            Map.of("gemma4", 5, "gemma4-moe", 3, "gemma4-e2b", 1, "qwen3_5", 4, "qwen3_5_moe", 2);

    private static void train(String name, int partSize, int steady, double lossTolerance, double normTolerance)
            throws Exception {
        Path folder = folder(name);
        JsonNode golden = new ObjectMapper().readTree(Files.readAllBytes(folder.resolve("golden.json")));
        TrainableModel trainable =
                new TrainableModel(CausalLM.load(folder, DType.F32), true, new TrainingScope.All(), 0);
        LossComputation computation =
                new LossComputation(trainable, TrainingOptions.DEFAULT.withMicroBatchSize(partSize));
        List<Example> batch = batch(golden);
        double[] losses = numbers(golden.get("training").get("losses"));
        double[] norms = numbers(golden.get("training").get("grad_norms_before_clipping"));
        for (int step = 0; step < 10; step++) {
            double loss = computation.addGradients(batch, Dropout.NONE, 0, step);
            double norm = trainable.gradientNorm();
            double tolerance = step < steady ? lossTolerance : 0.05;
            assertThat(loss).as("loss of step %d", step).isCloseTo(losses[step], within(tolerance * losses[step]));
            if (step < steady) {
                assertThat(norm)
                        .as("norm of step %d", step)
                        .isCloseTo(norms[step], within(normTolerance * norms[step]));
            }
            trainable.update(AdamW.DEFAULT, step + 1, 1e-3, Math.min(1, 1 / (norm + 1e-6)));
        }
    }

    static Path folder(String name) throws URISyntaxException {
        return Path.of(Objects.requireNonNull(OptimizerTest.class.getResource("/dev/causal4j/golden/" + name))
                .toURI());
    }

    private static List<Example> batch(JsonNode golden) {
        List<Example> rows = new ArrayList<>();
        for (JsonNode row : golden.get("tokens")) {
            rows.add(new Example(integers(row), integers(golden.get("targets").get(rows.size()))));
        }
        return rows;
    }

    private static int[] integers(JsonNode array) {
        return array.valueStream().mapToInt(JsonNode::intValue).toArray();
    }

    private static double[] numbers(JsonNode array) {
        return array.valueStream().mapToDouble(JsonNode::doubleValue).toArray();
    }
}
