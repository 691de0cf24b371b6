package dev.causal4j.langchain4j;

import dev.causal4j.chat.Answer;
import dev.causal4j.chat.Message;
import dev.causal4j.chat.ToolCall;
import dev.causal4j.chat.ToolChoice;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.Whitespace;
import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.Content;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.internal.Json;
import dev.langchain4j.internal.JsonSchemaElementUtils;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.request.json.JsonRawSchema;
import dev.langchain4j.model.chat.request.json.JsonSchema;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Translates messages, tools and formats of responses from LangChain4j's to the engine's. */
final class Translation {
    private Translation() {}

    /** @throws UnsupportedFeatureException if a message has content that is no text */
    static List<Message> messages(Iterable<? extends ChatMessage> messages) {
        List<Message> all = new ArrayList<>();
        messages.forEach(message -> all.add(
                switch (Sampling.required("message", message)) {
                    case SystemMessage system -> new Message("system", system.text());
                    case UserMessage user -> message("user", user.contents(), "name", user.name());
                    case AiMessage answer -> answer(answer).message();
                    case ToolExecutionResultMessage result -> {
                        Message answered = message("tool", result.contents(), "name", result.toolName());
                        yield with(answered, "tool_call_id", result.id());
                    }
                    default ->
                        throw new UnsupportedFeatureException("messages: expected those of system, user, assistant and"
                                + " tools, since others are not supported, got "
                                + message.getClass().getSimpleName());
                }));
        return all;
    }

    private static Answer answer(AiMessage message) {
        return new Answer(
                Objects.requireNonNullElse(message.text(), ""),
                Objects.requireNonNullElse(message.thinking(), ""),
                message.toolExecutionRequests().stream()
                        .map(call -> new ToolCall(
                                Objects.requireNonNullElse(call.id(), ""),
                                call.name(),
                                Objects.requireNonNullElse(call.arguments(), "{}")))
                        .toList(),
                "stop");
    }

    private static Message message(String role, List<Content> contents, String name, @Nullable String value) {
        String text = contents.stream().map(Translation::text).collect(Collectors.joining());
        return with(new Message(role, text), name, value);
    }

    private static Message with(Message message, String name, @Nullable String value) {
        if (value == null) {
            return message;
        }
        Map<String, Object> fields = new LinkedHashMap<>(message.fields());
        fields.put(name, value);
        return new Message(fields);
    }

    private static String text(Content content) {
        if (content instanceof TextContent text) {
            return text.text();
        }
        throw new UnsupportedFeatureException("content: expected text, since non-text content is not supported, got "
                + content.type().name().toLowerCase(Locale.ROOT));
    }

    static List<ToolDefinition> tools(ChatRequestParameters parameters) {
        return parameters.toolSpecifications().stream().map(Translation::tool).toList();
    }

    private static ToolDefinition tool(ToolSpecification tool) {
        Map<String, Object> function = new LinkedHashMap<>();
        function.put("name", tool.name());
        if (tool.description() != null) {
            function.put("description", tool.description());
        }
        boolean strict = Boolean.TRUE.equals(tool.strict());
        if (tool.parameters() != null) {
            Map<String, Object> parameters =
                    new LinkedHashMap<>(JsonSchemaElementUtils.toMap(tool.parameters(), strict));
            if (tool.parameters().additionalProperties() != null) { // it leaves them out
                parameters.put("additionalProperties", tool.parameters().additionalProperties());
            }
            function.put("parameters", Json.fromJson(Json.toJson(parameters), Map.class));
        }
        if (strict) {
            function.put("strict", true);
        }
        return new ToolDefinition(Map.of("type", "function", "function", function));
    }

    static ToolChoice choice(ChatRequestParameters parameters) {
        return switch (parameters.toolChoice()) {
            case NONE -> ToolChoice.NONE;
            case REQUIRED -> ToolChoice.REQUIRED;
            case AUTO -> ToolChoice.AUTO;
            case null -> ToolChoice.AUTO;
        };
    }

    /** The texts of a format; empty for all. A schema holds strictly: it allows no other properties, and leaves none out. */
    static Optional<Constraint> constraint(@Nullable ResponseFormat format, Whitespace whitespace) {
        if (format == null || !isDocument(format)) {
            return Optional.empty();
        }
        JsonSchema schema = format.jsonSchema();
        String json = schema == null
                ? "{\"type\": \"object\"}"
                : schema.rootElement() instanceof JsonRawSchema raw
                        ? raw.schema()
                        : Json.toJson(JsonSchemaElementUtils.toMap(schema.rootElement(), true));
        return Optional.of(Constraint.schema(json, whitespace));
    }

    /** Whether a format is JSON. */
    static boolean isDocument(@Nullable ResponseFormat format) {
        return format != null && format.type() == ResponseFormatType.JSON;
    }

    /**
     * A message, without text where the model wrote none beside its calls. The last call of a cut answer is left out, since
     * whoever reads the message executes it.
     */
    static AiMessage message(Answer answer, String content) {
        int cut = answer.finishReason().equals("tool_calls") ? 0 : 1;
        List<ToolCall> calls =
                answer.calls().subList(0, Math.max(0, answer.calls().size() - cut));
        return AiMessage.builder()
                .text(content.isEmpty() && !calls.isEmpty() ? null : content)
                .thinking(answer.reasoning().isEmpty() ? null : answer.reasoning())
                .toolExecutionRequests(calls.stream().map(Translation::request).toList())
                .build();
    }

    private static ToolExecutionRequest request(ToolCall call) {
        return ToolExecutionRequest.builder()
                .id(call.id())
                .name(call.name())
                .arguments(call.arguments())
                .build();
    }
}
