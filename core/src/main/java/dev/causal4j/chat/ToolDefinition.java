package dev.causal4j.chat;

import dev.causal4j.format.Json;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A tool that a model may call, as in JSON. Immutable and thread-safe if its values are.
 *
 * @param fields usually {@code {"type": "function", "function": {"name", "description", "parameters"}}}; of values as
 *     in {@link Message}
 */
public record ToolDefinition(Map<String, ?> fields) {
    public ToolDefinition {
        fields = Collections.unmodifiableMap(new LinkedHashMap<>(fields));
    }

    /**
     * A function.
     *
     * @param parameters a JSON schema of its arguments
     */
    public static ToolDefinition function(String name, String description, Map<String, ?> parameters) {
        Object function = Json.object("name", name, "description", description, "parameters", parameters);
        return new ToolDefinition(Json.object("type", "function", "function", function));
    }
}
