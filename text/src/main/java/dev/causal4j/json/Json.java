package dev.causal4j.json;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;
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
import tools.jackson.core.exc.JacksonIOException;
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

    // Real files nest 3 to 6 deep; a schema in a tool in a request may be deep.
    private static final int MAX_DEPTH = 100;

    /** Jackson's own names in its messages, which say what else it could do. */
    private static final Pattern ADVICE =
            Pattern.compile("(?s)(: enable `| \\((start marker|for \\w+ starting|not recognized)).*|, from `[^`]*`");

    // At most ten times those of the largest files in use. As a tree a token takes some 40 to 75 bytes.
    private static final long MAX_TOKENS =
            Math.min(1 << 24, Runtime.getRuntime().maxMemory() / 128);

    /** Characters of a name: the longest tokens of vocabularies in use have some hundred. */
    static final int MAX_NAME = 1 << 14;

    private static final JsonFactory JSON = JsonFactory.builder()
            // Keys are names of tensors or tokens, all different: interning them would only invite hash collisions.
            .disable(TokenStreamFactory.Feature.CANONICALIZE_PROPERTY_NAMES)
            .disable(TokenStreamFactory.Feature.INTERN_PROPERTY_NAMES)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxTokenCount(MAX_TOKENS)
                    .maxNameLength(MAX_NAME)
                    .build())
            .build();

    /** Takes the members of large objects and lists one by one, so that they are never there as a tree. */
    public interface Members {
        /**
         * A member of the value at a path such as {@code model.vocab}; its name is empty in a list, and in an object
         * may come twice.
         */
        void member(String path, String name, Object value) throws FormatException;
    }

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
        return parse(file.toString(), bytes(file));
    }

    /** The bytes of a file to {@linkplain #parse parse}. Errors as of {@link #read}, except those of its content. */
    public static byte[] bytes(Path file) throws IOException {
        return UntrustedInput.readFile(file, WHAT, MAX_BYTES);
    }

    /**
     * Reads a file from memory.
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
        Map<?, ?> section = has(key) ? require(key, Map.class, "an object") : Map.of();
        return new Json(subject + ", key " + quote(key), section);
    }

    /** This object with other values, which win. */
    public Json with(Map<?, ?> others) {
        Map<Object, Object> both = new LinkedHashMap<>(root);
        both.putAll(others);
        return new Json(subject, both);
    }

    /**
     * A list of numbers that must be there.
     *
     * @throws FormatException if it is anything else, or has not {@code size} numbers
     */
    public List<Double> numbers(String key, int size) throws FormatException {
        List<Number> numbers = list(key, Number.class, size + " numbers");
        check(key, numbers.size() == size, size + " numbers");
        return numbers.stream().map(Number::doubleValue).toList();
    }

    /**
     * A list of strings; an empty one if absent.
     *
     * @throws FormatException if it is there and anything else
     */
    public List<String> strings(String key) throws FormatException {
        return list(key, String.class, "a list of strings");
    }

    /**
     * A list of objects; an empty one if absent.
     *
     * @throws FormatException if it is there and anything else
     */
    public List<Json> objects(String key) throws FormatException {
        List<Json> objects = new ArrayList<>();
        for (Map<?, ?> each : list(key, Map.class, "a list of objects")) {
            objects.add(new Json(subject + ", key " + quote(key) + "[" + objects.size() + "]", each));
        }
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
        return has(key) ? requireInt(key, min, max) : fallback;
    }

    /**
     * A number, or {@code fallback} (whatever the range) if absent.
     *
     * @throws FormatException if it is there and not a finite number in {@code [min, max]}
     */
    public double number(String key, double fallback, double min, double max) throws FormatException {
        String expected = "a number from " + min + " to " + max;
        double number = has(key) ? require(key, Number.class, expected).doubleValue() : fallback;
        check(key, !has(key) || (Double.isFinite(number) && number >= min && number <= max), expected);
        return number;
    }

    /**
     * A boolean, or {@code fallback} if absent.
     *
     * @throws FormatException if it is there and neither true nor false
     */
    public boolean bool(String key, boolean fallback) throws FormatException {
        return has(key) ? require(key, Boolean.class, "true or false") : fallback;
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
        return require(key, String.class, "a string");
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

    private <T> T require(String key, Class<T> type, String expected) throws FormatException {
        Object value = value(key);
        check(key, type.isInstance(value), expected);
        return Objects.requireNonNull(type.cast(value));
    }

    private <T> List<T> list(String key, Class<T> type, String expected) throws FormatException {
        List<?> list = has(key) ? require(key, List.class, expected) : List.of();
        check(key, list.stream().allMatch(type::isInstance), expected);
        return list.stream().<T>map(type::cast).toList();
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
        if (value instanceof Integer number && number >= min && number <= max) {
            return number;
        }
        throw wrong(key, "an integer from " + min + " to " + max, value);
    }

    private FormatException wrong(String key, String expected, @Nullable Object got) {
        return new FormatException(subject + ", key " + quote(key), expected, describe(got), "correct the file");
    }

    private @Nullable Object value(String key) {
        Object value = root.get(key);
        return NULL.equals(value) ? null : value;
    }

    /**
     * Reads bytes that must be one JSON object in UTF-8 and nothing after it, with no key twice, at most 100 deep and
     * of at most 16 million tokens.
     *
     * @param subject their name in messages
     * @return the object in the order of the file; immutable like all in it
     * @throws FormatException if they are anything else
     */
    public static Map<String, Object> tree(String subject, byte[] json) throws FormatException {
        return tree(subject, json, Set.of(), (path, name, value) -> {});
    }

    /**
     * Reads one JSON object, of which the members of the values at some paths are taken one by one; the tree has {@link
     * #NULL} there.
     */
    public static Map<String, Object> tree(String subject, byte[] json, Set<String> large, Members members)
            throws FormatException {
        return object(subject, read(subject, json, large, members, false));
    }

    /**
     * Reads an object like {@link #tree(String, byte[])}, with fractions as BigDecimal: written again, they keep every
     * digit.
     */
    public static Map<String, Object> exactTree(String subject, byte[] json) throws FormatException {
        return object(subject, read(subject, json, Set.of(), (path, name, value) -> {}, true));
    }

    /** Reads a value of any kind under the rules of {@link #tree(String, byte[])}; null if there is none. */
    public static @Nullable Object value(String subject, byte[] json) throws FormatException {
        return read(subject, json, Set.of(), (path, name, value) -> {}, false);
    }

    @SuppressWarnings("unchecked") // names are strings
    private static Map<String, Object> object(String subject, @Nullable Object root) throws FormatException {
        if (root instanceof Map) {
            return (Map<String, Object>) root;
        }
        throw new FormatException(subject, "a JSON object", describe(root), "is the file damaged?");
    }

    /** Reads a value of any kind like {@link #exactTree}; null if there is none. */
    public static @Nullable Object exactValue(String subject, byte[] json) throws FormatException {
        return read(subject, json, Set.of(), (path, name, value) -> {}, true);
    }

    private static @Nullable Object read(String subject, byte[] json, Set<String> large, Members members, boolean exact)
            throws FormatException {
        // A decoder refuses bytes that are not UTF-8, a charset would replace them.
        Reader text = new InputStreamReader(new ByteArrayInputStream(json), StandardCharsets.UTF_8.newDecoder());
        try (JsonParser parser = JSON.createParser(ObjectReadContext.empty(), text)) {
            Tree tree = new Tree(subject, parser, large, members, exact);
            Object root = parser.nextToken() == null ? null : tree.value("", "");
            if (parser.nextToken() != null) {
                String one = root instanceof Map ? "one JSON object" : "one JSON value";
                throw new FormatException(subject, one, "more after it", "is the file damaged?");
            }
            return root;
        } catch (NumberFormatException e) {
            throw new FormatException(
                    subject, "valid JSON", "a number whose exponent has over 31 bits", "is the file damaged?", e);
        } catch (JacksonException e) {
            boolean encoding = e.getCause() instanceof CharacterCodingException;
            TokenStreamLocation at = e.getLocation(); // of exceeded limits there is none
            String place = at == null ? "" : " at line " + at.getLineNr() + ", column " + at.getColumnNr();
            String got = encoding
                    ? "bytes that are not"
                    : quote(ADVICE.matcher(e.getOriginalMessage()).replaceFirst("")) + place;
            throw new FormatException(
                    subject, encoding ? "text in UTF-8" : "valid JSON", got, "is the file damaged?", e);
        }
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

    /** The value as JSON in UTF-8, without white space. Numbers may also be Float, lists also int[], NULL also null. */
    public static byte[] write(Object value) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), bytes)) {
            write(value, json);
        }
        return bytes.toByteArray();
    }

    /** Writes the value in parts, and closes the stream. */
    public static void write(Object value, OutputStream to) throws IOException {
        try (JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), to)) {
            write(value, json);
        } catch (JacksonIOException e) {
            throw e.getCause();
        }
    }

    private static void write(@Nullable Object value, JsonGenerator json) {
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
            case int[] whole -> json.writeArray(whole, 0, whole.length);
            case String text -> json.writeString(text);
            case Float number -> json.writeNumber(number);
            case Double number -> json.writeNumber(number);
            case Number whole -> json.writeNumber(whole.toString());
            case Boolean flag -> json.writeBoolean(flag);
            case null, default -> json.writeNull();
        }
    }

    /** Reads values. */
    private record Tree(String subject, JsonParser json, Set<String> large, Members taker, boolean exact) {
        /** An object or list, whose beginning was just read. */
        private Object members(String outer, String inner) throws FormatException {
            if (json.streamReadContext().getNestingDepth() > MAX_DEPTH) {
                throw new FormatException(subject, "depth at most " + MAX_DEPTH, "more", "is the file damaged?");
            }
            boolean leads =
                    large.stream().anyMatch(each -> each.startsWith(outer)); // else no path below is one of them
            String path = outer.isEmpty() ? inner : leads ? outer + "." + inner : outer;
            boolean named = json.currentToken() == JsonToken.START_OBJECT;
            boolean given = large.contains(path);
            Map<String, Object> object = named ? new LinkedHashMap<>() : Map.of();
            List<Object> list = named ? List.of() : new ArrayList<>();
            while (!json.nextToken().isStructEnd()) {
                String name = named ? json.currentName() : "";
                if (named) {
                    json.nextToken();
                }
                Object value = value(path, name);
                if (given) {
                    taker.member(path, name, value);
                } else if (!named) {
                    list.add(value);
                } else if (object.put(name, value) != null) {
                    throw new StreamReadException(json, "Duplicate key \"" + name + "\"");
                }
            }
            return given ? NULL : named ? compact(object) : List.copyOf(list);
        }

        /** The object without what most objects do not need: those of strangers may be many and small. */
        private static Map<String, Object> compact(Map<String, Object> object) {
            return object.size() > 1 ? Collections.unmodifiableMap(object) : Map.copyOf(object);
        }

        Object value(String path, String name) throws FormatException {
            return switch (json.currentToken()) {
                case START_OBJECT, START_ARRAY -> members(path, name);
                case VALUE_STRING -> json.getString();
                case VALUE_NUMBER_INT -> json.getNumberValue();
                case VALUE_NUMBER_FLOAT -> exact ? json.getDecimalValue() : json.getNumberValue();
                case VALUE_TRUE -> true;
                case VALUE_FALSE -> false;
                case VALUE_NULL -> NULL;
                default -> throw new AssertionError(json.currentToken());
            };
        }
    }
}
