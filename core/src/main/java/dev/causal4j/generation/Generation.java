package dev.causal4j.generation;

import dev.causal4j.head.Prediction;
import java.util.List;

/**
 * The result of one request. Immutable while its arrays are not modified.
 *
 * @param promptTokens the prompt, with the BOS token if it was empty
 * @param tokens the new tokens, including the one that ended the sequence
 * @param pieces the text of each new token: whole characters, without an end-of-sequence token and up to a stop string;
 *     empty strings for a model without a tokenizer
 * @param predictions log-probability and rank of each new token, if {@link GenerationOptions.Builder#logProbabilities}
 *     is set; else empty
 * @param finishReason why it ended
 * @param seed the seed it was drawn with
 * @param timing timing of all sequences of the call
 */
public record Generation(
        int[] promptTokens,
        int[] tokens,
        List<String> pieces,
        List<Prediction> predictions,
        FinishReason finishReason,
        long seed,
        Timing timing) {

    public Generation {
        pieces = List.copyOf(pieces);
        predictions = List.copyOf(predictions);
    }

    /** All pieces together. */
    public String text() {
        return String.join("", pieces);
    }

    /**
     * Times of all sequences of one call.
     *
     * @param prefillTokens prompt tokens
     * @param prefillSeconds time of the steps that computed prompt tokens, including each sequence's first new token
     * @param decodedTokens tokens of the other steps
     * @param decodeSeconds of the other steps
     */
    public record Timing(int prefillTokens, double prefillSeconds, int decodedTokens, double decodeSeconds) {
        Timing plus(int prefilled, double prefilling, int decoded, double decoding) {
            return new Timing(
                    prefillTokens + prefilled,
                    prefillSeconds + prefilling,
                    decodedTokens + decoded,
                    decodeSeconds + decoding);
        }

        /** Prompt tokens a second; 0 for none. */
        public double prefillTokensPerSecond() {
            return rate(prefillTokens, prefillSeconds);
        }

        /** Tokens after each sequence's first, a second; 0 for none. */
        public double decodeTokensPerSecond() {
            return rate(decodedTokens, decodeSeconds);
        }

        private static double rate(int tokens, double seconds) {
            return tokens > 0 && seconds > 0 ? tokens / seconds : 0;
        }
    }
}
