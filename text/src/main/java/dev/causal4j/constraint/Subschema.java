package dev.causal4j.constraint;

import dev.causal4j.json.Json;
import java.math.BigDecimal;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A schema within a schema, with its place. Equal to itself alone. Its map is not changed. Thread-safe. */
final class Subschema {
    private static final int MAX_EXPONENT = 1000; // digits that bounds are compared by
    private static final int MAX_POINTER = 1000; // characters

    private final @Nullable Subschema parent;
    private final String steps; // from the parent as a JSON pointer: texts from the root would grow with the square

    final Map<?, ?> keywords;

    /** Whether it is part of a schema of another name, so that its references mean places there. */
    final boolean foreign;

    Subschema(@Nullable Subschema parent, String steps, Map<?, ?> keywords, boolean foreign) {
        this.parent = parent;
        this.steps = cut(steps);
        this.keywords = keywords;
        this.foreign = foreign;
    }

    /** Its place as a JSON pointer, cut where it is too long. */
    String pointer() {
        String begin = parent == null ? "" : parent.pointer();
        return begin.length() > MAX_POINTER ? begin : cut(begin + steps);
    }

    private static String cut(String pointer) {
        return pointer.length() > MAX_POINTER ? pointer.substring(0, MAX_POINTER) + "..." : pointer;
    }

    /** A schema that says one thing, at the place of another one. */
    Subschema saying(String keyword, Object value) {
        return new Subschema(parent, steps, Map.of(keyword, value), foreign);
    }

    /** The schema without a keyword. */
    Subschema without(String keyword) {
        Map<Object, Object> others = new LinkedHashMap<>(keywords);
        others.remove(keyword);
        return new Subschema(parent, steps, others, foreign);
    }

    boolean has(String keyword) {
        return keywords.containsKey(keyword);
    }

    /** A keyword's value of a kind that it must have. */
    private <T> T value(String keyword, Class<T> type, String expected) {
        Object value = keywords.get(keyword);
        if (!type.isInstance(value)) {
            throw wrong(pointer() + "/" + keyword, expected, value);
        }
        return type.cast(value);
    }

    String text(String keyword) {
        return value(keyword, String.class, "a string");
    }

    boolean flag(String keyword) {
        return has(keyword) && value(keyword, Boolean.class, "true or false");
    }

    /** A list; an empty one if the keyword is not there. */
    List<?> list(String keyword) {
        return has(keyword) ? value(keyword, List.class, "a list") : List.of();
    }

    /** An object; an empty one if the keyword is not there. */
    Map<?, ?> object(String keyword) {
        return has(keyword) ? value(keyword, Map.class, "an object") : Map.of();
    }

    /** Strings of a list somewhere in a keyword's value. */
    List<String> texts(String place, @Nullable Object list) {
        if (!(list instanceof List<?> values) || !values.stream().allMatch(String.class::isInstance)) {
            throw wrong(pointer() + "/" + place, "a list of strings", list);
        }
        return values.stream().map(String.class::cast).distinct().toList();
    }

    /** A count, at most 2^31 - 1, which stands for all above; {@code fallback} if the keyword is not there. */
    int count(String keyword, int fallback) {
        if (!has(keyword)) {
            return fallback;
        }
        BigDecimal count = number(keyword);
        if (count.signum() < 0 || count.stripTrailingZeros().scale() > 0) {
            throw wrong(pointer() + "/" + keyword, "a whole number of at least 0", keywords.get(keyword));
        }
        return count.min(BigDecimal.valueOf(Integer.MAX_VALUE)).intValue();
    }

    /** A number of at most a thousand digits. */
    BigDecimal number(String keyword) {
        return number("/" + keyword, value(keyword, Number.class, "a number"));
    }

    /** Any number of the schema, exactly. */
    BigDecimal number(String place, Number value) {
        BigDecimal number = new BigDecimal(value.toString());
        if (Math.abs((long) number.scale()) > MAX_EXPONENT) {
            throw wrong(pointer() + place, "a number of at most " + MAX_EXPONENT + " digits", value);
        }
        return number;
    }

    static ConstraintException wrong(String place, String expected, @Nullable Object got) {
        String at = expected + " at " + (place.isEmpty() ? "its root" : place);
        return new ConstraintException("schema", at, Json.describe(got), "correct the schema");
    }

    /** Says that a keyword asserts what no mask holds. */
    SchemaRefusal refused(String keyword, String expected, String got) {
        return new SchemaRefusal(pointer() + "/" + keyword, !keyword.equals("$ref"), expected + " at " + place(), got);
    }

    /** Its place in words. */
    String place() {
        return parent == null && steps.isEmpty() ? "the root" : pointer();
    }
}
