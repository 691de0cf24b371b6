package dev.causal4j.server;

import dev.causal4j.constraint.Constraint;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.json.Json;
import dev.causal4j.receipt.Receipt;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;

/**
 * A request for text: candidates for each prompt, of which the best are the answer. Immutable while its arrays are not
 * modified.
 *
 * @param n choices for each prompt
 * @param candidates sequences that are generated for each prompt, at least n
 * @param options those of the first choice; each further one has the next seed
 * @param constrained the field that asks for their constraint; empty for none
 * @param alternatives candidates for each token's log-probability; {@link #NO_LOGPROBS} for no log-probabilities
 * @param echo whether the response repeats the prompt
 * @param format how the response is written
 * @param writers write its choices
 */
record TextRequest(
        List<Prompt> prompts,
        int n,
        int candidates,
        GenerationOptions options,
        String constrained,
        int alternatives,
        boolean echo,
        ResponseFormat format,
        ChoiceWriter.Factory writers) {
    static final int NO_LOGPROBS = -1;

    private static final long ID_BYTES = 8; // its digits and a comma

    /**
     * A prompt.
     *
     * @param prefix how many of its tokens, such as BOS, stand before the text
     * @param room new tokens for which the context has room
     */
    record Prompt(int[] tokens, int prefix, String text, int room) {}

    /**
     * How a response is written.
     *
     * @param stream whether it is sent in chunks as tokens come
     * @param usage whether a stream ends with its counts of tokens
     * @param ids whether it has the ids of tokens
     * @param served the model that it names
     * @param names the names of tokens in lists of log-probabilities
     * @param receipts makes the receipt of a sequence; empty if none were asked for
     */
    record ResponseFormat(
            boolean stream,
            boolean usage,
            boolean ids,
            ServedModel served,
            TokenNames names,
            Optional<BiFunction<GenerationRequest, Generation, Receipt>> receipts) {
        static ResponseFormat read(JsonIn in, ServedModel served) {
            boolean stream = in.bool("stream", false);
            if (in.has("stream_options") && !stream) {
                throw ApiError.value("stream_options", "\"stream\": true with it", in.value("stream_options"));
            }
            return new ResponseFormat(
                    stream,
                    in.object("stream_options")
                            .map(each -> each.bool("include_usage", false))
                            .orElse(false),
                    in.bool("return_token_ids", in.bool("return_tokens", false)),
                    served,
                    new TokenNames(served.tokenizer(), in.bool("return_tokens_as_token_ids", false)),
                    in.bool("receipt", false) ? Optional.of(receipts(in, served)) : Optional.empty());
        }

        private static BiFunction<GenerationRequest, Generation, Receipt> receipts(JsonIn in, ServedModel served) {
            UnaryOperator<Receipt> signing = served.receipts()
                    .orElseThrow(() -> ApiError.value("receipt", "a server that gives receipts (--receipts)", true));
            Optional<String> nonce = in.string("receipt_nonce");
            Sampling.requireLength("receipt_nonce", nonce.orElse(""), 0, Limits.CACHE_SALT_CHARACTERS);
            return (request, made) -> {
                Receipt receipt = Receipt.of(served.model(), request, made);
                return signing.apply(nonce.map(receipt::withNonce).orElse(receipt));
            };
        }
    }

    /** @throws ApiError if these are too many sequences */
    TextRequest {
        long sequences = (long) prompts.size() * candidates;
        if (sequences > Limits.SEQUENCES) {
            throw ApiError.value("n", "at most " + Limits.SEQUENCES + " choices of all prompts together", sequences);
        }
        long keeps = tokens(prompts, candidates, options.maxNewTokens(), echo) * (1 + alternatives); // 0 without any
        if (keeps > Limits.LOGPROBS) {
            throw ApiError.value(
                    "logprobs", "at most " + Limits.LOGPROBS + " of all choices, tokens and alternatives", keeps);
        }
        requireFew("receipt", "receipts", stated(prompts, candidates, options, format));
        requireFew("echo", "prompts", echoed(prompts, candidates, echo));
    }

    private static void requireFew(String param, String what, long bytes) {
        if (bytes > Limits.ANSWERED_BYTES) {
            String most = " of at most " + Limits.ANSWERED_BYTES + " bytes in all choices";
            throw ApiError.value(param, what + most, bytes);
        }
    }

    /** Bytes of what its answer keeps of prompts: their texts and log-probabilities. */
    long bytes() {
        return (scores() ? tokens(prompts, candidates, 0, true) * tokenBytes() : 0)
                + echoed(prompts, candidates, echo)
                + stated(prompts, candidates, options, format);
    }

    /** Bytes that an answer keeps of a new token: its text, which weighs two log-probabilities, and its log-probabilities. */
    long tokenBytes() {
        return (logprobs() ? 4L + alternatives : 2L) * Limits.LOGPROB_BYTES;
    }

    /** Bytes of the prompts' ids, the constraint and the stops in receipts. */
    private static long stated(List<Prompt> prompts, int candidates, GenerationOptions options, ResponseFormat format) {
        if (format.receipts.isEmpty()) {
            return 0;
        }
        long tokens = prompts.stream().mapToLong(prompt -> prompt.tokens.length).sum();
        Optional<?> constraint = options.constraint().flatMap(Constraint::description);
        long same = constraint.map(each -> Json.write(each).length).orElse(0)
                + Json.write(options.stop()).length
                + ID_BYTES * options.logitBias().size();
        return candidates * (ID_BYTES * tokens + prompts.size() * same);
    }

    /** Bytes of prompts in an answer and its copies. */
    private static long echoed(List<Prompt> prompts, int candidates, boolean echo) {
        long characters =
                prompts.stream().mapToLong(prompt -> prompt.text.length()).sum();
        return echo ? 4 * characters * candidates : 0;
    }

    /** The tokens whose log-probabilities an answer keeps, at most; of one sequence only those of the prompt. */
    private static long tokens(List<Prompt> prompts, int candidates, int newTokens, boolean echo) {
        long tokens = 0;
        for (Prompt prompt : prompts) {
            tokens += echo ? prompt.tokens.length : 0;
            tokens += prompts.size() * candidates > 1 ? Math.min(newTokens, prompt.room) : 0;
        }
        return tokens * candidates;
    }

    boolean logprobs() {
        return alternatives != NO_LOGPROBS;
    }

    /** Whether the prompts' tokens get log-probabilities. */
    boolean scores() {
        return echo && logprobs();
    }

    /** Whether scoring the prompt also gives the only new token: the likeliest, which no text ends. */
    boolean isScoring() {
        boolean one = options.maxNewTokens() == 1 && candidates == 1;
        return scores()
                && one
                && !format.stream
                && options.isPlainGreedy()
                && options.stop().isEmpty();
    }

    /** The same with a constraint that is equal to its own. */
    TextRequest with(Constraint constraint) {
        GenerationOptions same = options.withConstraint(constraint);
        return new TextRequest(prompts, n, candidates, same, constrained, alternatives, echo, format, writers);
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
        return options.seed() + sequence % candidates;
    }

    /** A sequence for the engine. */
    GenerationRequest request(int sequence) {
        Prompt prompt = prompt(sequence);
        GenerationOptions own = options.withMinNewTokens(Math.min(options.minNewTokens(), prompt.room))
                .withMaxNewTokens(Math.min(options.maxNewTokens(), prompt.room))
                .withSeed(seed(sequence));
        boolean measured = logprobs() || candidates > n;
        return new GenerationRequest(
                prompt.tokens, measured ? own.withLogProbabilities(Math.max(0, alternatives)) : own);
    }
}
