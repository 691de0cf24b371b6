package dev.causal4j.chat;

import dev.causal4j.chat.Rendering.NumberKey;
import dev.causal4j.chat.Value.Tuple;
import dev.causal4j.chat.Value.Undefined;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Writes a value as Python prints it, or as its {@code json.dumps} writes it. */
record Printer(
        Rendering x, boolean json, Pattern escaped, String comma, String colon, String indent, StringBuilder out) {
    private static final Pattern PYTHON = Pattern.compile("[\\p{C}\\p{Z}\\\\&&[^ ]]");
    private static final Pattern JSON = Pattern.compile("[\\x00-\\x1f\\\\\"]");
    private static final Pattern STRING = Pattern.compile("[\\x00-\\x1f\\\\\"\\p{Cs}]");
    private static final Pattern ASCII = Pattern.compile("[\\\\\"[^ -~]]");

    static String python(Rendering x, Object value) {
        return new Printer(x, false, PYTHON, ", ", ": ", "", new StringBuilder()).print(value, "");
    }

    /** Writes JSON by the arguments of transformers' filter: ensure_ascii, indent, separators. */
    static String json(Rendering x, Object value, Arguments a) {
        if (x.strict || a.flag(3, "sort_keys")) {
            throw x.wrong("keys in their order", x.strict ? "Jinja's own tojson, which sorts them" : "sort_keys");
        }
        Object width = a.get(1, "indent", Rendering.NONE);
        boolean flat = width.equals(Rendering.NONE);
        String indent = flat ? "" : x.indent(width);
        Object separators = a.get(2, "separators", List.of(flat ? ", " : ",", ": "));
        String comma = x.text(x.item(separators, 0L));
        String colon = x.text(x.item(separators, 1L));
        Pattern escaped = a.flag(0, "ensure_ascii") ? ASCII : JSON;
        return new Printer(x, true, escaped, comma, colon, indent, new StringBuilder()).print(value, flat ? "" : "\n");
    }

    /** A text as it stands in a JSON string, with lone halves of surrogate pairs as escapes. */
    static String escaped(String text) {
        return STRING.matcher(text).replaceAll(found -> Matcher.quoteReplacement(escape(found.group(), true)));
    }

    /** @param line the line break and indentation at the end of the value */
    private String print(Object value, String line) {
        write(value, line);
        return out.toString();
    }

    private void put(String text) {
        x.write(out, text);
    }

    private void write(Object value, String line) {
        x.enter(2); // a group takes two frames
        switch (value) {
            case String text -> quote(text);
            case Map<?, ?> map -> group("{", map.entrySet(), "}", line);
            case Map.Entry<?, ?> entry -> {
                Object key = NumberKey.value(entry.getKey());
                write(json && !(key instanceof String) ? scalar(key) : key, line);
                put(colon);
                write(entry.getValue(), line);
            }
            case Tuple tuple when !json -> group("(", tuple, tuple.size() == 1 ? ",)" : ")", line);
            case List<?> list -> group("[", list, "]", line);
            default -> put(scalar(value));
        }
        x.leave(2);
    }

    private void group(String open, Collection<?> items, String close, String line) {
        put(open);
        String inner = items.isEmpty() ? "" : x.join("", List.of(line, indent));
        String before = "";
        for (Object item : items) {
            put(before);
            put(inner);
            write(item, inner);
            before = comma;
        }
        put(items.isEmpty() ? "" : line);
        put(close);
    }

    private String scalar(Object value) {
        return switch (value) {
            case Boolean flag when !json -> flag ? "True" : "False";
            case Double real when !json || Double.isFinite(real) -> print(real);
            case Boolean flag -> flag.toString();
            case Number number -> number.toString();
            case Undefined unused when !json -> "Undefined";
            case Object none when none.equals(Rendering.NONE) -> json ? "null" : "None";
            default -> throw x.wrong("a value that can be written", value);
        };
    }

    private void quote(String text) {
        x.make(text.length());
        x.step(text.length() / 8);
        String plain = escaped.matcher(text).replaceAll(found -> {
            x.make(80); // with what Java allocates meanwhile
            return Matcher.quoteReplacement(escape(found.group(), json));
        });
        boolean two = json || (text.contains("'") && !text.contains("\""));
        put(two ? '"' + plain + '"' : "'" + plain.replace("'", "\\'") + "'");
    }

    private static String escape(String c, boolean json) {
        int letter = (json ? "\\\n\r\t\"\b\f" : "\\\n\r\t").indexOf(c);
        if (letter >= 0) {
            return "\\" + "\\nrt\"bf".charAt(letter);
        }
        int code = c.codePointAt(0);
        String form = code < 0x100 && !json ? "\\x%02x" : code < 0x10000 || json ? "\\u%04x" : "\\U%08x";
        return (json ? c.chars() : c.codePoints()).mapToObj(form::formatted).collect(Collectors.joining());
    }

    /** The shortest digits that give the number back, in Python's layout. */
    private String print(double number) {
        x.make(80); // with what Java allocates meanwhile
        if (number == 0 || !Double.isFinite(number)) {
            return Double.toString(number).replace("Infinity", "inf").replace("NaN", "nan");
        }
        BigDecimal shortest = new BigDecimal(Double.toString(number)).stripTrailingZeros();
        BigDecimal digit = shortest.round(new MathContext(1)); // Double.toString gives at least two digits
        BigDecimal decimal = digit.doubleValue() == number ? digit : shortest;
        int exponent = decimal.precision() - decimal.scale() - 1;
        return exponent >= -4 && exponent < 16
                ? decimal.toPlainString() + (decimal.scale() <= 0 ? ".0" : "")
                : decimal.movePointLeft(exponent).toPlainString() + String.format(Locale.ROOT, "e%+03d", exponent);
    }
}
