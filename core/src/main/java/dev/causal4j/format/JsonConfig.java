package dev.causal4j.format;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A JSON object, such as a {@code config.json}, with checked access to its values. Immutable and thread-safe. Files
 * have at most 1 MB. A JSON null counts as absent. Numbers are strict: 12.0 is not an integer, "12" is not a number.
 *
 * @param subject its name in messages
 * @param root as {@link JsonTree#parse} gives it
 */
public record JsonConfig(String subject, Map<?, ?> root) {
    private static final int MAX_BYTES = 1_000_000;
    private static final String WHAT = "a JSON file";

    /**
     * Reads a file.
     *
     * @throws FormatException if there is no such file, it is too long, or it is not one JSON object without duplicate
     *     keys, in UTF-8
     * @throws IOException if reading fails
     */
    public static JsonConfig read(Path file) throws IOException {
        return parse(file.toString(), UntrustedInput.readFile(file, WHAT, MAX_BYTES));
    }

    /**
     * The same from memory.
     *
     * @param subject its name in messages
     */
    public static JsonConfig parse(String subject, byte[] json) throws FormatException {
        UntrustedInput.requireLength(subject, WHAT, json.length, MAX_BYTES);
        return new JsonConfig(subject, JsonTree.parse(subject, json));
    }

    /** Whether there is a value other than null. */
    public boolean has(String key) {
        return value(key) != null;
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
            String got = JsonTree.describe(value(key));
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
        return JsonTree.NULL.equals(value) ? null : value;
    }

    private FormatException wrong(String key, String expected, @Nullable Object got) {
        return new FormatException(
                subject + ", key " + quote(key), expected, JsonTree.describe(got), "correct the file");
    }
}
