package dev.causal4j.chat;

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
}
