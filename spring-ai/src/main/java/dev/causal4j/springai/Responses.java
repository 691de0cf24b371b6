package dev.causal4j.springai;

import dev.causal4j.chat.ToolCall;
import dev.causal4j.generation.Chat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.metadata.ChatGenerationMetadata;
import org.springframework.ai.chat.metadata.ChatResponseMetadata;
import org.springframework.ai.chat.metadata.DefaultUsage;
import org.springframework.ai.chat.metadata.EmptyUsage;
import org.springframework.ai.chat.metadata.Usage;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.model.Generation;

/** Makes the responses of one answer, which share an id. Immutable. */
record Responses(String id, Chat.Format format) {
    /** The name of thoughts among metadata. */
    static final String THINKING = "thinking";

    /** For one answer, with a new id. */
    Responses(Chat.Format format) {
        this(UUID.randomUUID().toString(), format);
    }

    /** The whole answer. */
    ChatResponse whole(Chat.Turn turn) {
        String content = turn.answer().content();
        return ended(turn, format.template().isPlain() ? content.strip() : content);
    }

    /**
     * An answer that has ended.
     *
     * @param text the content; empty if parts have told it
     */
    ChatResponse ended(Chat.Turn turn, String text) {
        dev.causal4j.generation.Generation made = turn.generation();
        String thought = turn.answer().reasoning();
        String reason = reason(turn);
        // Who sees calls executes them, and those of an answer that was cut are not whole.
        List<ToolCall> calls = reason.equals("TOOL_CALLS") ? turn.answer().calls() : List.of();
        AssistantMessage message = AssistantMessage.builder()
                .content(text)
                .properties(thought.isEmpty() ? Map.of() : Map.of(THINKING, thought))
                .toolCalls(calls.stream().map(Responses::call).toList())
                .build();
        int prompt = made.promptTokens().length;
        int tokens = made.tokens().length;
        long cached = made.timing().cachedTokens();
        return response(
                message,
                ChatGenerationMetadata.builder().finishReason(reason).metadata("generation", made),
                new DefaultUsage(prompt, tokens, prompt + tokens, made.timing(), cached, null));
    }

    private static AssistantMessage.ToolCall call(ToolCall call) {
        return new AssistantMessage.ToolCall(call.id(), "function", call.name(), call.arguments());
    }

    private static String reason(Chat.Turn turn) {
        String reason = turn.answer().finishReason();
        return reason.equals("deadline") ? "LENGTH" : reason.toUpperCase(Locale.ROOT); // either cuts it
    }

    /** A piece of the content. */
    ChatResponse content(String piece) {
        return response(new AssistantMessage(piece), ChatGenerationMetadata.builder(), new EmptyUsage());
    }

    /** A piece of a thought, which is no text of the message. */
    ChatResponse thought(String piece) {
        return response(
                new AssistantMessage(""), ChatGenerationMetadata.builder().metadata(THINKING, piece), new EmptyUsage());
    }

    /** An answer as far as it was told before the subscriber cancelled. */
    ChatResponse cancelled(String text, int promptTokens, int tokens) {
        return response(
                new AssistantMessage(text),
                ChatGenerationMetadata.builder().finishReason("CANCELLED"),
                new DefaultUsage(promptTokens, tokens));
    }

    private ChatResponse response(AssistantMessage message, ChatGenerationMetadata.Builder about, Usage usage) {
        return new ChatResponse(
                List.of(new Generation(message, about.build())),
                ChatResponseMetadata.builder()
                        .id(id)
                        .model(format.model().name())
                        .usage(usage)
                        .build());
    }
}
