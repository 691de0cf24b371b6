package dev.causal4j.training;

import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.model.ModelConfig;

/**
 * The parameters that are trained. Frozen ones need no gradient or optimizer state, and the backward pass stops at the
 * lowest trained layer. Immutable. Checkpoints store the text of their scope ({@link Object#toString}), so the names
 * and order of components must not change.
 */
public sealed interface TrainingScope {
    /** Whether a parameter of a model is trained. */
    @SuppressWarnings("exports") // the decoder is for modules of ours
    default boolean includes(ParameterSpec spec, ModelConfig model) {
        return spec.role() != Role.BUFFER
                && switch (this) {
                    case All _ -> true;
                    case Head _ -> spec.role() == (model.tied() ? Role.EMBEDDING : Role.PROJECTION);
                    case LastLayers(int count) ->
                        spec.layer() == ParameterSpec.NO_LAYER
                                ? spec.module().equals("norm")
                                : spec.layer() >= model.decoder().blocks().size() - count;
                    case LowRank _ -> false;
                };
    }

    /** Low-rank additions to attention and feed-forward layers, scaled by 2: alpha is twice the rank. */
    static LowRank lowRank(int rank) {
        return new LowRank(rank, 2.0 * rank, true, true);
    }

    /** Everything. */
    record All() implements TrainingScope {}

    /**
     * The head's projection. In a tied model it is also the embedding. The gradient then has both parts, so the
     * backward passes all layers.
     */
    record Head() implements TrainingScope {}

    /**
     * The last layers and the last norm.
     *
     * @param count how many, at least 1
     */
    record LastLayers(int count) implements TrainingScope {
        /** @throws IllegalArgumentException if it is less than 1 */
        public LastLayers {
            LearningRate.atLeast(1, "layers to train", count);
        }
    }

    /**
     * Low-rank additions to frozen linear layers (Hu et al. 2021, "LoRA"). A saved model has the sum. The first factor
     * starts uniform in ±1 / sqrt(in), as in PEFT, the second with zeros: at first the model is unchanged.
     *
     * @param rank at least 1
     * @param alpha the addition is scaled by alpha / rank
     * @param attention whether the layers of attention, or of the mixer that replaces it, get one
     * @param feedForward whether feed-forward layers get one
     */
    record LowRank(int rank, double alpha, boolean attention, boolean feedForward) implements TrainingScope {
        /** @throws IllegalArgumentException if the rank is less than 1, alpha is not positive, or no layer gets one */
        public LowRank {
            LearningRate.refuse(
                    rank < 1 || !(alpha > 0) || Double.isInfinite(alpha),
                    "low rank: expected a rank of at least 1 and a positive alpha, got " + rank + " and " + alpha);
            LearningRate.refuse(
                    !attention && !feedForward,
                    "low rank: expected layers to add to, got neither attention nor feed-forward");
        }

        /** Whether the linear layer of a weight gets an addition. */
        boolean adapts(ParameterSpec weight) {
            return switch (weight.role()) {
                case QUERY_KEY_VALUE, ATTENTION_OUT, MIXER_IN, MIXER_OUT -> attention;
                case UP, DOWN -> feedForward;
                default -> false;
            };
        }
    }
}
