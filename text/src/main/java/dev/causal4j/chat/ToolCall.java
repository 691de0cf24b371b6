package dev.causal4j.chat;

import dev.causal4j.FormatException;
import dev.causal4j.json.Json;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A call of a tool in a model's answer.
 *
 * @param id names the call, so that a result can name it too: the model's own if it writes one
 * @param name of the tool
 * @param arguments a JSON object as the model wrote it, or a part of one if the answer was cut
 */
public record ToolCall(String id, String name, String arguments) {
    static final String CALLS = "tool_calls";
    private static final String FUNCTION = "function";
    private static final String ARGUMENTS = "arguments";

    /** The call in a message, as in JSON. */
    Map<String, Object> fields() {
        Map<String, Object> function = Json.object("name", name, ARGUMENTS, arguments);
        return Json.object("id", id, "type", FUNCTION, FUNCTION, function);
    }

    /** The calls in a message, as in JSON. */
    static List<?> of(Message message) {
        return message.fields().get(CALLS) instanceof List<?> calls ? calls : List.of();
    }

    /** A message whose calls have arguments as text, or as an object if they are one. */
    static Message withArguments(Message message, boolean asText) {
        if (of(message).isEmpty()) {
            return message;
        }
        Map<String, Object> fields = new LinkedHashMap<>(message.fields());
        fields.put(
                CALLS, of(message).stream().map(call -> replaced(call, asText)).toList());
        return new Message(fields);
    }

    private static @Nullable Object replaced(@Nullable Object value, boolean asText) {
        if (!(value instanceof Map<?, ?> map)) {
            return value;
        }
        Map<Object, @Nullable Object> copy = new LinkedHashMap<>(map);
        copy.computeIfPresent(FUNCTION, (unused, function) -> replaced(function, asText));
        copy.computeIfPresent(ARGUMENTS, (unused, given) -> arguments(given, asText));
        return copy;
    }

    private static Object arguments(Object given, boolean asText) {
        try {
            return switch (given) {
                case Map<?, ?> object when asText -> new String(Json.write(object), StandardCharsets.UTF_8);
                case String text when !asText -> Json.exactTree(ARGUMENTS, text.getBytes(StandardCharsets.UTF_8));
                default -> given;
            };
        } catch (FormatException unused) {
            return given;
        }
    }
}
