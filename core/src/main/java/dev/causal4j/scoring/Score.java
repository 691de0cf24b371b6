package dev.causal4j.scoring;

import dev.causal4j.head.Prediction;
import dev.causal4j.json.Sha256;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * The score of one text. Thread-safe while its array is not modified.
 *
 * @param tokens the text, without its prefix
 * @param pieces the text of each token: whole characters; empty strings for a model without a tokenizer
 * @param predictions of the scored tokens, in their order: all tokens, or all but the first if nothing precedes it;
 *     none only if there is no token
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

    /** Whether each scored token is the likeliest one at its place. */
    public boolean isGreedy() {
        return predictions.stream().allMatch(each -> each.rank() == 0);
    }

    /** exp(nll / scoredTokens). */
    public double perplexity() {
        return totals.perplexity().orElseThrow();
    }

    /**
     * The digest of the log-probabilities of the scored tokens. It is equal however the text was computed, so a
     * difference of one bit in one of them shows.
     */
    public String bits() {
        return bits(predictions);
    }

    /** {@code sha256:} and the SHA-256 of the log-probabilities of predictions, as big-endian doubles. */
    public static String bits(List<Prediction> predictions) {
        ByteBuffer bytes = ByteBuffer.allocate(Double.BYTES * predictions.size());
        predictions.forEach(each -> bytes.putDouble(each.logProbability()));
        return Sha256.NAME + Sha256.hex(bytes.array());
    }

    /**
     * Sums over scored tokens of one or many texts. Immutable. The perplexity of many texts is computed from their
     * summed totals, so every token weighs the same; it is not a mean of perplexities.
     *
     * @param nll minus the sum of the natural logarithms of the scored tokens' probabilities
     * @param scoredTokens how many
     * @param scoredBytes bytes of UTF-8 that they stand for; 0 for a model without a tokenizer
     */
    public record Totals(double nll, long scoredTokens, long scoredBytes) {
        /** The empty sum. */
        public static final Totals ZERO = new Totals(0, 0, 0);

        /** The sum of both. */
        public Totals plus(Totals other) {
            return new Totals(nll + other.nll, scoredTokens + other.scoredTokens, scoredBytes + other.scoredBytes);
        }

        /** -nll / scoredTokens; not a number for no tokens. */
        public double meanLogProbability() {
            return -nll / scoredTokens;
        }

        /** exp(nll / scoredTokens); empty for no tokens, infinite where a double cannot hold it. */
        public OptionalDouble perplexity() {
            return scoredTokens == 0 ? OptionalDouble.empty() : OptionalDouble.of(StrictMath.exp(nll / scoredTokens));
        }

        /** nll / ln 2 / scoredBytes; empty for no bytes. */
        public OptionalDouble bitsPerByte() {
            return scoredBytes == 0 ? OptionalDouble.empty() : OptionalDouble.of(nll / StrictMath.log(2) / scoredBytes);
        }
    }
}
