package dev.causal4j.receipt;

import dev.causal4j.json.Json;
import dev.causal4j.json.Unicode;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * The one form of a JSON value that is hashed: names in order, no white space, characters as they are. It is that of
 * Python's {@code json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)}.
 */
final class CanonicalJson {
    /** Python writes the digits of an escape in lower case. An escaped backslash is no beginning of one. */
    private static final Pattern ESCAPE = Pattern.compile("\\\\(\\\\|u[0-9A-F]{4})");

    private CanonicalJson() {}

    /**
     * The value in UTF-8.
     *
     * @param value of maps with names in ASCII, lists, strings, whole numbers, booleans and {@link Json#NULL}
     * @throws IllegalArgumentException if it has a number with a fraction, or a text without a form in UTF-8
     */
    static byte[] of(Object value) {
        String json = new String(Json.write(sorted(value)), StandardCharsets.UTF_8);
        return ESCAPE.matcher(json)
                .replaceAll(
                        found -> "\\" + found.group().toLowerCase(Locale.ROOT).replace("\\\\", "\\\\\\"))
                .getBytes(StandardCharsets.UTF_8);
    }

    private static Object sorted(Object value) {
        return switch (value) {
            case Map<?, ?> object -> {
                TreeMap<String, Object> names = new TreeMap<>();
                object.forEach((name, inner) -> names.put((String) name, sorted(inner)));
                yield names;
            }
            case List<?> list -> list.stream().map(CanonicalJson::sorted).toList();
            case String text
            when !Unicode.isWellFormed(text) ->
                throw new IllegalArgumentException("canonical JSON: expected Unicode, got half of a character");
            case Double fraction ->
                throw new IllegalArgumentException(
                        "canonical JSON: expected fractions as strings, got the number " + fraction);
            default -> value;
        };
    }
}
