package dev.causal4j.chat;

import dev.causal4j.FormatException;
import dev.causal4j.chat.ToolChoice.Kind;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * A tool that a model may call, as in JSON. Immutable and thread-safe if its values are.
 *
 * @param fields usually {@code {"type": "function", "function": {"name", "description", "parameters"}}}; of values as
 *     in {@link Message}
 */
public record ToolDefinition(Map<String, ?> fields) {
    static final Pattern NAME = Pattern.compile("[\\p{L}\\p{N}_.-]{1,256}");

    public ToolDefinition {
        fields = Collections.unmodifiableMap(new LinkedHashMap<>(fields));
    }

    /** The tool's name; empty if it has none. */
    public String name() {
        return function().get("name") instanceof String name ? name : "";
    }

    /** The JSON Schema of its arguments; empty if there is none. */
    public Map<?, ?> parameters() {
        return function().get("parameters") instanceof Map<?, ?> schema ? schema : Map.of();
    }

    /** Whether arguments must obey the whole schema. */
    public boolean strict() {
        return Boolean.TRUE.equals(function().get("strict"));
    }

    private Map<?, ?> function() {
        return fields.get("function") instanceof Map<?, ?> function ? function : fields;
    }

    /**
     * Checks the tools of a request.
     *
     * @throws IllegalArgumentException if one has no name that models can write, two have one name, or the choice names
     *     none of them
     */
    public static void check(List<ToolDefinition> tools, ToolChoice choice) {
        Set<String> names = new LinkedHashSet<>();
        for (ToolDefinition tool : tools) {
            if (!NAME.matcher(tool.name()).matches()) {
                throw new IllegalArgumentException(
                        "tools[" + names.size() + "]: expected a name of letters, digits, _, -" + " and ., got "
                                + FormatException.quote(tool.name()));
            }
            if (!names.add(tool.name())) {
                throw new IllegalArgumentException("tools[" + names.size() + "]: expected another name than the tools"
                        + " before, got " + FormatException.quote(tool.name()));
            }
        }
        if (choice.kind() == Kind.NAMED && !names.contains(choice.name())) {
            throw new IllegalArgumentException(
                    "tool choice: expected one of " + names + ", got " + FormatException.quote(choice.name()));
        }
        if (choice.kind() == Kind.REQUIRED && names.isEmpty()) {
            throw new IllegalArgumentException("tool choice: expected tools for \"required\", got none");
        }
    }
}
