package dev.causal4j.head;

/**
 * A token that may come next.
 *
 * @param token its id
 * @param logit its unnormalised score
 * @param logProbability natural logarithm of its probability among all tokens
 */
public record Candidate(int token, float logit, double logProbability) {
    /** Its probability. */
    public double probability() {
        return StrictMath.exp(logProbability);
    }
}
