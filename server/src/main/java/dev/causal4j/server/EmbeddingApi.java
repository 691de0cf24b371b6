package dev.causal4j.server;

import dev.causal4j.generation.Embedder;
import dev.causal4j.generation.Engine.Requester;
import dev.causal4j.json.Json;
import dev.causal4j.model.EmbeddingConfig;
import dev.causal4j.model.EmbeddingConfig.Pooling;
import dev.causal4j.server.Models.Model;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** {@code /v1/embeddings}: vectors of texts. Thread-safe. */
record EmbeddingApi(Model model, Shares bytes) {
    record Ask(Embedder embedder, List<int[]> texts, boolean base64) {
        int tokens() {
            return texts.stream().mapToInt(text -> text.length).sum();
        }

        /** Bytes of its ids and vectors. */
        long bytes() {
            return 4 * (tokens() + (long) texts.size() * embedder.size());
        }
    }

    /**
     * Answers a request.
     *
     * @throws ApiError if it cannot be answered
     * @throws java.util.concurrent.CancellationException if the client is gone or the server shuts down
     * @throws IOException if the client is gone
     */
    void answer(Ask ask, Call call) throws IOException, InterruptedException {
        if (ask.bytes() > Limits.ANSWERED_BYTES) {
            throw ApiError.value(
                    "input", "tokens and vectors of at most " + Limits.ANSWERED_BYTES + " bytes", ask.bytes());
        }
        if (!bytes.take(call.caller, ask.bytes())) {
            throw ApiError.bytesFull();
        }
        try {
            call.promptTokens = ask.tokens();
            call.json(told(ask, vectors(ask, call)));
            model.metrics().embedded(ask.tokens(), call.seconds());
        } finally {
            bytes.give(call.caller, ask.bytes());
        }
    }

    private List<float[]> vectors(Ask ask, Call call) {
        call.whenGone(Thread.currentThread()::interrupt);
        try {
            return ask.embedder.embed(ask.texts, model.engine(), Requester.of(call.caller));
        } finally {
            call.whenGone(() -> {}); // a write notices it
            boolean _ = Thread.interrupted(); // else those that are told of the request's end could not wait
        }
    }

    /** @throws ApiError if the request cannot be answered */
    static Ask read(JsonIn in, ServedModel served, ServerOptions options) {
        Optional<EmbeddingConfig> own = served.model().embedding();
        Pooling pooling = options.pooling()
                .or(() -> own.map(EmbeddingConfig::pooling))
                .orElseThrow(() -> new ApiError(
                        404,
                        "not_an_embedding_model",
                        "model",
                        "model: expected one that embeds texts, got " + served.name()
                                + ", whose files have no pooling; start the server with --pooling mean or last"));
        String format = in.string("encoding_format").orElse("float");
        requireOne("encoding_format", List.of("float", "base64"), format);
        String type = in.string("input_type").orElse("");
        requireOne("input_type", List.of("query", "document", ""), type);
        Embedder whole = new Embedder(served.model(), pooling, in.bool("normalize", true));
        int first = in.integer("dimensions", whole.size(), 1, whole.size());
        if (first < whole.size()
                && !options.shortens()
                && !own.map(EmbeddingConfig::shortens).orElse(false)) {
            throw ApiError.value(
                    "dimensions", whole.size() + ", since the model does not say that fewer are enough (--mrl)", first);
        }
        boolean cuts = in.bool("truncate", false);
        List<int[]> texts = in.textsOrIds(
                "input", Limits.EMBEDDED_TEXTS, (path, given) -> tokens(path, given, served, type, whole, cuts));
        return new Ask(whole.withDimensions(first), texts, format.equals("base64"));
    }

    private static void requireOne(String param, List<String> known, String got) {
        if (!known.contains(got)) {
            throw ApiError.value(param, known.get(0) + " or " + known.get(1), got);
        }
    }

    /** The tokens of a text; ids as they are. */
    private static int[] tokens(
            String path, Object given, ServedModel served, String type, Embedder embedder, boolean cuts) {
        int[] tokens;
        if (given instanceof List<?> ids) {
            if (!cuts) {
                served.checkLength(path, ids.size());
            }
            tokens = served.ids(path, ids);
        } else {
            String text = embedder.prompted(type, JsonIn.text(path, given));
            if (!cuts) {
                served.checkLength(path, text);
            }
            tokens = embedder.tokens(text);
        }
        if (tokens.length == 0) {
            throw ApiError.value(path, "at least one token", given);
        }
        int[] read = cuts ? embedder.cut(tokens) : tokens;
        served.checkLength(path, read.length);
        return read;
    }

    private Map<String, Object> told(Ask ask, List<float[]> vectors) {
        List<Object> data = Choices.each(vectors.size(), i -> {
            Object numbers = numbers(vectors.get(i), ask.base64);
            return Json.object("object", "embedding", "index", i, "embedding", numbers);
        });
        Map<String, Object> usage = Json.object("prompt_tokens", ask.tokens(), "total_tokens", ask.tokens());
        return Json.object(
                "object", "list", "data", data, "model", model.served().name(), "usage", usage);
    }

    /** A vector as little-endian bytes, or as numbers that are equal to the floats for clients that read doubles. */
    private static Object numbers(float[] vector, boolean base64) {
        if (!base64) {
            return Choices.each(vector.length, d -> (double) vector[d]);
        }
        ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES * vector.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(vector);
        return Base64.getEncoder().encodeToString(bytes.array());
    }
}
