package dev.causal4j.training;

import dev.causal4j.decoder.Role;
import dev.causal4j.kernel.CounterRandom;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.Parameter;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Matrix;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * What of a model is trained; the rest is frozen and costs neither gradients nor moments, nor a backward below the lowest
 * layer that is trained. Immutable.
 */
public sealed interface Trained {
    /**
     * Whether a parameter is trained.
     *
     * @param layers how many the model has
     * @param tied whether its head's projection is its embedding
     */
    boolean includes(Parameter parameter, int layers, boolean tied);

    /** The model with what is to be trained added to it, which is nothing but for {@link LowRank}. */
    default CausalLM prepare(CausalLM model, long seed) {
        return model;
    }

    /** Whether what is trained is added to a model that a checkpoint holds only the sum of. */
    default boolean addsToModel() {
        return false;
    }

    /** Everything. */
    record All() implements Trained {
        @Override
        public boolean includes(Parameter parameter, int layers, boolean tied) {
            return true;
        }
    }

    /**
     * The projection of the head alone. Of a tied model that is the embedding too, whose gradient has both its parts, so the
     * backward still passes all layers.
     */
    record Head() implements Trained {
        @Override
        public boolean includes(Parameter parameter, int layers, boolean tied) {
            return parameter.name().equals(tied ? "wte.weight" : "lm_head.weight");
        }
    }

    /**
     * The last layers and the last norm.
     *
     * @param count how many, at least 1
     */
    record LastLayers(int count) implements Trained {
        /** @throws IllegalArgumentException if it is less than 1 */
        public LastLayers {
            if (count < 1) {
                throw new IllegalArgumentException("layers to train: expected at least 1, got " + count);
            }
        }

        @Override
        public boolean includes(Parameter parameter, int layers, boolean tied) {
            String[] parts = parameter.name().split("\\.", -1);
            if (parts[0].equals("h")) {
                return Integer.parseInt(parts[1]) >= layers - count;
            }
            return parts[0].equals("ln_f");
        }
    }

    /**
     * Low-rank additions to linear layers, whose own weights are frozen (Hu et al. 2021, "LoRA"). What is saved is the sum.
     * The first factor begins uniform in ±1 / sqrt(in), as PEFT's does, the second with zeros: the model begins unchanged.
     *
     * @param rank at least 1
     * @param alpha the addition is scaled by alpha / rank
     * @param attention whether those of attention get one
     * @param feedForward whether those of the feed-forward layers get one
     */
    record LowRank(int rank, double alpha, boolean attention, boolean feedForward) implements Trained {
        private static final long FIRST_STREAM = 0x6c6f7261_00000000L; // "lora"

        /** @throws IllegalArgumentException if the rank is less than 1, alpha is not positive, or no layer gets one */
        public LowRank {
            if (rank < 1 || !(alpha > 0) || Double.isInfinite(alpha)) {
                throw new IllegalArgumentException(
                        "low rank: expected a rank of at least 1 and a positive alpha, got " + rank + " and " + alpha);
            }
            if (!attention && !feedForward) {
                throw new IllegalArgumentException(
                        "low rank: expected layers to add to, got neither attention nor feed-forward");
            }
        }

        @Override
        public boolean includes(Parameter parameter, int layers, boolean tied) {
            return parameter.kind() == Parameter.Kind.ADAPTER;
        }

        @Override
        public CausalLM prepare(CausalLM model, long seed) {
            AtomicInteger layer = new AtomicInteger();
            return model.withAdapters(weight -> {
                long stream = FIRST_STREAM + layer.getAndIncrement();
                boolean inAttention = weight.role() == Role.QUERY_KEY_VALUE || weight.role() == Role.ATTENTION_OUT;
                return (inAttention ? attention : feedForward)
                        ? begin(model.decoder().matrix(weight), seed, stream)
                        : null;
            });
        }

        private dev.causal4j.decoder.LowRank begin(Matrix weight, long seed, long stream) {
            int cols = weight.cols();
            double bound = 1 / Math.sqrt(cols);
            Matrix down = Matrix.of(weight.device(), DType.F32, rank, cols, (n, row) -> {
                for (int k = 0; k < cols; k++) {
                    row[k] = (float) (bound * (2 * CounterRandom.uniform(seed, (long) n * cols + k, stream) - 1));
                }
            });
            Matrix up = Matrix.of(weight.device(), DType.F32, weight.rows(), rank, (n, row) -> {});
            return new dev.causal4j.decoder.LowRank(down, up, (float) (alpha / rank));
        }

        @Override
        public boolean addsToModel() {
            return true;
        }
    }
}
