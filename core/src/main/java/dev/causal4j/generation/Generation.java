package dev.causal4j.generation;

import dev.causal4j.head.Prediction;
import java.nio.IntBuffer;
import java.util.List;

/**
 * The result of one request. Results are equal if their tokens and texts are, whatever time they took.
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

    @Override
    public boolean equals(Object other) {
        return other instanceof Generation that && compared().equals(that.compared());
    }

    @Override
    public int hashCode() {
        return compared().hashCode();
    }

    private List<Object> compared() {
        return List.of(IntBuffer.wrap(promptTokens), IntBuffer.wrap(tokens), pieces, predictions, finishReason, seed);
    }

    @Override
    public String toString() {
        return "Generation[" + promptTokens.length + " prompt tokens, " + tokens.length + " tokens, " + finishReason
                + ", seed " + seed + ": " + text() + "]";
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
