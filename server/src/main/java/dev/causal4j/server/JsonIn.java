package dev.causal4j.server;

import dev.causal4j.FormatException;
import dev.causal4j.json.Json;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The fields of a JSON object in a request, checked as they are read; a null counts as absent. An {@link ApiError} names a
 * field that is wrong. Immutable.
 *
 * @param path of the object, empty or with a dot at its end
 * @param fields as {@link Json#exactTree} gives them
 */
record JsonIn(String path, Map<?, ?> fields) {
    /** Reads a body. */
    static JsonIn parse(byte[] body) {
        int values = values(body);
        if (values > Limits.JSON_VALUES) {
            throw ApiError.value("body", "at most " + Limits.JSON_VALUES + " JSON values", values);
        }
        try {
            return new JsonIn("", Json.exactTree("body", body));
        } catch (FormatException e) {
            String message = String.valueOf(e.getMessage()).replaceFirst("; is the file damaged\\?$", "");
            throw new ApiError(400, "invalid_json", null, message);
        }
    }

    /** How many values JSON has, at most: its objects, its lists and what comes after commas. */
    private static int values(byte[] json) {
        int values = 1;
        boolean quoted = false;
        for (int i = 0; i < json.length; i++) {
            byte at = json[i];
            if (at == '"') {
                quoted = !quoted;
            } else if (quoted) {
                i += at == '\\' ? 1 : 0;
            } else if (at == '{' || at == '[' || at == ',') {
                values++;
            }
        }
        return values;
    }

    /** The path of a field. */
    String path(String key) {
        return path + key;
    }

    /** A value, or null if it is absent. */
    @Nullable
    Object value(String key) {
        Object value = fields.get(key);
        return Json.NULL.equals(value) ? null : value;
    }

    /** The fields that are there, in their order; some clients write all that there could be. */
    Map<String, Object> given() {
        Map<String, Object> given = new LinkedHashMap<>();
        fields.forEach((name, value) -> given.put((String) name, value));
        given.values().removeIf(Json.NULL::equals);
        return given;
    }

    boolean has(String key) {
        return value(key) != null;
    }

    /** Whether a field is absent or has no effect: false, 0 or less, or empty. */
    boolean isOff(String key) {
        return switch (value(key)) {
            case null -> true;
            case Boolean flag -> !flag;
            case Number number -> number.doubleValue() <= 0;
            case String text -> text.isEmpty();
            case List<?> list -> list.isEmpty();
            case Map<?, ?> object -> object.isEmpty();
            default -> false;
        };
    }

    /** @throws ApiError if one of the fields is on, since this server does not know them */
    void refuse(List<String> keys) {
        for (String key : keys) {
            if (!isOff(key)) {
                throw ApiError.unsupported(path(key), value(key));
            }
        }
    }

    boolean bool(String key, boolean fallback) {
        Object value = Objects.requireNonNullElse(value(key), fallback);
        if (value instanceof Boolean flag) {
            return flag;
        }
        throw ApiError.type(path(key), "true or false", value);
    }

    /** A text of whole characters. */
    Optional<String> string(String key) {
        return has(key) ? Optional.of(text(path(key), value(key))) : Optional.empty();
    }

    /** A text that must be there. */
    String requiredString(String key) {
        return text(path(key), value(key));
    }

    /** A value as text. */
    static String text(String path, @Nullable Object value) {
        if (!(value instanceof String text)) {
            throw ApiError.type(path, "a string", value);
        }
        if (text.codePoints().anyMatch(c -> Character.getType(c) == Character.SURROGATE)) {
            throw ApiError.value(path, "text of whole characters", value);
        }
        return text;
    }

    int integer(String key, int fallback, int min, int max) {
        return (int) whole(key, min, max).orElse((long) fallback).longValue();
    }

    /** A whole number, which may be written as 4.0. */
    Optional<Long> whole(String key, long min, long max) {
        return has(key) ? Optional.of(whole(path(key), value(key), min, max)) : Optional.empty();
    }

    static long whole(String path, @Nullable Object value, long min, long max) {
        String expected = "a whole number from " + min + " to " + max;
        if (!(value instanceof Number)) {
            throw ApiError.type(path, expected, value);
        }
        try {
            long whole = new BigDecimal(value.toString()).longValueExact();
            if (whole >= min && whole <= max) {
                return whole;
            }
        } catch (ArithmeticException | NumberFormatException e) {
            // a fraction, too large, or infinite
        }
        throw ApiError.value(path, expected, value);
    }

    double number(String key, double fallback, double min, double max) {
        return has(key) ? number(path(key), value(key), min, max) : fallback;
    }

    static double number(String path, @Nullable Object value, double min, double max) {
        if (value instanceof Number number && number.doubleValue() >= min && number.doubleValue() <= max) {
            return number.doubleValue();
        }
        String expected = "a number from " + min + " to " + max;
        throw value instanceof Number ? ApiError.value(path, expected, value) : ApiError.type(path, expected, value);
    }

    /** An object; empty if it is absent. */
    Optional<JsonIn> object(String key) {
        return has(key) ? Optional.of(object(path(key), value(key))) : Optional.empty();
    }

    /** An object that must be there. */
    JsonIn requiredObject(String key) {
        return object(path(key), value(key));
    }

    static JsonIn object(String path, @Nullable Object value) {
        if (!(value instanceof Map<?, ?> object)) {
            throw ApiError.type(path, "an object", value);
        }
        return new JsonIn(path + ".", object);
    }

    /** A list of at most {@code most} values; empty if it is absent. */
    List<?> list(String key, int most) {
        Object value = Objects.requireNonNullElse(value(key), List.of());
        if (!(value instanceof List<?> list)) {
            throw ApiError.type(path(key), "a list", value);
        }
        if (list.size() > most) {
            throw ApiError.value(path(key), "at most " + most + " values", value);
        }
        return list;
    }

    /** A list of at most {@code most} objects, each checked when it is read; empty if it is absent. */
    Stream<JsonIn> objects(String key, int most) {
        List<?> list = list(key, most);
        return IntStream.range(0, list.size()).mapToObj(i -> object(path(key) + ".[" + i + "]", list.get(i)));
    }

    /** A list of whole numbers, such as the ids of tokens. */
    static int[] integers(String path, List<?> list, int min, int max) {
        int[] integers = new int[list.size()];
        for (int i = 0; i < integers.length; i++) {
            integers[i] = (int) whole(path + ".[" + i + "]", list.get(i), min, max);
        }
        return integers;
    }

    /**
     * Texts and lists of token ids: one, or a list of either kind.
     *
     * @param read reads one, with its path
     */
    <T> List<T> textsOrIds(String key, int most, BiFunction<String, Object, T> read) {
        Object value = Objects.requireNonNullElse(value(key), Json.NULL);
        List<?> list = value instanceof List<?> several ? several : List.of();
        boolean ids = !list.isEmpty() && list.getFirst() instanceof Number;
        if (ids || value instanceof String) {
            return List.of(read.apply(path(key), value));
        }
        if (list.isEmpty()) {
            throw ApiError.type(
                    path(key), "a string, a list of strings, or one or more lists of token ids", value(key));
        }
        boolean texts = list(key, most).getFirst() instanceof String;
        List<T> all = new ArrayList<>();
        for (Object each : list) {
            String path = path(key) + ".[" + all.size() + "]";
            if (texts ? !(each instanceof String) : !(each instanceof List<?> one) || one.isEmpty()) {
                String id = each instanceof List<?> ? "at least one token id" : "a list of token ids";
                throw ApiError.type(path, texts ? "a string like the others" : id, each);
            }
            all.add(read.apply(path, each));
        }
        return all;
    }

    /** A text or a list of them; an empty list if it is absent. */
    List<String> strings(String key, int most) {
        if (value(key) instanceof String text) {
            return List.of(text(path(key), text));
        }
        List<String> strings = new ArrayList<>();
        for (Object each : list(key, most)) {
            strings.add(text(path(key) + ".[" + strings.size() + "]", each));
        }
        return strings;
    }
}
