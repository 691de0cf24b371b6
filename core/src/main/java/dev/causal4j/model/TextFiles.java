package dev.causal4j.model;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The tokenizer and the chat template of a model, shared by all models that are made of it. Immutable and thread-safe. */
final class TextFiles {
    private final Optional<Tokenizer> tokenizer;
    private final ChatTemplate.Source source;
    private Optional<ChatTemplate> template = Optional.empty(); // if it is parsed
    private boolean parsed;

    TextFiles(Optional<Tokenizer> tokenizer, ChatTemplate.Source source) {
        this.tokenizer = tokenizer;
        this.source = source;
    }

    static TextFiles of(@Nullable Tokenizer tokenizer) {
        return new TextFiles(Optional.ofNullable(tokenizer), ChatTemplate.Source.NONE);
    }

    Optional<Tokenizer> tokenizer() {
        return tokenizer;
    }

    ChatTemplate.Source source() {
        return source;
    }

    /** The template, parsed when it is first asked for: a model whose template is not supported generates and scores. */
    synchronized Optional<ChatTemplate> template() {
        if (!parsed) {
            template = source.parse();
            parsed = true;
        }
        return template;
    }
}
