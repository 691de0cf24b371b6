package dev.causal4j.langchain4j;

import dev.causal4j.chat.ChatTemplate;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What the builders of chat models have. Not thread-safe. */
abstract class ChatSettings<B extends ChatSettings<B>> extends Settings<B> {
    private @Nullable ChatTemplate chatTemplate;
    private List<ChatModelListener> listeners = List.of();

    /**
     * Makes tokens of messages: {@link ChatTemplate#read} of the model's files, or {@link ChatTemplate#plain} for a model
     * without one. Must be set.
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
        if (chatTemplate == null) {
            throw new IllegalArgumentException("chat template: expected one, got none; call chatTemplate(...) with"
                    + " ChatTemplate.read of the model's files, or with ChatTemplate.plain() if they have none");
        }
        return new Conversations(engine(), chatTemplate, parameters(), listeners);
    }
}
