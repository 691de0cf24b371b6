package dev.causal4j.langchain4j;

import static dev.langchain4j.internal.InternalStreamingChatResponseHandlerUtils.onCompleteResponse;
import static dev.langchain4j.internal.InternalStreamingChatResponseHandlerUtils.onPartialResponse;
import static dev.langchain4j.internal.InternalStreamingChatResponseHandlerUtils.withLoggingExceptions;

import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import java.util.List;

/**
 * Answers messages by a model in this process, a part at a time. Immutable and thread-safe; callers at once are computed
 * together. Owns nothing: its engine's owner closes that.
 *
 * <p>A call returns at once. Its handler is called on a virtual thread of its own, so a slow one holds nobody up; after
 * {@link StreamingHandle#cancel} it is not called again, and the sequence ends.
 */
public final class Causal4jStreamingChatModel implements StreamingChatModel {
    private final Conversations conversations;

    private Causal4jStreamingChatModel(Builder builder) {
        conversations = builder.conversations();
    }

    /** A builder. */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Answers; other errors than this one go to the handler.
     *
     * @throws UnsupportedFeatureException if it asks for what is not there: tools, JSON, images, another model
     */
    @Override
    public void doChat(ChatRequest request, StreamingChatResponseHandler handler) {
        conversations.check(request);
        Thread.ofVirtual().name("causal4j-chat").start(() -> answer(request, handler));
    }

    private void answer(ChatRequest request, StreamingChatResponseHandler handler) {
        Handle handle = new Handle();
        try {
            ChatResponse response = conversations.answer(
                    request, text -> onPartialResponse(handler, text, handle), () -> !handle.isCancelled());
            if (!handle.isCancelled()) {
                onCompleteResponse(handler, response);
            }
        } catch (RuntimeException | Error e) {
            if (!handle.isCancelled()) {
                withLoggingExceptions(() -> handler.onError(e));
            }
        }
    }

    @Override
    public ChatRequestParameters defaultRequestParameters() {
        return conversations.defaults;
    }

    @Override
    public List<ChatModelListener> listeners() {
        return conversations.listeners;
    }

    private static final class Handle implements StreamingHandle {
        private volatile boolean cancelled;

        @Override
        public void cancel() {
            cancelled = true;
        }

        @Override
        public boolean isCancelled() {
            return cancelled;
        }
    }

    /** Collects the settings; not thread-safe. */
    public static class Builder extends ChatSettings<Builder> {
        /** The model; errors as of {@link Causal4jChatModel.Builder#build}. */
        public Causal4jStreamingChatModel build() {
            return new Causal4jStreamingChatModel(this);
        }
    }
}
