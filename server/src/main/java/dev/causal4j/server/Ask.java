package dev.causal4j.server;

import dev.causal4j.generation.GenerationRequest;
import java.util.List;

/**
 * What a request asks of the engine: for each prompt some candidates, of which the best are the answer. Immutable while
 * its arrays are not modified.
 *
 * @param n choices for each prompt
 * @param candidates that are made for each prompt, at least n
 * @param alternatives of each token's log-probability; {@link #NO_LOGPROBS} for no log-probabilities
 * @param echo whether the prompt is said before the text
 * @param stream whether pieces are sent as they come
 * @param usage whether a stream tells at its end what it cost
 * @param ids whether the ids of tokens are told
 * @param names how tokens are named
 */
record Ask(
        List<Prompt> prompts,
        int n,
        int candidates,
        Sampling sampling,
        int alternatives,
        boolean echo,
        boolean stream,
        boolean usage,
        boolean ids,
        TokenNames names) {
    static final int NO_LOGPROBS = -1;

    /** Most sequences of a request. */
    static final int MOST = 256;

    /** A prompt. */
    record Prompt(int[] tokens, String text) {}

    boolean logprobs() {
        return alternatives != NO_LOGPROBS;
    }

    /** Whether the tokens of the prompts are scored. */
    boolean scores() {
        return echo && logprobs();
    }

    /** Whether its only token follows from scoring the prompt. */
    boolean isScoring() {
        return scores() && !stream && sampling.plain() && sampling.maxTokens() == 1 && candidates == 1;
    }

    /** The number of sequences. */
    int sequences() {
        return prompts.size() * candidates;
    }

    /** The prompt of a sequence. */
    Prompt prompt(int sequence) {
        return prompts.get(sequence / candidates);
    }

    /** The seed of a sequence. */
    long seed(int sequence) {
        return sampling.seed() + sequence % candidates;
    }

    /** A sequence for the engine. */
    GenerationRequest request(int sequence) {
        var options = sampling.options().toBuilder().seed(seed(sequence));
        if (logprobs() || candidates > n) {
            options.logProbabilities(Math.max(0, alternatives));
        }
        return new GenerationRequest(prompt(sequence).tokens(), options.build());
    }

    /**
     * Reads how the answer is sent.
     *
     * @throws ApiError if options of streams are given without one
     */
    static boolean usage(JsonIn in, boolean stream) {
        if (in.has("stream_options") && !stream) {
            throw ApiError.value("stream_options", "nothing without \"stream\": true", in.value("stream_options"));
        }
        return in.object("stream_options")
                .map(options -> options.bool("include_usage", false))
                .orElse(false);
    }

    /** @throws ApiError if these are too many sequences */
    static void checkSequences(int prompts, int candidates) {
        if ((long) prompts * candidates > MOST) {
            throw ApiError.value(
                    "n", "at most " + MOST + " choices of all prompts together", (long) prompts * candidates);
        }
    }
}
