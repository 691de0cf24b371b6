package dev.causal4j.format;

import dev.causal4j.FormatException;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/**
 * Strict JSON as plain objects: {@code Map}, {@code List}, {@code String}, {@code Number} (as it was written: Integer,
 * Long, BigInteger or Double), {@code Boolean}, and {@link #NULL}. Stateless and thread-safe. A data binding library
 * would take longer to load than these files to read.
 */
public final class JsonTree {
    /** The value {@code null}; absent keys are not in their map. */
    public static final Object NULL = new Object() {
        @Override
        public String toString() {
            return "null";
        }
    };

    private static final JsonFactory WRITER = new JsonFactory();

    private JsonTree() {}

    /**
     * Reads bytes that must be one JSON object in UTF-8 and nothing after it, with no key twice, at most 64 deep.
     *
     * @param subject their name in messages
     * @return the object in the order of the file; immutable like all in it
     * @throws FormatException if they are anything else
     */
    public static Map<String, Object> parse(String subject, byte[] json) throws FormatException {
        return UntrustedInput.readObject(subject, json, JsonTree::object);
    }

    /**
     * A value as messages show it: {@code 7}, {@code "tanh"}, {@code a list of 3}, {@code an object of 2}; on one line
     * and cut like {@link FormatException#quote}.
     *
     * @param value of a tree; null for one that is absent
     */
    public static String describe(@Nullable Object value) {
        return switch (value) {
            case null -> "nothing";
            case Map<?, ?> object -> "an object of " + object.size();
            case List<?> list -> "a list of " + list.size();
            case String text -> FormatException.quote(text);
            default -> FormatException.quote(value.toString()).replace("\"", "");
        };
    }

    /** An object of names and values in turn, in this order. */
    public static Map<String, Object> object(Object... namesAndValues) {
        Map<String, Object> object = new LinkedHashMap<>();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            object.put((String) namesAndValues[i], namesAndValues[i + 1]);
        }
        return object;
    }

    /** The value as JSON in UTF-8, without white space. Numbers may also be Float. */
    public static byte[] write(Object value) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator json = WRITER.createGenerator(ObjectWriteContext.empty(), bytes)) {
            write(value, json);
        }
        return bytes.toByteArray();
    }

    private static void write(Object value, JsonGenerator json) {
        switch (value) {
            case Map<?, ?> object -> {
                json.writeStartObject();
                object.forEach((name, inner) -> {
                    json.writeName((String) name);
                    write(inner, json);
                });
                json.writeEndObject();
            }
            case List<?> list -> {
                json.writeStartArray();
                list.forEach(inner -> write(inner, json));
                json.writeEndArray();
            }
            case String text -> json.writeString(text);
            case Integer number -> json.writeNumber(number);
            case Long number -> json.writeNumber(number);
            case Float number -> json.writeNumber(number);
            case Double number -> json.writeNumber(number);
            case Boolean flag -> json.writeBoolean(flag);
            default -> json.writeNull();
        }
    }

    private static Map<String, Object> object(JsonParser json) {
        Map<String, Object> object = new LinkedHashMap<>();
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String key = json.currentName();
            json.nextToken();
            object.put(key, value(json));
        }
        return Collections.unmodifiableMap(object);
    }

    private static Object value(JsonParser json) {
        return switch (json.currentToken()) {
            case START_OBJECT -> object(json);
            case START_ARRAY -> {
                List<Object> list = new ArrayList<>();
                while (json.nextToken() != JsonToken.END_ARRAY) {
                    list.add(value(json));
                }
                yield Collections.unmodifiableList(list);
            }
            case VALUE_STRING -> json.getString();
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> json.getNumberValue();
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            case VALUE_NULL -> NULL;
            default -> throw new AssertionError(json.currentToken());
        };
    }
}
