package dev.causal4j.chat;

import dev.causal4j.FormatException;
import dev.causal4j.chat.ToolChoice.Kind;
import dev.causal4j.json.Json;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A tool that a model may call, as in JSON. Immutable and thread-safe if its values are.
 *
 * @param fields usually {@code {"type": "function", "function": {"name", "description", "parameters"}}}; of values as
 *     in {@link Message}
 */
public record ToolDefinition(Map<String, ?> fields) {
    private static final String FUNCTION = "function";
    /** Keywords that say which types a value has. */
    private static final List<String> TYPING = List.of("type", "const", "enum", "anyOf", "oneOf", "$ref");

    private static final int MOST_SCHEMAS = 1000; // that are looked into
    static final Pattern NAME = Pattern.compile("[\\p{L}\\p{N}_.-]{1,256}");

    public ToolDefinition {
        fields = Collections.unmodifiableMap(new LinkedHashMap<>(fields));
    }

    /**
     * A tool by its name, what it does, and the JSON Schema of its arguments, which must obey the whole of it.
     *
     * @throws IllegalArgumentException if the schema is no JSON object
     */
    public static ToolDefinition of(String name, String text, String schema) {
        try {
            Map<String, Object> tree = Json.exactTree("schema of " + name, schema.getBytes(StandardCharsets.UTF_8));
            return new ToolDefinition(Json.object("name", name, "description", text, "parameters", tree))
                    .withStrict(true);
        } catch (FormatException e) {
            throw new IllegalArgumentException(e.getMessage(), e);
        }
    }

    /** The tool's name; empty if it has none. */
    public String name() {
        return function().get("name") instanceof String name ? name : "";
    }

    /** The JSON Schema of its arguments; empty if there is none. */
    public Map<?, ?> parameters() {
        return function().get("parameters") instanceof Map<?, ?> schema ? schema : Map.of();
    }

    /**
     * The types of an argument that is a text whatever its schema allows: {@code string}, and {@code null} if it may be null;
     * none for other arguments. Its schema says so by {@code type}, {@code const} or {@code enum}, also inside alternatives
     * and a {@code $ref} to a place in the schema.
     */
    public Set<String> textTypes(String argument) {
        Set<String> types = new LinkedHashSet<>();
        List<Object> open = new ArrayList<>(List.of(at("#", "properties", argument))); // alternatives
        for (int i = 0; i < open.size() && open.size() < MOST_SCHEMAS; i++) {
            Map<?, ?> schema = open.get(i) instanceof Map<?, ?> map ? map : Map.of();
            String keyword =
                    TYPING.stream().filter(schema::containsKey).findFirst().orElse("type");
            Object value = schema.containsKey(keyword) ? schema.get(keyword) : "any";
            for (Object each :
                    value instanceof List<?> list && !keyword.equals("const") ? list : Arrays.asList(value)) {
                switch (keyword) {
                    case "$ref" -> open.add(at(("" + each).split("/", -1)));
                    case "anyOf", "oneOf" -> open.add(each);
                    default -> types.add(each instanceof String && !keyword.equals("type") ? "string" : "" + each);
                }
            }
        }
        boolean isText = types.contains("string") && Set.of("string", "null").containsAll(types);
        return isText && open.size() < MOST_SCHEMAS ? types : Set.of();
    }

    /** A part of the schema by the steps of a JSON Pointer without escapes; an empty text if it is not there. */
    private Object at(String... steps) {
        Object at = Map.of("#", parameters());
        for (String step : steps) {
            at = at instanceof Map<?, ?> map ? Objects.requireNonNullElse(map.get(step), "") : "";
        }
        return at;
    }

    /** Whether arguments must obey the whole schema. */
    public boolean strict() {
        return Boolean.TRUE.equals(function().get("strict"));
    }

    /** This tool, whose arguments must obey the whole schema or not. */
    public ToolDefinition withStrict(boolean strict) {
        Map<Object, @Nullable Object> function = new LinkedHashMap<>(function());
        function.put("strict", strict);
        return new ToolDefinition(Json.object("type", FUNCTION, FUNCTION, function));
    }

    private Map<?, ?> function() {
        return fields.get(FUNCTION) instanceof Map<?, ?> function ? function : fields;
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
            String place = "tools[" + names.size() + "]: ";
            String got = FormatException.quote(tool.name());
            require(NAME.matcher(tool.name()).matches(), place + "expected a name of letters, digits, _, - and .", got);
            require(names.add(tool.name()), place + "expected another name than the tools before", got);
        }
        boolean known = choice.kind() != Kind.NAMED || names.contains(choice.name());
        require(known, "tool choice: expected one of " + names, FormatException.quote(choice.name()));
        boolean any = choice.kind() != Kind.REQUIRED || !names.isEmpty();
        require(any, "tool choice: expected tools for \"required\"", "none");
    }

    private static void require(boolean right, String expected, String got) {
        if (!right) {
            throw new IllegalArgumentException(expected + ", got " + got);
        }
    }
}
