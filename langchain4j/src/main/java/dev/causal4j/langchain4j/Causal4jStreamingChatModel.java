package dev.causal4j.langchain4j;

import static dev.langchain4j.internal.InternalStreamingChatResponseHandlerUtils.onCompleteResponse;
import static dev.langchain4j.internal.InternalStreamingChatResponseHandlerUtils.onCompleteToolCall;
import static dev.langchain4j.internal.InternalStreamingChatResponseHandlerUtils.onPartialResponse;
import static dev.langchain4j.internal.InternalStreamingChatResponseHandlerUtils.onPartialThinking;
import static dev.langchain4j.internal.InternalStreamingChatResponseHandlerUtils.onPartialToolCall;
import static dev.langchain4j.internal.InternalStreamingChatResponseHandlerUtils.withLoggingExceptions;

import dev.causal4j.chat.Answer;
import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.internal.ToolCallBuilder;
import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.CompleteToolCall;
import dev.langchain4j.model.chat.response.PartialToolCall;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import dev.langchain4j.model.output.FinishReason;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;

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
     * @throws UnsupportedFeatureException if it asks for an unsupported feature: images, another model
     */
    @Override
    public void doChat(ChatRequest request, StreamingChatResponseHandler handler) {
        conversations.check(request);
        Thread.ofVirtual().name("causal4j-chat").start(() -> answer(request, handler));
    }

    private void answer(ChatRequest request, StreamingChatResponseHandler handler) {
        Handle handle = new Handle();
        try {
            ChatResponse response = conversations.answer(request, new Parts(handler, handle, conversations.isPlain()));
            if (!handle.isCancelled()) {
                List<ToolExecutionRequest> calls = response.aiMessage().toolExecutionRequests();
                if (response.finishReason() == FinishReason.TOOL_EXECUTION) {
                    onCompleteToolCall(handler, new CompleteToolCall(calls.size() - 1, calls.getLast()));
                }
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
    public Set<Capability> supportedCapabilities() {
        return Set.of(Capability.RESPONSE_FORMAT_JSON_SCHEMA);
    }

    @Override
    public List<ChatModelListener> listeners() {
        return conversations.listeners;
    }

    /** Passes the parts of an answer to a handler; a call is complete when the next begins. Not thread-safe. */
    private static final class Parts implements Answer.Listener {
        private final StreamingChatResponseHandler handler;
        private final Handle handle;
        private final ToolCallBuilder call = new ToolCallBuilder();
        private String held = ""; // handlers expect more than white space or a first brace
        private final UnaryOperator<String> edges;

        Parts(StreamingChatResponseHandler handler, Handle handle, boolean isPlain) {
            this.handler = handler;
            this.handle = handle;
            edges = isPlain ? Answer.stripping() : UnaryOperator.identity();
        }

        @Override
        public boolean goesOn() {
            return !handle.isCancelled();
        }

        @Override
        public void content(String piece) {
            String told = edges.apply(piece);
            if (!told.isEmpty() && !handle.isCancelled()) {
                onPartialResponse(handler, told, handle);
            }
        }

        @Override
        public void reasoning(String piece) {
            if (!piece.isEmpty() && !handle.isCancelled()) {
                onPartialThinking(handler, piece, handle);
            }
        }

        @Override
        public void call(int index, String id, String name) {
            if (index > 0 && !handle.isCancelled()) {
                onCompleteToolCall(handler, call.buildAndReset());
            }
            held = "";
            call.updateIndex(index);
            call.updateId(id);
            call.updateName(name);
        }

        @Override
        public void arguments(int index, String piece) {
            held += piece;
            if (held.isBlank() || held.strip().equals("{") || handle.isCancelled()) {
                return;
            }
            call.appendArguments(held);
            PartialToolCall part = PartialToolCall.builder()
                    .index(index)
                    .id(call.id())
                    .name(call.name())
                    .partialArguments(held)
                    .build();
            held = "";
            onPartialToolCall(handler, part, handle);
        }
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
