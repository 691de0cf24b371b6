package dev.causal4j.head;

import java.util.List;

/**
 * Log-probability and rank of one token under the model's own distribution, before temperature and other sampling
 * rules. Immutable.
 *
 * @param token its id
 * @param logProbability natural logarithm of its probability; -infinity for probability 0
 * @param rank how many tokens are likelier; among equal logits the lower id counts as likelier
 * @param alternatives the likeliest tokens, best first, perhaps with the token itself; as many as were requested
 */
public record Prediction(int token, double logProbability, int rank, List<Candidate> alternatives) {
    public Prediction {
        alternatives = List.copyOf(alternatives);
    }

    /** The probability of the token. */
    public double probability() {
        return StrictMath.exp(logProbability);
    }

    /** The first alternatives; fewer than {@code most} where fewer were requested. */
    public List<Candidate> alternatives(int most) {
        return alternatives.subList(0, Math.min(most, alternatives.size()));
    }
}
