package dev.causal4j.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.decoder.Dropout;
import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorView;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Gradient;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The other losses of the head, and the scaled gradient of its input, against PyTorch in float64. */
class HeadLossesGoldenTest {
    private static int[] integers(JsonNode array) {
        return array.valueStream().mapToInt(JsonNode::intValue).toArray();
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2-tied", "gpt2-untied"})
    void lossAndGradientsAreThoseOfDoublePrecision(String name) throws Exception {
        Path folder = Path.of(Objects.requireNonNull(getClass().getResource("/dev/causal4j/golden/" + name))
                .toURI());
        JsonNode head = JsonMapper.shared().readTree(Files.readString(folder.resolve("head-losses.json")));
        JsonNode rows = JsonMapper.shared().readTree(Files.readString(folder.resolve("golden.json")));
        TensorStore expected = SafeTensors.open(folder.resolve("head-losses.safetensors"), Arena.ofAuto());
        List<Example> batch = IntStream.range(0, rows.get("tokens").size())
                .mapToObj(i -> new Example(
                        integers(rows.get("tokens").get(i)),
                        integers(rows.get("targets").get(i))))
                .toList();
        HeadOptions losses = new HeadOptions(
                head.get("input_gradient_scale").doubleValue(),
                head.get("z_loss").doubleValue(),
                head.get("mu_loss").doubleValue(),
                HeadOptions.NEVER,
                HeadOptions.NEVER);
        TrainingOptions options =
                TrainingOptions.DEFAULT.withBatchSize(batch.size()).withMicroBatchSize(2);

        try (CausalLM model = CausalLM.load(folder, DType.F32);
                TrainableModel trainable = new TrainableModel(model, false, new TrainingScope.All(), 0)) {
            double loss =
                    new LossComputation(trainable, options.withHead(losses)).addGradients(batch, Dropout.NONE, 0, 0);
            assertThat(loss).isCloseTo(head.get("loss").doubleValue(), within(2e-6));
            CausalLMHead trained = trainable.model.head();
            assertClose(trainable.gradients.of(trained.embedding()), expected.tensor("grad.wte.weight"));
            if (!trained.tied()) {
                assertClose(trainable.gradients.of(trained.projection()), expected.tensor("grad.lm_head.weight"));
            }
        }
    }

    private static void assertClose(@Nullable Gradient gradient, TensorView expected) {
        float[] truth = expected.toArray();
        float[] row = new float[Objects.requireNonNull(gradient).cols()];
        double largest = 0;
        double worst = 0;
        for (int i = 0; i < truth.length; i++) {
            gradient.row(i / row.length, row, 0);
            largest = Math.max(largest, Math.abs(truth[i]));
            worst = Math.max(worst, Math.abs((double) row[i % row.length] - truth[i]));
        }
        assertThat(largest).isPositive();
        assertThat(worst).isLessThanOrEqualTo(1e-5 * largest);
    }
}
