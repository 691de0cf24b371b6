package dev.causal4j.server;

import dev.causal4j.generation.Chat;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.head.Prediction;
import dev.causal4j.json.Sha256;
import dev.causal4j.model.CausalLM;
import dev.causal4j.receipt.Receipt;
import dev.causal4j.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

/**
 * A model as clients see it. Immutable and thread-safe.
 *
 * @param format how it holds conversations
 * @param name in responses
 * @param vocabulary one more than the highest id that may be given or chosen
 * @param contextLength in tokens
 * @param longest bytes of a token
 * @param defaults what the options of a request begin with
 * @param created when it was started, in seconds since 1970
 * @param fingerprint what it computes: equal fingerprints promise equal bits
 * @param receipts signs receipts; empty if the server gives none
 */
record ServedModel(
        CausalLM model,
        Tokenizer tokenizer,
        Chat.Format format,
        String name,
        int vocabulary,
        int contextLength,
        int longest,
        GenerationOptions defaults,
        long created,
        CompletableFuture<String> fingerprint,
        Optional<UnaryOperator<Receipt>> receipts) {
    private static final int PROBE = 24; // tokens

    ServedModel {
        // One that could not be computed equals none but itself, which is as true.
        fingerprint = fingerprint.exceptionally(
                _ -> "fp_" + UUID.randomUUID().toString().substring(0, 8));
    }

    /** @throws IllegalStateException if the model has no tokenizer */
    static ServedModel of(Engine engine, Chat.Format format, String name, ServerOptions options) {
        CausalLM model = engine.model();
        Tokenizer tokenizer = model.requireTokenizer();
        int vocabulary = model.choosableTokens();
        int contextLength = model.contextLength();
        return new ServedModel(
                model,
                tokenizer,
                format,
                name,
                vocabulary,
                contextLength,
                IntStream.range(0, tokenizer.vocabularySize())
                        .map(id -> tokenizer.bytes(id).length)
                        .max()
                        .orElse(1),
                options.mark().map(GenerationOptions.DEFAULT::withMark).orElse(GenerationOptions.DEFAULT),
                Instant.now().getEpochSecond(),
                fingerprint(engine, tokenizer, Math.min(PROBE, contextLength), vocabulary),
                options.receipts());
    }

    /**
     * A hash of the likeliest tokens and their log-probabilities after each of some tokens, of the tokenizer and of the
     * version. Reading all weights would take as long as loading them.
     */
    private static CompletableFuture<String> fingerprint(
            Engine engine, Tokenizer tokenizer, int length, int vocabulary) {
        int[] probe = new int[length];
        for (int i = 0; i < length; i++) {
            probe[i] = (int) (i * 2654435761L % vocabulary);
        }
        return engine.score(probe, 1, Math.min(20, vocabulary)).thenApplyAsync(predictions -> {
            MessageDigest digest = Sha256.begin();
            digest.update(tokenizer.toJson());
            String version = String.valueOf(ServedModel.class.getPackage().getImplementationVersion());
            List<?> likeliest =
                    predictions.stream().map(Prediction::alternatives).toList();
            digest.update((version + likeliest).getBytes(StandardCharsets.UTF_8));
            return "fp_" + HexFormat.of().formatHex(digest.digest(), 0, 8);
        });
    }

    /** @throws ApiError if a prompt is longer than the context */
    void checkLength(String param, int tokens) {
        if (tokens > contextLength) {
            throw ApiError.tooLong(param, tokens, contextLength);
        }
    }

    /** @throws ApiError if the context has no room for a token after a prompt */
    void checkRoom(String param, TextRequest.Prompt prompt) {
        checkLength(param, prompt.tokens().length + 1);
    }

    /** @throws ApiError if a text has more bytes than the longest tokens of a whole context, so that encoding it is useless */
    void checkLength(String param, String text) {
        int tokens = text.length() / longest; // a char has a byte or more
        if (tokens > contextLength) {
            throw ApiError.tooLong(param, tokens, contextLength);
        }
    }

    /** Ids of tokens. */
    int[] ids(String path, List<?> given) {
        return JsonIn.integers(path, given, 0, vocabulary - 1);
    }

    /** A number of tokens, held to the context. */
    int tokens(JsonIn in, String key, int fallback) {
        return (int) Math.min(in.whole(key, 0, Long.MAX_VALUE).orElse((long) fallback), contextLength);
    }
}
