package dev.causal4j.langchain4j;

import dev.causal4j.chat.Answer;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.LangChain4jException;
import dev.langchain4j.exception.RateLimitException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import java.util.List;
import java.util.Set;

/**
 * Answers messages by a model in this process. Immutable and thread-safe; callers at once are computed together. Owns
 * nothing: its engine's owner closes that.
 *
 * <p>The metadata of a response are {@link Causal4jChatResponseMetadata}.
 */
public final class Causal4jChatModel implements ChatModel {
    private final Conversations conversations;

    private Causal4jChatModel(Builder builder) {
        conversations = builder.conversations();
    }

    /** A builder. */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Answers.
     *
     * @throws UnsupportedFeatureException if it asks for an unsupported feature: images, another model
     * @throws InvalidRequestException if the messages do not fit the context, or the template refuses them
     * @throws RateLimitException if the engine's queue is full
     * @throws LangChain4jException if a JSON document did not end within the most output tokens and the context
     */
    @Override
    public ChatResponse doChat(ChatRequest request) {
        conversations.check(request);
        return conversations.answer(request, Answer.Listener.NONE);
    }

    @Override
    public ChatRequestParameters defaultRequestParameters() {
        return conversations.defaults;
    }

    @Override
    public Set<Capability> supportedCapabilities() {
        return Set.of(Capability.RESPONSE_FORMAT_JSON_SCHEMA);
    }

    @Override
    public List<ChatModelListener> listeners() {
        return conversations.listeners;
    }

    /** Collects the settings; not thread-safe. */
    public static class Builder extends ChatSettings<Builder> {
        /**
         * The model.
         *
         * @throws UnsupportedFeatureException if a default parameter is not supported
         * @throws IllegalArgumentException if one is out of its range, or there is no engine or template
         * @throws IllegalStateException if the model has no tokenizer
         */
        public Causal4jChatModel build() {
            return new Causal4jChatModel(this);
        }
    }
}
