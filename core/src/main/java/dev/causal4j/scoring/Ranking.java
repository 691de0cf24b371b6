package dev.causal4j.scoring;

import dev.causal4j.scoring.Score.Totals;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The scores of several continuations of one prompt. Immutable.
 *
 * @param choices a score for each continuation, in the given order; all their tokens are scored
 */
public record Ranking(List<Score> choices) {
    public Ranking {
        choices = List.copyOf(choices);
    }

    /**
     * The log-probability of a choice after normalization.
     *
     * @throws IllegalStateException if the normalization is per byte and the model has no tokenizer
     */
    public double logProbability(int choice, Normalization normalization) {
        Totals totals = choices.get(choice).totals();
        double sum = 0 - totals.nll();
        return switch (normalization) {
            case SUM -> sum;
            case PER_TOKEN -> sum / totals.scoredTokens();
            case PER_BYTE -> {
                if (totals.scoredBytes() == 0) {
                    throw new IllegalStateException("bytes: expected a model with a tokenizer, got one without");
                }
                yield sum / totals.scoredBytes();
            }
        };
    }

    /** Indexes of the choices, the likeliest first; ties in the given order. */
    public List<Integer> order(Normalization normalization) {
        return IntStream.range(0, choices.size())
                .boxed()
                .sorted(Comparator.comparingDouble((Integer i) -> logProbability(i, normalization))
                        .reversed())
                .toList();
    }
}
