package dev.causal4j.model;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The tokenizer and the chat templates of a model. Immutable and thread-safe.
 *
 * @param templates not parsed, so that a model whose template is not supported generates and scores
 */
record TextFiles(Optional<Tokenizer> tokenizer, ChatTemplate.Source templates) {
    static TextFiles of(@Nullable Tokenizer tokenizer) {
        return new TextFiles(Optional.ofNullable(tokenizer), ChatTemplate.Source.NONE);
    }
}
