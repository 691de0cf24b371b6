package dev.causal4j.format;

import dev.causal4j.FormatException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.TokenStreamFactory;
import tools.jackson.core.TokenStreamLocation;
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

    // Real files nest 3 to 6 deep.
    private static final int MAX_DEPTH = 64;

    // Ten times those of the largest files in use; without a limit a file could fill the memory.
    private static final int MAX_TOKENS = 1 << 24;

    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            // Keys are names of tensors or tokens, all different: interning them would only invite hash collisions.
            .disable(TokenStreamFactory.Feature.CANONICALIZE_PROPERTY_NAMES)
            .disable(TokenStreamFactory.Feature.INTERN_PROPERTY_NAMES)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(MAX_DEPTH)
                    .maxTokenCount(MAX_TOKENS)
                    .build())
            .build();

    private JsonTree() {}

    /**
     * Reads bytes that must be one JSON object in UTF-8 and nothing after it, with no key twice, at most 64 deep and of at most 16
     * million tokens.
     *
     * @param subject their name in messages
     * @return the object in the order of the file; immutable like all in it
     * @throws FormatException if they are anything else
     */
    public static Map<String, Object> parse(String subject, byte[] json) throws FormatException {
        // A decoder refuses bytes that are not UTF-8, a charset would replace them.
        Reader text = new InputStreamReader(new ByteArrayInputStream(json), StandardCharsets.UTF_8.newDecoder());
        try (JsonParser parser = JSON.createParser(ObjectReadContext.empty(), text)) {
            JsonToken first = parser.nextToken();
            if (first != JsonToken.START_OBJECT) {
                String got = describe(first == null ? null : value(parser));
                throw new FormatException(subject, "a JSON object", got, "is the file damaged?");
            }
            Map<String, Object> object = object(parser);
            if (parser.nextToken() != null) {
                throw new FormatException(subject, "one JSON object", "more after it", "is the file damaged?");
            }
            return object;
        } catch (JacksonException e) {
            boolean encoding = e.getCause() instanceof CharacterCodingException;
            String got = encoding ? "bytes that are not" : FormatException.quote(e.getOriginalMessage()) + place(e);
            throw new FormatException(
                    subject, encoding ? "text in UTF-8" : "valid JSON", got, "is the file damaged?", e);
        }
    }

    /** Exceeded limits have no position. */
    private static String place(JacksonException e) {
        TokenStreamLocation location = e.getLocation();
        return location == null ? "" : " at line " + location.getLineNr() + ", column " + location.getColumnNr();
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
        try (JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), bytes)) {
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
