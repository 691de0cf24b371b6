package dev.causal4j.generation;

/**
 * A token that could have come, too.
 *
 * @param token its id
 * @param logProbability its natural logarithm of probability
 */
public record Alternative(int token, double logProbability) {
    /** Its probability. */
    public double probability() {
        return StrictMath.exp(logProbability);
    }
}
