package dev.causal4j.training;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Dropout;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class LossComputationTest {
    private static final int VOCABULARY = 41;

    @Test
    void microBatchesChangeNoBitOfALossOrAHeldOutLoss() throws Exception {
        Tokens tokens = Tokens.of(
                VOCABULARY,
                new SplittableRandom(5).ints(24 * 13 + 1, 0, VOCABULARY).toArray());
        Examples examples = Examples.windows(tokens, 13, 1);
        List<List<Double>> all = new ArrayList<>();
        for (int size : new int[] {8, 4, 3, 1}) {
            TrainableModel trainable = new TrainableModel(
                    CausalLM.create(SmallModels.gpt2(VOCABULARY, 17, 21, 2, 3), 4, DType.F32),
                    true,
                    new TrainingScope.All(),
                    0);
            LossComputation computation =
                    new LossComputation(trainable.model, trainable.gradients, size, Activations.Keep.BLOCKS);
            List<Double> losses = new ArrayList<>();
            for (int step = 0; step < 3; step++) {
                List<Example> batch = new ArrayList<>();
                for (int i = 0; i < 8; i++) {
                    batch.add(examples.example(8L * step + i));
                }
                losses.add(computation.addGradients(batch, Dropout.rates(0.1, 0.1, 0.1), 3, step));
                double norm = trainable.gradientNorm();
                trainable.update(AdamW.DEFAULT, step + 1, 1e-3, Math.min(1, 1 / (norm + 1e-6)));
                losses.add(computation.evaluate(examples, 23, _ -> {}));
            }
            all.add(losses);
        }
        assertThat(all).hasSize(4).containsOnly(all.getFirst());
    }
}
