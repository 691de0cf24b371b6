package dev.causal4j.server;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.generation.Chat;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** The embedded model as clients would see it, and their requests, without a server. */
final class Unserved {
    static final CausalLM MODEL = AustenModel.load();
    static final Tokenizer TOKENIZER = MODEL.requireTokenizer();
    static final ServedModel SERVED = new ServedModel(
            MODEL,
            TOKENIZER,
            Chat.Format.of(MODEL, ChatTemplate.plain()),
            "austen",
            TOKENIZER.vocabularySize(),
            256,
            20,
            GenerationOptions.DEFAULT,
            0,
            CompletableFuture.completedFuture("fp_0"),
            Optional.empty());

    private Unserved() {}

    /** The fields of a request, written with single quotes. */
    static JsonIn in(String body) {
        return JsonIn.parse(body.replace('\'', '"').getBytes(StandardCharsets.UTF_8));
    }
}
