package dev.causal4j.constraint;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.json.Json;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The subschemas of a JSON Schema, with their places in it. Not thread-safe. */
final class SchemaDocument {
    static final Subschema ANY = new Subschema(null, "", Map.of(), false);
    static final Subschema NEVER = new Subschema(null, "", Map.of("not", true), false);

    private final Object root;
    private final IdentityHashMap<Object, Subschema> known = new IdentityHashMap<>();

    /** @param root as {@link Json} reads it */
    SchemaDocument(Object root) {
        this.root = root;
    }

    Subschema root() {
        return subschema(root, null, "", false);
    }

    /** The value some steps below {@code parent}, or the root if it is null. Keywords are looked at when asked for. */
    private Subschema subschema(@Nullable Object value, @Nullable Subschema parent, String steps, boolean foreign) {
        return switch (value) {
            case Boolean all -> all ? ANY : NEVER;
            case Map<?, ?> map -> known.computeIfAbsent(map, unused -> new Subschema(parent, steps, map, foreign));
            case null, default ->
                throw Subschema.wrong(new Subschema(parent, steps, Map.of(), foreign).pointer(), "a schema", value);
        };
    }

    /** The schema of a keyword's value, or of a part of it: {@code path} is the keyword, then names and indices. */
    Subschema child(Subschema parent, Object... path) {
        Object value = parent.keywords;
        StringBuilder steps = new StringBuilder();
        for (Object step : path) {
            value = step(value, step.toString());
            steps.append('/').append(step.toString().replace("~", "~0").replace("/", "~1"));
        }
        return subschema(value, parent, steps.toString(), parent.foreign || foreign(value));
    }

    /** The schema that a {@code $ref} means. */
    Subschema resolve(Subschema from) {
        String ref = from.text("$ref");
        String id = root instanceof Map<?, ?> map && map.get("$id") instanceof String text ? text : "";
        String local = ref.startsWith(id) && ref.startsWith("#", id.length()) ? ref.substring(id.length()) : ref;
        if (from.foreign || !(local.equals("#") || local.startsWith("#/"))) {
            throw from.refused("$ref", "$ref to a place in this schema, as \"#/$defs/a\"", quote(ref));
        }
        Object value = root;
        boolean foreign = false;
        String[] steps = local.substring(1).split("/", -1);
        for (int i = 1; i < steps.length; i++) {
            value = step(value, decode(from, steps[i]).replace("~1", "/").replace("~0", "~"));
            foreign |= foreign(value);
            if (value == null) {
                throw from.refused("$ref", "$ref to a schema that is there", quote(ref));
            }
        }
        return subschema(value, null, local.substring(1), foreign);
    }

    private static String decode(Subschema from, String step) {
        try {
            return URLDecoder.decode(step.replace("+", "%2B"), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw from.refused("$ref", "\"%\" before two hexadecimal digits", quote(step));
        }
    }

    private static @Nullable Object step(@Nullable Object value, String name) {
        return switch (value) {
            case Map<?, ?> map -> map.get(name);
            case List<?> list
            when name.matches("\\d{1,6}") && Integer.parseInt(name) < list.size() -> list.get(Integer.parseInt(name));
            case null, default -> null;
        };
    }

    /** Whether references in a schema mean places in another one. */
    private static boolean foreign(@Nullable Object schema) {
        return schema instanceof Map<?, ?> map
                && Stream.of("$id", "id").anyMatch(key -> map.get(key) instanceof String id && !id.startsWith("#"));
    }
}
