package dev.causal4j.server;

import dev.causal4j.chat.ToolChoice;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.json.Json;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The tools that a request offers. Immutable.
 *
 * @param choice how they may be called; {@link ToolChoice#NONE} if there are none
 */
record Tools(List<ToolDefinition> offered, ToolChoice choice) {
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_-]{1,64}");
    /** Fields of a function that models read; clients send others, too. */
    private static final List<String> FIELDS = List.of("name", "description", "parameters", "strict");

    /** @throws ApiError if a definition or the choice is wrong */
    static Tools read(JsonIn in) {
        in.refuse(List.of("functions", "function_call"));
        SequencedMap<String, ToolDefinition> offered = new LinkedHashMap<>();
        in.objects("tools", Limits.TOOLS).forEachOrdered(tool -> {
            checkType(tool);
            JsonIn function = tool.requiredObject("function");
            String name = name(function);
            if (offered.put(name, definition(function)) != null) {
                throw ApiError.value(function.path("name"), "another name than the tools before have", name);
            }
        });
        int _ = requireFew(in, "tools", 0);
        boolean parallel = in.bool("parallel_tool_calls", true);
        return new Tools(List.copyOf(offered.values()), choice(in, offered).withParallel(parallel));
    }

    /**
     * Counts the values of a field after others.
     *
     * @throws ApiError if they are too many for a request that waits
     */
    static int requireFew(JsonIn in, String key, int before) {
        int values = before + values(in.value(key));
        if (values > Limits.TOOL_VALUES) {
            throw ApiError.value(in.path(key), "at most " + Limits.TOOL_VALUES + " JSON values in all", values);
        }
        return values;
    }

    private static int values(@Nullable Object value) {
        Collection<?> inner =
                value instanceof Map<?, ?> map ? map.values() : value instanceof List<?> list ? list : List.of();
        return 1 + inner.stream().mapToInt(Tools::values).sum();
    }

    /** @throws ApiError unless a tool, a call or a choice is of a function */
    static void checkType(JsonIn in) {
        if (!"function".equals(in.value("type"))) {
            throw ApiError.value(in.path("type"), "\"function\"", in.value("type"));
        }
    }

    private static String name(JsonIn function) {
        String name = function.requiredString("name");
        if (!NAME.matcher(name).matches()) {
            throw ApiError.value(function.path("name"), "1 to 64 of A-Z a-z 0-9 _ -", name);
        }
        return name;
    }

    private static ToolDefinition definition(JsonIn function) {
        function.string("description");
        function.bool("strict", false);
        function.object("parameters").ifPresent(schema -> {
            Object type = Objects.requireNonNullElse(schema.value("type"), "object");
            if (!type.equals("object")) {
                throw ApiError.value(schema.path("type"), "\"object\"", type);
            }
        });
        Map<String, Object> fields = function.given();
        fields.keySet().retainAll(FIELDS);
        return new ToolDefinition(Json.object("type", "function", "function", fields));
    }

    private static ToolChoice choice(JsonIn in, Map<String, ToolDefinition> offered) {
        Object choice = Objects.requireNonNullElse(in.value("tool_choice"), "auto");
        if (choice instanceof Map) {
            JsonIn named = in.requiredObject("tool_choice");
            checkType(named);
            JsonIn function = named.requiredObject("function");
            String name = function.requiredString("name");
            if (!offered.containsKey(name)) {
                throw ApiError.value(function.path("name"), "the name of one of the tools", name);
            }
            return ToolChoice.named(name);
        }
        if (choice.equals("required") && offered.isEmpty()) {
            throw ApiError.value(in.path("tool_choice"), "tools with it", choice);
        }
        return switch (choice.toString()) {
            case "none" -> ToolChoice.NONE;
            case "auto" -> offered.isEmpty() ? ToolChoice.NONE : ToolChoice.AUTO;
            case "required" -> ToolChoice.REQUIRED;
            default -> throw ApiError.value(in.path("tool_choice"), "none, auto, required or a function", choice);
        };
    }
}
