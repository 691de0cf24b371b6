package dev.causal4j.format;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
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
import tools.jackson.core.TokenStreamFactory;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.core.exc.StreamReadException;
import tools.jackson.core.json.JsonFactory;

/**
 * A JSON object, such as a {@code config.json}, with checked access to its values. Immutable and thread-safe. Files
 * have at most 1 MB. A JSON null counts as absent. Numbers are strict: 12.0 is not an integer, "12" is not a number.
 *
 * <p>Below it is strict JSON as plain objects, to read and write: {@code Map}, {@code List}, {@code String}, {@code
 * Number} (as it was written: Integer, Long, BigInteger or Double), {@code Boolean}, and {@link #NULL}. A data binding
 * library would take longer to load than these files to read.
 *
 * @param subject its name in messages
 * @param root as {@link #tree} gives it
 */
public record Json(String subject, Map<?, ?> root) {
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
            // Keys are names of tensors or tokens, all different: interning them would only invite hash collisions.
            .disable(TokenStreamFactory.Feature.CANONICALIZE_PROPERTY_NAMES)
            .disable(TokenStreamFactory.Feature.INTERN_PROPERTY_NAMES)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(MAX_DEPTH)
                    .maxTokenCount(MAX_TOKENS)
                    .build())
            .build();

    /** Takes the members of large objects and lists one by one, so that they are never there as a tree. */
    public interface Members {
        /** Whether it takes those of the value at a path such as {@code model.vocab}, if that has any. */
        boolean takes(String path);

        /** A value; its name is empty in a list, and in an object may come twice. */
        void member(String path, String name, Object value) throws FormatException;
    }

    private static final Members NO_MEMBERS = new Members() {
        @Override
        public boolean takes(String path) {
            return false;
        }

        @Override
        public void member(String path, String name, Object value) {}
    };

    private static final int MAX_BYTES = 1_000_000;
    private static final String WHAT = "a JSON file";

    /**
     * Reads a file.
     *
     * @throws FormatException if there is no such file, it is too long, or it is not one JSON object without duplicate
     *     keys, in UTF-8
     * @throws IOException if reading fails
     */
    public static Json read(Path file) throws IOException {
        return parse(file.toString(), UntrustedInput.readFile(file, WHAT, MAX_BYTES));
    }

    /**
     * The same from memory.
     *
     * @param subject its name in messages
     */
    public static Json parse(String subject, byte[] json) throws FormatException {
        UntrustedInput.requireLength(subject, WHAT, json.length, MAX_BYTES);
        return new Json(subject, tree(subject, json));
    }

    /** Whether there is a value other than null. */
    public boolean has(String key) {
        return value(key) != null;
    }

    /** Whether there is a null, which counts as absent elsewhere. */
    public boolean isNull(String key) {
        return NULL.equals(root.get(key));
    }

    /**
     * An object; an empty one if absent.
     *
     * @throws FormatException if it is there and anything else
     */
    public Json section(String key) throws FormatException {
        Object value = value(key);
        if (value != null && !(value instanceof Map<?, ?>)) {
            throw wrong(key, "an object", value);
        }
        return new Json(subject + ", key " + quote(key), value instanceof Map<?, ?> map ? map : Map.of());
    }

    /** The same object with the values of another, which win. */
    public Json with(Json other) {
        Map<Object, Object> both = new LinkedHashMap<>(root);
        both.putAll(other.root);
        return new Json(subject, both);
    }

    /**
     * A list of numbers that must be there.
     *
     * @throws FormatException if it is anything else, or has not {@code size} numbers
     */
    public List<Double> numbers(String key, int size) throws FormatException {
        List<?> list = value(key) instanceof List<?> given ? given : List.of();
        check(key, list.size() == size && list.stream().allMatch(Number.class::isInstance), size + " numbers");
        return list.stream().map(each -> ((Number) each).doubleValue()).toList();
    }

    /**
     * A list of strings; an empty one if absent.
     *
     * @throws FormatException if it is there and anything else
     */
    public List<String> strings(String key) throws FormatException {
        Object value = value(key);
        List<?> list = value instanceof List<?> given ? given : List.of();
        boolean strings = list.stream().allMatch(String.class::isInstance);
        check(key, (value == null || value instanceof List<?>) && strings, "a list of strings");
        return list.stream().map(String.class::cast).toList();
    }

    /**
     * A list of objects; an empty one if absent.
     *
     * @throws FormatException if it is there and anything else
     */
    public List<Json> objects(String key) throws FormatException {
        Object value = value(key);
        List<Json> objects = new ArrayList<>();
        for (Object each : value instanceof List<?> list ? list : List.of()) {
            check(key, each instanceof Map<?, ?>, "a list of objects");
            objects.add(new Json(subject + ", key " + quote(key) + "[" + objects.size() + "]", (Map<?, ?>) each));
        }
        check(key, value == null || value instanceof List<?>, "a list of objects");
        return objects;
    }

    /**
     * An integer that must be there.
     *
     * @throws FormatException if it is absent, or not an integer in {@code [min, max]}
     */
    public int requireInt(String key, int min, int max) throws FormatException {
        return integer(key, value(key), min, max);
    }

    /**
     * An integer, or {@code fallback} (whatever the range) if absent.
     *
     * @throws FormatException if it is there and not an integer in {@code [min, max]}
     */
    public int integer(String key, int fallback, int min, int max) throws FormatException {
        Object value = value(key);
        return value == null ? fallback : integer(key, value, min, max);
    }

    /**
     * A number, or {@code fallback} (whatever the range) if absent.
     *
     * @throws FormatException if it is there and not a finite number in {@code [min, max]}
     */
    public double number(String key, double fallback, double min, double max) throws FormatException {
        Object value = value(key);
        if (value == null) {
            return fallback;
        }
        double number = value instanceof Number given ? given.doubleValue() : Double.NaN;
        if (!Double.isFinite(number) || number < min || number > max) {
            throw wrong(key, "a number from " + min + " to " + max, value);
        }
        return number;
    }

    /**
     * A boolean, or {@code fallback} if absent.
     *
     * @throws FormatException if it is there and neither true nor false
     */
    public boolean bool(String key, boolean fallback) throws FormatException {
        Object value = value(key);
        return switch (value) {
            case null -> fallback;
            case Boolean flag -> flag;
            default -> throw wrong(key, "true or false", value);
        };
    }

    /**
     * A string, or {@code fallback} if absent.
     *
     * @throws FormatException if it is there and not a string
     */
    public String string(String key, String fallback) throws FormatException {
        return has(key) ? requireString(key) : fallback;
    }

    /**
     * A string that must be there.
     *
     * @throws FormatException if it is absent or not a string
     */
    public String requireString(String key) throws FormatException {
        Object value = value(key);
        if (!(value instanceof String text)) {
            throw wrong(key, "a string", value);
        }
        return text;
    }

    /**
     * One integer or a list of them; an empty list if absent.
     *
     * @throws FormatException if it is there and anything else
     */
    public List<Integer> integers(String key) throws FormatException {
        Object value = value(key);
        List<Integer> integers = new ArrayList<>();
        for (Object each : value instanceof List<?> list ? list : value == null ? List.of() : List.of(value)) {
            integers.add(integer(key, each, Integer.MIN_VALUE, Integer.MAX_VALUE));
        }
        return List.copyOf(integers);
    }

    /**
     * Throws unless a value is right.
     *
     * @throws FormatException naming the key and its value
     */
    public void check(String key, boolean right, String expected) throws FormatException {
        if (!right) {
            throw wrong(key, expected, value(key));
        }
    }

    /**
     * Throws unless a value is supported.
     *
     * @throws UnsupportedModelException naming the key and its value
     */
    public void support(String key, boolean supported, String expected) throws UnsupportedModelException {
        if (!supported) {
            String got = describe(value(key));
            throw new UnsupportedModelException(
                    subject + ", key " + quote(key), expected, got, "this model is not supported");
        }
    }

    private int integer(String key, @Nullable Object value, int min, int max) throws FormatException {
        // The parser makes an Integer of whatever fits one.
        if (!(value instanceof Integer number) || number < min || number > max) {
            throw wrong(key, "an integer from " + min + " to " + max, value);
        }
        return number;
    }

    private @Nullable Object value(String key) {
        Object value = root.get(key);
        return NULL.equals(value) ? null : value;
    }

    private FormatException wrong(String key, String expected, @Nullable Object got) {
        return new FormatException(subject + ", key " + quote(key), expected, describe(got), "correct the file");
    }

    /**
     * Reads bytes that must be one JSON object in UTF-8 and nothing after it, with no key twice, at most 64 deep and of at most 16
     * million tokens.
     *
     * @param subject their name in messages
     * @return the object in the order of the file; immutable like all in it
     * @throws FormatException if they are anything else
     */
    public static Map<String, Object> tree(String subject, byte[] json) throws FormatException {
        return tree(subject, json, NO_MEMBERS);
    }

    /** The same but for values whose members are taken one by one; those are {@link #NULL} in the tree. */
    public static Map<String, Object> tree(String subject, byte[] json, Members members) throws FormatException {
        // A decoder refuses bytes that are not UTF-8, a charset would replace them.
        Reader text = new InputStreamReader(new ByteArrayInputStream(json), StandardCharsets.UTF_8.newDecoder());
        try (JsonParser parser = JSON.createParser(ObjectReadContext.empty(), text)) {
            JsonToken first = parser.nextToken();
            if (first != JsonToken.START_OBJECT) {
                String got = describe(first == null ? null : value(parser));
                throw new FormatException(subject, "a JSON object", got, "is the file damaged?");
            }
            Map<String, Object> object = object(parser, "", members);
            if (parser.nextToken() != null) {
                throw new FormatException(subject, "one JSON object", "more after it", "is the file damaged?");
            }
            return object;
        } catch (JacksonException e) {
            boolean encoding = e.getCause() instanceof CharacterCodingException;
            String got = encoding ? "bytes that are not" : quote(e.getOriginalMessage()) + place(e);
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
            case String text -> quote(text);
            default -> quote(value.toString()).replace("\"", "");
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

    private static Map<String, Object> object(JsonParser json, String path, Members members) throws FormatException {
        Map<String, Object> object = new LinkedHashMap<>();
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String key = json.currentName();
            boolean taken = members.takes(path + key);
            JsonToken first = json.nextToken();
            Object value = NULL;
            if (taken && (first == JsonToken.START_OBJECT || first == JsonToken.START_ARRAY)) {
                give(json, path + key, members);
            } else {
                value = first == JsonToken.START_OBJECT ? object(json, path + key + ".", members) : value(json);
            }
            if (object.put(key, value) != null) {
                throw new StreamReadException(json, "Duplicate key \"" + key + "\"");
            }
        }
        return Collections.unmodifiableMap(object);
    }

    private static void give(JsonParser json, String path, Members members) throws FormatException {
        for (JsonToken next = json.nextToken(); !next.isStructEnd(); next = json.nextToken()) {
            String name = "";
            if (next == JsonToken.PROPERTY_NAME) {
                name = json.currentName();
                json.nextToken();
            }
            members.member(path, name, value(json));
        }
    }

    private static Object value(JsonParser json) throws FormatException {
        return switch (json.currentToken()) {
            case START_OBJECT -> object(json, "", NO_MEMBERS);
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
