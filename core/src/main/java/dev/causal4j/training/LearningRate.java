package dev.causal4j.training;

/**
 * The schedule of the learning rate: linear warm-up, then half a cosine down. The rate is peak (step + 1) /
 * warmupSteps, then minimum + (peak - minimum) (1 + cos(pi p)) / 2, where p rises from 0 at the end of the warm-up to 1
 * at {@code totalSteps} and stays there (Loshchilov and Hutter 2017). Immutable.
 */
public record LearningRate(double peak, double minimum, long warmupSteps, long totalSteps) {
    /**
     * @throws IllegalArgumentException if a rate is negative or not finite, the minimum above the peak, or the warm-up
     *     not 0 to totalSteps
     */
    public LearningRate {
        notNegative("peak learning rate", peak);
        notNegative("minimum learning rate", minimum);
        refuse(minimum > peak, "minimum learning rate: expected at most the peak of " + peak + ", got " + minimum);
        refuse(
                warmupSteps < 0 || totalSteps < 1 || warmupSteps > totalSteps,
                "warm-up: expected 0 to " + totalSteps + " steps of at least 1, got " + warmupSteps);
    }

    static void notNegative(String name, double value) {
        boolean right = value >= 0 && !Double.isInfinite(value);
        refuse(!right, name + ": expected a finite number of at least 0, got " + value);
    }

    static void atLeast(long least, String name, long value) {
        refuse(value < least, name + ": expected at least " + least + ", got " + value);
    }

    /** Throws if an option is wrong. */
    static void refuse(boolean wrong, String message) {
        if (wrong) {
            throw new IllegalArgumentException(message);
        }
    }

    /** One rate for all steps. */
    public static LearningRate constant(double rate) {
        return new LearningRate(rate, rate, 0, 1);
    }

    /**
     * The rate of a step.
     *
     * @param step 0 for the first
     */
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
