package dev.causal4j.generation;

import dev.causal4j.compute.Rows;
import dev.causal4j.head.Candidate;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.head.LogProbabilities;
import java.util.ArrayList;
import java.util.List;

/**
 * What a model thought of a token that came: how likely it was, and which were likelier. Immutable. It speaks of the
 * model's own distribution, the softmax of its logits over the whole vocabulary; temperature, penalties and other
 * rules of sampling play no part.
 *
 * @param token its id
 * @param logProbability natural logarithm of its probability; -infinity if that is 0
 * @param rank how many tokens were likelier; among equal logits the lower id counts as likelier
 * @param alternatives the likeliest tokens, best first, the token itself perhaps among them; as many as were asked for
 */
public record Prediction(int token, double logProbability, int rank, List<Alternative> alternatives) {
    public Prediction {
        alternatives = List.copyOf(alternatives);
    }

    /**
     * One prediction for each row.
     *
     * @param hidden [N, D]
     * @param tokens [N] what came after each row
     * @throws ArithmeticException if a row's logits are not numbers
     */
    public static List<Prediction> of(CausalLMHead head, Rows hidden, int[] tokens, int alternatives) {
        LogProbabilities found = head.logProbabilities(hidden, tokens, false, alternatives);
        List<Prediction> predictions = new ArrayList<>(tokens.length);
        for (int i = 0; i < tokens.length; i++) {
            double logNormalizer = found.logNormalizers()[i];
            List<Alternative> top = new ArrayList<>(alternatives);
            for (Candidate candidate : found.alternatives().get(i)) {
                top.add(new Alternative(candidate.token(), candidate.logit() - logNormalizer));
            }
            predictions.add(new Prediction(tokens[i], found.logProbabilities()[i], found.ranks()[i], top));
        }
        return predictions;
    }

    /** Its probability. */
    public double probability() {
        return StrictMath.exp(logProbability);
    }

    /** -log2 of its probability, in bits. */
    public double surprisal() {
        return (0 - logProbability) / StrictMath.log(2);
    }

    /** The first alternatives; fewer than {@code most} where fewer were asked for. */
    public List<Alternative> alternatives(int most) {
        return alternatives.subList(0, Math.min(most, alternatives.size()));
    }

    /** The same with the first {@code count} alternatives. */
    Prediction withAlternatives(int count) {
        return new Prediction(token, logProbability, rank, alternatives(count));
    }
}
