package dev.causal4j.generation;

import dev.causal4j.head.Prediction;
import java.nio.IntBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The result of one request. Immutable while its arrays are not modified; compared by content.
 *
 * @param promptTokens the prompt, with the BOS token if it was empty
 * @param tokens the new tokens, including the one that ended the sequence
 * @param pieces the text of each new token: whole characters, without an end-of-sequence token and up to a stop string;
 *     empty strings for a model without a tokenizer
 * @param predictions log-probability and rank of each new token, if {@link GenerationOptions#withLogProbabilities}
 *     is set; else empty
 * @param finishReason why it ended
 * @param seed the seed it was drawn with
 * @param timing its times
 * @param constrained how it met its constraint; empty without one
 */
public record Generation(
        int[] promptTokens,
        int[] tokens,
        List<String> pieces,
        List<Prediction> predictions,
        FinishReason finishReason,
        long seed,
        Timing timing,
        Optional<Constrained> constrained) {

    public Generation {
        pieces = List.copyOf(pieces);
        predictions = List.copyOf(predictions);
    }

    /** All pieces together. */
    public String text() {
        return String.join("", pieces);
    }

    private List<Object> content() {
        return List.of(
                IntBuffer.wrap(promptTokens),
                IntBuffer.wrap(tokens),
                pieces,
                predictions,
                finishReason,
                seed,
                timing,
                constrained);
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Generation that && content().equals(that.content());
    }

    @Override
    public int hashCode() {
        return content().hashCode();
    }

    @Override
    public String toString() {
        return "Generation[promptTokens=" + Arrays.toString(promptTokens) + ", tokens=" + Arrays.toString(tokens)
                + ", text=" + text() + ", finishReason=" + finishReason + ", seed=" + seed + ", timing=" + timing + "]";
    }

    /**
     * How a text met its constraint.
     *
     * @param complete whether the constraint allows the text as a whole and it ended by itself: no limit, stop string
     *     or listener cut it
     * @param logMasses for each new token, ln of the probability that the model gave to all tokens that the constraint
     *     allowed there; measured if {@link GenerationOptions#withLogProbabilities} is set, else empty
     * @param maskNanos the time of each mask, in nanoseconds
     */
    public record Constrained(boolean complete, Optional<List<Double>> logMasses, List<Long> maskNanos) {
        public Constrained {
            logMasses = logMasses.map(List::copyOf);
            maskNanos = List.copyOf(maskNanos);
        }

        /**
         * The probability that the model gave to the tokens that were allowed where a new token is.
         *
         * @throws NoSuchElementException if it was not measured
         */
        public double allowedMass(int token) {
            return StrictMath.exp(logMasses.orElseThrow().get(token));
        }

        /**
         * Minus the logarithm of the masses' product: 0 if the model would have chosen allowed tokens anyway, large if
         * the constraint banned likely ones. Empty if they were not measured.
         */
        public Optional<Double> lostLogProbability() {
            return logMasses.map(each -> each.stream().reduce(0.0, (sum, mass) -> sum - mass, Double::sum));
        }

        /**
         * The text's importance weight, the masses' product: how likely the model writes it, over how likely it is
         * drawn under the constraint. Means over several draws with these weights are free of the distortion of masking
         * token by token (Park et al. 2024, arXiv 2405.21047). Empty if the masses were not measured.
         */
        public Optional<Double> weight() {
            return lostLogProbability().map(lost -> StrictMath.exp(-lost));
        }
    }

    /**
     * Times of a sequence: of the steps in which it took part, whatever else these computed.
     *
     * @param cachedTokens prompt tokens that earlier sequences had computed
     * @param prefillTokens prompt tokens that were computed
     * @param prefillSeconds the seconds of their steps, including the first new token
     * @param decodedTokens new tokens after the first
     * @param decodeSeconds the seconds of their steps
     * @param drafted its guessed tokens
     */
    public record Timing(
            int cachedTokens,
            int prefillTokens,
            double prefillSeconds,
            int decodedTokens,
            double decodeSeconds,
            Drafted drafted) {
        /** Of no sequence. */
        public static final Timing NONE = new Timing(0, 0, 0, 0, 0, Drafted.NONE);

        /** The sums of these and other times. */
        public Timing plus(Timing other) {
            return new Timing(
                    cachedTokens + other.cachedTokens,
                    prefillTokens + other.prefillTokens,
                    prefillSeconds + other.prefillSeconds,
                    decodedTokens + other.decodedTokens,
                    decodeSeconds + other.decodeSeconds,
                    drafted.plus(other.drafted));
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

    /**
     * The guesses of a sequence's {@link Draft}, without tokens that a constraint forces.
     *
     * @param steps the steps that fed some
     * @param proposed the tokens that they fed
     * @param accepted the tokens that were right and taken
     */
    public record Drafted(int steps, int proposed, int accepted) {
        /** No guesses. */
        public static final Drafted NONE = new Drafted(0, 0, 0);

        /** The sums of these and other guesses. */
        public Drafted plus(Drafted other) {
            return new Drafted(steps + other.steps, proposed + other.proposed, accepted + other.accepted);
        }
    }
}
