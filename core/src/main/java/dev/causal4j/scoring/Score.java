package dev.causal4j.scoring;

import dev.causal4j.head.Prediction;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * The score of one text. Thread-safe while its array is not modified. Scores are equal if their values are.
 *
 * @param tokens the text, without its prefix
 * @param pieces the text of each token: whole characters; empty strings for a model without a tokenizer
 * @param predictions of the scored tokens, in their order: all tokens, or all but the first if nothing precedes it
 * @param totals sums over the scored tokens
 */
public record Score(int[] tokens, List<String> pieces, List<Prediction> predictions, Totals totals) {
    public Score {
        pieces = List.copyOf(pieces);
        predictions = List.copyOf(predictions);
    }

    /** The prediction of token i; empty for a first token without a prefix. */
    public Optional<Prediction> prediction(int i) {
        int unscored = tokens.length - predictions.size();
        return i < unscored ? Optional.empty() : Optional.of(predictions.get(i - unscored));
    }

    /** Minus the natural logarithm of the scored tokens' probability. */
    public double nll() {
        return totals.nll();
    }

    /** How many tokens have a prediction; at least 1. */
    public int scoredTokens() {
        return predictions.size();
    }

    /** exp(nll / scoredTokens). */
    public double perplexity() {
        return totals.perplexity().orElseThrow();
    }

    /** nll / ln 2 / bytes of the scored tokens; empty for a model without a tokenizer. */
    public OptionalDouble bitsPerByte() {
        return totals.bitsPerByte();
    }
}
