package dev.causal4j.generation;

import java.util.List;

/**
 * What was generated for one request.
 *
 * @param promptTokens the prompt, with the BOS token if it was empty
 * @param tokens the new tokens, the one that ended the sequence among them
 * @param text their text without an end-of-sequence token and up to a stop string; empty for a model without a
 *     tokenizer
 * @param predictions what the model thought of each new token, if {@link GenerationOptions#logProbabilities} asks for
 *     it; else empty
 * @param finishReason why it ended
 * @param seed the seed it was drawn with
 * @param timing of all sequences that were generated together
 */
public record Generation(
        int[] promptTokens,
        int[] tokens,
        String text,
        List<Prediction> predictions,
        FinishReason finishReason,
        long seed,
        Timing timing) {

    public Generation {
        predictions = List.copyOf(predictions);
    }

    /**
     * How long all sequences of one call took together.
     *
     * @param prefillTokens prompt tokens
     * @param prefillSeconds from the start to the first token of each
     * @param decodedTokens tokens after the first of each
     * @param decodeSeconds from there to the end
     */
    public record Timing(int prefillTokens, double prefillSeconds, int decodedTokens, double decodeSeconds) {
        /** Prompt tokens a second; 0 if there was nothing to do. */
        public double prefillTokensPerSecond() {
            return rate(prefillTokens, prefillSeconds);
        }

        /** Tokens after the first of each sequence, a second; 0 if there was none. */
        public double decodeTokensPerSecond() {
            return rate(decodedTokens, decodeSeconds);
        }

        private static double rate(int tokens, double seconds) {
            return tokens > 0 && seconds > 0 ? tokens / seconds : 0;
        }
    }
}
