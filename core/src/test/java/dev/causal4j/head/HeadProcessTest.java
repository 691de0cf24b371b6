package dev.causal4j.head;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.JavaProcess;
import dev.causal4j.Whole;
import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.Matrix;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** A head needs little memory, measured in a JVM of its own. */
class HeadProcessTest {
    /** The logits of all rows would be 206 MB. */
    @Test
    @EnabledIfSystemProperty(named = Whole.PROPERTY, matches = "true")
    void aSmallHeapIsEnoughForManyRows() throws IOException, InterruptedException {
        List<String> flags = List.of(
                JavaProcess.VECTORS,
                "-Dcausal4j.kernels=vector",
                "-XX:+UseSerialGC",
                "-Xmx100m",
                "-Dcausal4j.memory=16m");
        assertThat(JavaProcess.run(0, flags, ManyRows.class)).contains("scored 1024, trained 1024");
    }

    static final class ManyRows {
        private ManyRows() {}

        public static void main(String[] args) {
            Device device = Device.open(Compute.shared()); // its memory counts
            Matrix weights = Fixture.head(DType.F32, 50_257, 2, 1).projection().widened(device);
            CausalLMHead head = CausalLMHead.tied(weights);
            Rows hidden = Fixture.rows(1024, 2, 2);
            int[] targets = Fixture.tokens(1024, 50_257, 3);
            LogProbabilities scores = head.logProbabilities(hidden, targets, true, 5);
            Rows dHidden = Rows.of(new float[1024 * 2], 2, 1024);
            Gradient gradient = Gradient.of(device, weights);
            Loss loss =
                    head.lossAndGradients(hidden, targets, LossOptions.DEFAULT, dHidden, gradient, new Loss.Scratch());
            System.out.println("scored " + scores.ranks().length + ", trained " + loss.targets());
        }
    }
}
