package dev.causal4j.server;

import dev.causal4j.generation.GenerationOptions;
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
 * @param form how it is sent
 */
record Ask(List<Prompt> prompts, int n, int candidates, Sampling sampling, int alternatives, boolean echo, Form form) {
    static final int NO_LOGPROBS = -1;
    static final int MOST_ALTERNATIVES = 20;
    static final int MOST_SEQUENCES = 256;

    /**
     * A prompt.
     *
     * @param prefix how many of its tokens are put before the text and are none of it
     * @param room tokens that the context has for more
     */
    record Prompt(int[] tokens, int prefix, String text, int room) {}

    /**
     * How an answer is sent.
     *
     * @param stream whether pieces are sent as they come
     * @param usage whether a stream tells at its end what it cost
     * @param ids whether the ids of tokens are told
     * @param names how tokens are named
     */
    record Form(boolean stream, boolean usage, boolean ids, TokenNames names) {
        static Form read(JsonIn in, ServedModel served) {
            boolean stream = in.bool("stream", false);
            if (in.has("stream_options") && !stream) {
                throw ApiError.value("stream_options", "\"stream\": true with it", in.value("stream_options"));
            }
            return new Form(
                    stream,
                    in.object("stream_options")
                            .map(each -> each.bool("include_usage", false))
                            .orElse(false),
                    in.bool("return_token_ids", in.bool("return_tokens", false)),
                    new TokenNames(served.tokenizer(), in.bool("return_tokens_as_token_ids", false)));
        }
    }

    /** @throws ApiError if these are too many sequences */
    Ask {
        requireFew(prompts.size(), candidates);
    }

    static void requireFew(int prompts, int candidates) {
        if ((long) prompts * candidates > MOST_SEQUENCES) {
            throw ApiError.value(
                    "n", "at most " + MOST_SEQUENCES + " choices of all prompts together", (long) prompts * candidates);
        }
    }

    boolean logprobs() {
        return alternatives != NO_LOGPROBS;
    }

    boolean stream() {
        return form.stream;
    }

    boolean ids() {
        return form.ids;
    }

    TokenNames names() {
        return form.names;
    }

    /** Whether the tokens of the prompts are scored. */
    boolean scores() {
        return echo && logprobs();
    }

    /** Whether its only token follows from scoring the prompt. */
    boolean isScoring() {
        return scores() && !stream() && sampling.plain() && sampling.maxTokens() == 1 && candidates == 1;
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
        GenerationOptions.Builder options =
                sampling.options(prompt(sequence).room()).seed(seed(sequence));
        if (logprobs() || candidates > n) {
            options.logProbabilities(Math.max(0, alternatives));
        }
        return new GenerationRequest(prompt(sequence).tokens(), options.build());
    }
}
