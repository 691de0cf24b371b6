package dev.causal4j.springai;

import dev.causal4j.chat.Answer;
import dev.causal4j.chat.Message;
import dev.causal4j.chat.ToolCall;
import dev.causal4j.chat.ToolChoice;
import dev.causal4j.chat.ToolChoice.Kind;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.ConstraintException;
import dev.causal4j.generation.Chat;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationOptions.Setting;
import dev.causal4j.model.CausalLM;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.messages.MessageType;
import org.springframework.ai.chat.messages.ToolResponseMessage;
import org.springframework.ai.chat.metadata.ChatGenerationMetadata;
import org.springframework.ai.chat.metadata.ChatResponseMetadata;
import org.springframework.ai.chat.metadata.DefaultUsage;
import org.springframework.ai.chat.metadata.Usage;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.content.MediaContent;
import org.springframework.ai.document.Document;
import org.springframework.ai.document.MetadataMode;
import org.springframework.ai.tool.ToolCallback;

/** Translates messages, tools and options of Spring AI to the engine's, and its answers back. */
final class Translation {
    /** The name of these models in observations. */
    static final String PROVIDER = "causal4j";

    /** The metadata with thoughts. */
    static final String THINKING = "thinking";

    private Translation() {}

    /** Checks that an option is ours, if it is set. */
    static void require(String subject, @Nullable Object own, @Nullable Object asked) {
        if (asked != null && !asked.equals(own)) {
            throw new IllegalArgumentException(subject + ": expected " + own
                    + ", since others are not supported here, got " + asked + "; leave it out");
        }
    }

    /** @throws IllegalArgumentException if a message has content that is no text */
    static List<Message> messages(List<? extends org.springframework.ai.chat.messages.Message> given) {
        int first = 0; // after the system messages at the beginning, which most templates take as one
        while (first < given.size() && given.get(first).getMessageType() == MessageType.SYSTEM) {
            first++;
        }
        List<Message> all = new ArrayList<>();
        if (first > 0) {
            all.add(new Message(
                    "system",
                    given.subList(0, first).stream().map(Translation::text).collect(Collectors.joining("\n\n"))));
        }
        for (org.springframework.ai.chat.messages.Message message : given.subList(first, given.size())) {
            if (message instanceof MediaContent content && !content.getMedia().isEmpty()) {
                throw new IllegalArgumentException("messages: expected text, since media are not supported, got "
                        + content.getMedia().iterator().next().getMimeType());
            }
            switch (message) {
                case ToolResponseMessage results ->
                    results.getResponses()
                            .forEach(each -> all.add(
                                    Message.result(new ToolCall(each.id(), each.name(), ""), each.responseData())));
                case AssistantMessage answer -> all.add(answer(answer).message());
                default -> all.add(new Message(message.getMessageType().getValue(), text(message)));
            }
        }
        return all;
    }

    private static String text(org.springframework.ai.chat.messages.Message message) {
        return Objects.requireNonNullElse(message.getText(), "");
    }

    private static Answer answer(AssistantMessage message) {
        return new Answer(
                text(message),
                message.getMetadata().get(THINKING) instanceof String thought ? thought : "",
                message.getToolCalls().stream()
                        .map(call -> new ToolCall(call.id(), call.name(), call.arguments()))
                        .toList(),
                "stop");
    }

    /**
     * A format with the tools and template variables of options.
     *
     * @param messages which may end with results of a call that had to be made
     */
    static Chat.Format format(Chat.Format format, Causal4jChatOptions options, List<Message> messages) {
        boolean strict = !Boolean.FALSE.equals(options.getStrictTools());
        List<ToolDefinition> tools =
                Objects.requireNonNullElse(options.getToolCallbacks(), List.<ToolCallback>of()).stream()
                        .map(ToolCallback::getToolDefinition)
                        .map(tool -> ToolDefinition.of(tool.name(), tool.description(), tool.inputSchema())
                                .withStrict(strict))
                        .toList();
        ToolChoice asked = Objects.requireNonNullElse(options.getToolChoice(), ToolChoice.AUTO);
        boolean called =
                !messages.isEmpty() && "tool".equals(messages.getLast().fields().get("role"));
        ToolChoice choice = called && asked.kind() != Kind.NONE ? ToolChoice.AUTO : asked;
        return format.withVariables(options.getTemplateVariables()).withTools(tools, choice);
    }

