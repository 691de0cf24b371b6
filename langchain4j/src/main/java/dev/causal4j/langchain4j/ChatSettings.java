package dev.causal4j.langchain4j;

import dev.causal4j.chat.ChatTemplate;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What the builders of chat models have. Not thread-safe. */
abstract class ChatSettings<B extends ChatSettings<B>> extends Settings<B> {
    private @Nullable ChatTemplate chatTemplate;
    private List<ChatModelListener> listeners = List.of();

    /**
     * Makes tokens of messages; without it the template in the model's files. A model without one needs {@link
     * ChatTemplate#plain}, or a template that it was trained with.
     */
    public B chatTemplate(@Nullable ChatTemplate chatTemplate) {
        this.chatTemplate = chatTemplate;
        return self();
    }

    /**
     * Called for each request, then once for its response or error. A request to a streaming model has no end if it is
     * refused with {@link UnsupportedFeatureException}, or cancelled.
     */
    public B listeners(@Nullable List<ChatModelListener> listeners) {
        this.listeners = listeners == null ? List.of() : List.copyOf(listeners);
        return self();
    }

    Conversations conversations() {
        ChatTemplate template = Optional.ofNullable(chatTemplate)
                .or(engine().model()::chatTemplate)
                .orElseThrow(() -> new IllegalArgumentException("chat template: expected one in the model's files, got"
                        + " none; call chatTemplate(...), for instance with ChatTemplate.plain()"));
        return new Conversations(engine(), template, parameters(), listeners);
    }
}
