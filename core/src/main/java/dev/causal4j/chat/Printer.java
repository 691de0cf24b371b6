package dev.causal4j.chat;

import dev.causal4j.chat.Value.Lazy;
import dev.causal4j.chat.Value.Tuple;
import dev.causal4j.chat.Value.Undefined;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Writes one value as Python prints it, or as its {@code json.dumps} writes it.
 *
 * @param json the arguments of {@code dumps}; null to print
 * @param indent of a level; null for no lines
 */
record Printer(
        Values x,
        @Nullable Arguments json,
        String comma,
        String colon,
        @Nullable String indent,
        StringBuilder out) {
    private static final Pattern PYTHON = Pattern.compile("[\\p{C}\\p{Z}\\\\'\"&&[^ ]]");
    private static final Pattern JSON = Pattern.compile("[\\x00-\\x1f\\\\\"]");
    private static final Pattern ASCII = Pattern.compile("[\\\\\"[^ -~]]");

    static Printer python(Values x) {
        return new Printer(x, null, ", ", ": ", null, new StringBuilder());
    }

    /** With the arguments of transformers' filter: ensure_ascii, indent, separators, sort_keys. */
    static Printer json(Values x, Arguments a) {
        Object width = a.get(1, "indent", Values.NONE);
        String indent = width.equals(Values.NONE)
                ? null
                : width instanceof String text ? text : x.text(x.apply("*", " ", width));
        Object separators = a.get(2, "separators", Values.NONE);
        boolean two = separators instanceof List<?> list && list.size() == 2;
        String comma = two ? x.print(x.item(separators, 0L)) : indent == null ? ", " : ",";
        return new Printer(x, a, comma, two ? x.print(x.item(separators, 1L)) : ": ", indent, new StringBuilder());
    }

    String print(Object value) {
        write(value, "\n");
        return out.toString();
    }

    private void put(String text) {
        x.write(out, text);
    }

    /** @param line what begins a line at the end of the value */
    private void write(Object value, String line) {
        x.enter(1);
        switch (value) {
            case String text -> quote(text);
            case Map<?, ?> map -> group("{", entries(map), "}", line);
            case Map.Entry<?, ?> entry -> {
                Object key = entry.getKey();
                write(json == null || key instanceof String ? key : scalar(key), line);
                put(colon);
                write(entry.getValue(), line);
            }
            case Tuple tuple when json == null -> group("(", tuple, tuple.size() == 1 ? ",)" : ")", line);
            case List<?> list -> group("[", list, "]", line);
            default -> put(scalar(value));
        }
        x.leave(1);
    }

    private Collection<? extends Map.Entry<?, ?>> entries(Map<?, ?> map) {
        boolean sorted = json != null && json.flag(3, "sort_keys");
        Comparator<Map.Entry<?, ?>> byKey =
                Comparator.comparing(each -> each.getKey().toString());
        return sorted ? map.entrySet().stream().sorted(byKey).toList() : map.entrySet();
    }

    private void group(String open, Collection<?> items, String close, String line) {
        put(open);
        String before = "";
        String inner = indent == null ? "" : line + indent;
        for (Object item : items) {
            put(before);
            put(inner);
            write(item, inner);
            before = comma;
        }
        put(indent == null || items.isEmpty() ? "" : line);
        put(close);
    }

    private String scalar(Object value) {
        boolean python = json == null;
        return switch (value) {
            case Boolean flag -> python ? (flag ? "True" : "False") : flag.toString();
            case Double real -> python || Double.isFinite(real) ? Numbers.print(real) : real.toString();
            case Number whole -> whole.toString();
            case Undefined _ when python -> "Undefined";
            case Lazy _ when python -> "<generator object>";
            default -> {
                Object _ = x.cast(Values.NONE.getClass(), value, "a value that can be written");
                yield python ? "None" : "null";
            }
        };
    }

    private void quote(String text) {
        String quote = json != null || (text.contains("'") && !text.contains("\"")) ? "\"" : "'";
        Pattern escaped = json == null ? PYTHON : json.flag(0, "ensure_ascii") ? ASCII : JSON;
        x.make(text.length());
        x.step(text.length() / 8);
        put(quote + escaped.matcher(text).replaceAll(found -> escape(found.group(), quote)) + quote);
    }

    private String escape(String c, String quote) {
        x.make(40);
        int letter = (json == null ? "\n\r\t" : "\n\r\t\b\f").indexOf(c);
        if (c.equals("'") || c.equals("\"")) {
            return c.equals(quote) ? "\\\\" + c : c;
        }
        if (letter >= 0 || c.equals("\\")) {
            return Matcher.quoteReplacement("\\" + (letter < 0 ? c : "nrtbf".charAt(letter)));
        }
        if (json != null) {
            return c.chars().mapToObj("\\\\u%04x"::formatted).reduce("", String::concat);
        }
        int code = c.codePointAt(0);
        return (code < 0x100 ? "\\\\x%02x" : code < 0x10000 ? "\\\\u%04x" : "\\\\U%08x").formatted(code);
    }
}