    /**
     * The engine's options: the model's own, then those given, then what the user's function sets.
     *
     * @throws ConstraintException if the schema of the content cannot be held
     * @throws IllegalArgumentException if a number is out of its range
     */
    static GenerationOptions generation(Chat.Format format, Causal4jChatOptions given) {
        CausalLM model = format.model();
        require("model", model.name(), given.getModel());
        Map<Setting, @Nullable Number> numbers = new HashMap<>(given.numbers());
        numbers.put(Setting.MAX_NEW_TOKENS, given.getMaxTokens());
        numbers.put(Setting.TEMPERATURE, given.getTemperature());
        numbers.put(Setting.TOP_K, given.getTopK());
        numbers.put(Setting.TOP_P, given.getTopP());
        numbers.put(Setting.FREQUENCY_PENALTY, given.getFrequencyPenalty());
        numbers.put(Setting.PRESENCE_PENALTY, given.getPresencePenalty());
        numbers.values().removeIf(Objects::isNull);
        GenerationOptions options = GenerationOptions.of(model)
                .withMaxNewTokens(model.contextLength())
                .withSeed(GenerationOptions.randomSeed())
                .withStop(Objects.requireNonNullElse(given.getStopSequences(), List.of()))
                .with(numbers);
        String schema = given.getOutputSchema();
        if (schema != null && !schema.isBlank()) {
            options = options.withConstraint(Constraint.schema(schema, format.whitespace()));
        }
        UnaryOperator<GenerationOptions> more = given.getGeneration();
        return more == null ? options : more.apply(options);
    }

    /** @param text the content; empty if parts have told it */
    static ChatResponse response(String id, String model, Chat.Turn turn, String text) {
        Answer answer = turn.answer();
        Generation made = turn.generation();
        String reason = reason(turn);
        // Who sees calls executes them, and those of an answer that was cut are not whole.
        List<ToolCall> calls = reason.equals("TOOL_CALLS") ? answer.calls() : List.of();
        AssistantMessage message = AssistantMessage.builder()
                .content(text)
                .properties(answer.reasoning().isEmpty() ? Map.of() : Map.of(THINKING, answer.reasoning()))
                .toolCalls(calls.stream()
                        .map(call ->
                                new AssistantMessage.ToolCall(call.id(), "function", call.name(), call.arguments()))
                        .toList())
                .build();
        ChatGenerationMetadata metadata = ChatGenerationMetadata.builder()
                .finishReason(reason)
                .metadata("generation", made)
                .build();
        int prompt = made.promptTokens().length;
        int tokens = made.tokens().length;
        Usage usage = new DefaultUsage(
                prompt,
                tokens,
                prompt + tokens,
                made.timing(),
                (long) made.timing().cachedTokens(),
                null);
        return new ChatResponse(
                List.of(new org.springframework.ai.chat.model.Generation(message, metadata)),
                ChatResponseMetadata.builder().id(id).model(model).usage(usage).build());
    }

    private static String reason(Chat.Turn turn) {
        return switch (turn.generation().finishReason()) {
            case EOS, STOP -> turn.answer().calls().isEmpty() ? "STOP" : "TOOL_CALLS";
            case LENGTH, DEADLINE -> "LENGTH"; // either cuts it
            case CANCELLED -> "CANCELLED";
        };
    }

    /** @throws IllegalArgumentException if it has no text */
    static String text(Document document, MetadataMode mode) {
        String text = document.getText();
        if (text == null) {
            throw new IllegalArgumentException("document: expected text, since media are not supported, got none");
        }
        return mode == MetadataMode.NONE // formatted, it would begin with two line ends
                ? text
                : document.getFormattedContent(mode);
    }
}
