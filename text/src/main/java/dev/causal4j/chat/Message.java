package dev.causal4j.chat;

import dev.causal4j.json.Json;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A message of a conversation, with the fields that templates read, as in JSON. Immutable and thread-safe if its values
 * are.
 *
 * @param fields {@code role}, {@code content} (a text, null, or a list of parts such as {@code {"type": "text", "text":
 *     ...}}), {@code tool_calls}, {@code reasoning_content}, {@code name} and whatever else a template knows; of
 *     strings, booleans, numbers, null, lists and maps with string keys
 */
public record Message(Map<String, ?> fields) {
    public Message {
        fields = Collections.unmodifiableMap(new LinkedHashMap<>(fields));
    }

    /** A message of a text; {@code role} is {@code system}, {@code user}, {@code assistant} or {@code tool}. */
    public Message(String role, String content) {
        this(Json.object("role", role, "content", content));
    }

    /** The result of a call, of the role {@code tool}. */
    public static Message result(ToolCall call, String text) {
        return new Message(
                Json.object("role", "tool", "tool_call_id", call.id(), "name", call.name(), "content", text));
    }
}
