package dev.causal4j.receipt;

import dev.causal4j.json.Json;
import dev.causal4j.json.Unicode;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The one form of a JSON value that is hashed: names in order, no white space, characters as they are. It is that of
 * Python's {@code json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)}.
 */
final class CanonicalJson {
    private CanonicalJson() {}

    /**
     * The value in UTF-8.
     *
     * @param value of maps with names in ASCII, lists, strings, whole numbers, booleans and {@link Json#NULL}
     * @throws IllegalArgumentException if it has a number with a fraction, or a text without a form in UTF-8
     */
    static byte[] of(Object value) {
        StringBuilder out = new StringBuilder();
        write(value, out);
        return out.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static void write(Object value, StringBuilder out) {
        switch (value) {
            case Map<?, ?> object -> {
                out.append('{');
                new TreeMap<>(object).forEach((name, inner) -> {
                    separate(out, '{');
                    write(name, out);
                    out.append(':');
                    write(inner, out);
                });
                out.append('}');
            }
            case List<?> list -> {
                out.append('[');
                list.forEach(inner -> {
                    separate(out, '[');
                    write(inner, out);
                });
                out.append(']');
            }
            case String text -> write(text, out);
            case Double fraction ->
                throw new IllegalArgumentException(
                        "canonical JSON: expected fractions as strings, got the number " + fraction);
            default -> out.append(value);
        }
    }

    private static void separate(StringBuilder out, char open) {
        if (out.charAt(out.length() - 1) != open) {
            out.append(',');
        }
    }

    private static void write(String text, StringBuilder out) {
        if (!Unicode.isWellFormed(text)) {
            throw new IllegalArgumentException("canonical JSON: expected Unicode, got half of a character");
        }
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"', '\\' -> out.append('\\').append(c);
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '\b' -> out.append("\\b");
                case '\f' -> out.append("\\f");
                default -> out.append(c < ' ' ? "\\u%04x".formatted((int) c) : c);
            }
        }
        out.append('"');
    }
}
