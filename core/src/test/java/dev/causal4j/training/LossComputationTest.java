package dev.causal4j.training;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.causal4j.compute.Compute;
import dev.causal4j.decoder.Dropout;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class LossComputationTest {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final int VOCABULARY = 41;

    /** 2 heads of 128 x 128 numbers: the state of a position takes 128 KB, more than the rest of a position. */
    @Test
    void aRecurrenceKeepsFewStates() throws Exception {
        int threads = Compute.shared().threads();
        Compute.shared().use(1); // all on this thread, whose bytes are counted
        TrainableModel trainable = new TrainableModel(
                CausalLM.create(SmallModels.config("""
                {"model_type": "qwen3_5_text", "vocab_size": 41, "hidden_size": 16, "num_hidden_layers": 1,
                 "num_attention_heads": 1, "num_key_value_heads": 1, "intermediate_size": 16, "head_dim": 16,
                 "max_position_embeddings": 512, "layer_types": ["linear_attention"], "linear_conv_kernel_dim": 4,
                 "linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_num_key_heads": 2,
                 "linear_num_value_heads": 2, "rms_norm_eps": 1e-6, "rope_theta": 10000.0}"""), 4, DType.F32), true, new TrainingScope.All(), 0);
        LossComputation computation = new LossComputation(trainable, TrainingOptions.DEFAULT.withMicroBatchSize(1));
        try {
            long states = 128L * 2 * 128 * 128 * Float.BYTES; // the states of the positions by which the lengths differ
            long least = Long.MAX_VALUE; // vectors are objects until they are compiled
            for (int run = 0; run < 10 && least > states / 2; run++) {
                least = Math.min(least, bytes(computation, 256) - bytes(computation, 128));
            }
            assertThat(least).isLessThan(states / 2);
        } finally {
            Compute.shared().use(threads);
        }
    }

    private static long bytes(LossComputation computation, int length) {
        long before = THREADS.getCurrentThreadAllocatedBytes();
        computation.addGradients(List.of(new Example(new int[length], new int[length])), Dropout.NONE, 0, 0);
        return THREADS.getCurrentThreadAllocatedBytes() - before;
    }

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
                    new LossComputation(trainable, TrainingOptions.DEFAULT.withMicroBatchSize(size));
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
