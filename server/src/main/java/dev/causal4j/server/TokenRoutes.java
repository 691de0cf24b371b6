package dev.causal4j.server;

import dev.causal4j.json.Json;
import dev.causal4j.tokenizer.SpecialTokens;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.Map;
import java.util.stream.IntStream;

/** Encodes and decodes for clients without a tokenizer, with the fields of llama.cpp and vLLM. Thread-safe. */
record TokenRoutes(ServedModel served) {
    /** @param bytes that it holds until it is written */
    record Answer(Map<String, Object> told, long bytes) {}

    Answer tokenize(JsonIn in) {
        boolean content = in.has("content");
        String field = content ? "content" : "prompt";
        String text = in.string(field).orElseThrow(() -> ApiError.type("content", "a string", null));
        boolean pieces = in.bool("with_pieces", false);
        int most = pieces ? Limits.TOKENIZED_WITH_PIECES : Limits.TOKENIZED;
        if (text.length() > most) {
            throw ApiError.value(field, "at most " + most + " characters", text.length());
        }
        boolean prefix = in.bool("add_special", in.bool("add_special_tokens", !content));
        SpecialTokens how = in.bool("parse_special", true) ? SpecialTokens.PARSE : SpecialTokens.AS_TEXT;
        Tokenizer tokenizer = served.tokenizer();
        int[] ids = tokenizer.encode(text, how);
        int[] tokens = prefix ? tokenizer.withPrefix(ids) : ids;
        TokenNames names = new TokenNames(tokenizer, false);
        Object listed = pieces
                ? Choices.each(tokens.length, i -> Json.object("id", tokens[i], "piece", names.name(tokens[i])))
                : tokens;
        return new Answer(
                Json.object("tokens", listed, "count", tokens.length, "max_model_len", served.contextLength()),
                (long) Integer.BYTES * tokens.length);
    }

    Answer detokenize(JsonIn in) {
        int[] tokens = served.ids("tokens", in.list("tokens", Limits.TOKENIZED));
        long bytes = IntStream.of(tokens)
                .mapToLong(token -> served.tokenizer().bytes(token).length)
                .sum();
        if (bytes > Limits.DETOKENIZED_BYTES) {
            throw ApiError.value("tokens", "those of at most " + Limits.DETOKENIZED_BYTES + " bytes", bytes);
        }
        String text = served.tokenizer().decode(tokens);
        return new Answer(Json.object("content", text, "prompt", text), (long) Character.BYTES * text.length());
    }

    /** Renders a conversation with the chat template. */
    Answer applyTemplate(JsonIn in) {
        String text = ChatApi.prompt(in, served).text();
        return new Answer(Json.object("prompt", text), (long) Character.BYTES * text.length());
    }
}
