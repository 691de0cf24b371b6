package dev.causal4j.training;

import dev.causal4j.model.Parameter;

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
}
