package dev.causal4j.training;

/** The schedule of the learning rate. Immutable. */
public sealed interface LearningRate {
    /**
     * The rate of a step.
     *
     * @param step 0 for the first
     */
    double at(long step);

    /** One rate for all steps. */
    record Constant(double rate) implements LearningRate {
        /** @throws IllegalArgumentException if the rate is not a finite number of at least 0 */
        public Constant {
            TrainingOptions.notNegative("learning rate", rate);
        }

        @Override
        public double at(long step) {
            return rate;
        }
    }

    /**
     * Linear warm-up, then half a cosine down: peak (step + 1) / warmupSteps, and after that minimum + (peak - minimum)
     * (1 + cos(pi p)) / 2, where p goes from 0 at the end of the warm-up to 1 at {@code totalSteps} and stays there
     * (Loshchilov and Hutter 2017).
     */
    record WarmupCosine(double peak, double minimum, long warmupSteps, long totalSteps) implements LearningRate {
        /** @throws IllegalArgumentException if a rate is negative or not finite, or the warm-up not 0 to totalSteps */
        public WarmupCosine {
            TrainingOptions.notNegative("peak learning rate", peak);
            TrainingOptions.notNegative("minimum learning rate", minimum);
            if (warmupSteps < 0 || totalSteps < 1 || warmupSteps > totalSteps) {
                throw new IllegalArgumentException(
                        "warm-up: expected 0 to " + totalSteps + " steps of at least 1, got " + warmupSteps);
            }
        }

        @Override
        public double at(long step) {
            if (step < warmupSteps) {
                return peak * (step + 1) / warmupSteps;
            }
            if (step >= totalSteps) {
                return minimum;
            }
            double progress = (double) (step - warmupSteps) / (totalSteps - warmupSteps);
            return minimum + (peak - minimum) * (1 + StrictMath.cos(Math.PI * progress)) / 2;
        }
    }
}
