package dev.causal4j.chat;

import java.util.Map;
import java.util.regex.Pattern;

/**
 * Makes JSON of a call's arguments that are literals of another language, piece by piece: Python's {@code (a=1, b='x')},
 * or FunctionGemma's <code>{a:1,b:&lt;escape&gt;x&lt;escape&gt;}</code>. Not thread-safe.
 */
final class Literals {
    private static final Pattern JSON =
            Pattern.compile("-?(?:0|[1-9][0-9]{0,400})(?:\\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,9})?|true|false|null");
    private static final Map<String, String> WORDS = Map.of("True", "true", "False", "false", "None", "null");
    private static final String ESCAPE = "<escape>";

    private final boolean python;
    private final StringBuilder closers = new StringBuilder(); // of open brackets
    private final StringBuilder word = new StringBuilder();
    private char quote; // of the string that is read; 0 for none
    private boolean comma; // before the next value, if there is one
    private boolean whole;

    Literals(boolean python) {
        this.python = python;
    }

    /** Whether the outermost bracket has closed. */
    boolean isWhole() {
        return whole;
    }

    /**
     * Reads on.
     *
     * @param last whether no more text comes
     * @param json receives what is sure
     * @return how far it read
     */
    int read(CharSequence text, int from, boolean last, StringBuilder json) {
        int at = from;
        int next = at;
        while (next >= 0 && at < text.length() && !whole) {
            next = quote == 0 ? outside(text, at, last, json) : inside(text, at, last, json);
            at = Math.max(at, next);
        }
        return at;
    }

    /** Reads one step outside of strings. Returns where to go on, or -1 if more text is needed. */
    private int outside(CharSequence text, int at, boolean last, StringBuilder json) {
        char c = text.charAt(at);
        int mark = python ? (c == '"' || c == '\'' ? 1 : 0) : mark(text, at, last);
        if (mark < 0) {
            return -1;
        }
        if (mark > 0) {
            quote = c;
            item(json).append('"');
            return at + mark;
        }
        switch (c) {
            case '(', '[', '{' -> {
                boolean isList = c == '[' || (c == '(' && !closers.isEmpty());
                item(json).append(isList ? '[' : '{');
                closers.append(isList ? ']' : '}');
            }
            case ')', ']', '}' -> {
                endWord(json, false);
                comma = false;
                json.append(closers.charAt(closers.length() - 1));
                closers.setLength(closers.length() - 1);
                whole = closers.isEmpty();
            }
            case ',' -> {
                endWord(json, false);
                comma = true;
            }
            case ':', '=' -> {
                endWord(json, true);
                json.append(": ");
            }
            default -> {
                if (!Character.isWhitespace(c)) {
                    word.append(c);
                }
            }
        }
        return at + 1;
    }

    /** Writes the comma that is due. */
    private StringBuilder item(StringBuilder json) {
        word.setLength(0); // a prefix such as r
        json.append(comma ? ", " : "");
        comma = false;
        return json;
    }

    private void endWord(StringBuilder json, boolean key) {
        if (!word.isEmpty()) {
            String written = word.toString();
            String value = python ? WORDS.getOrDefault(written, written) : written;
            boolean plain = !key && JSON.matcher(value).matches();
            item(json).append(plain ? value : "\"" + escaped(value) + "\"");
        }
    }

    /** Reads one step inside of a string. Returns where to go on, or -1 if more text is needed. */
    private int inside(CharSequence text, int at, boolean last, StringBuilder json) {
        char c = text.charAt(at);
        int end = python ? (c == quote ? 1 : 0) : mark(text, at, last);
        if (end > 0) {
            quote = 0;
            json.append('"');
        } else if (end == 0 && python && c == '\\') {
            return escape(text, at + 1, last, json);
        } else if (end == 0) {
            json.append(escaped(String.valueOf(c)));
            return at + 1;
        }
        return end < 0 ? -1 : at + end;
    }

    /** The length of the mark that stands here, 0 for none, -1 if more text can make one. */
    private static int mark(CharSequence text, int at, boolean last) {
        String there = text.subSequence(at, Math.min(text.length(), at + ESCAPE.length()))
                .toString();
        return there.equals(ESCAPE) ? ESCAPE.length() : ESCAPE.startsWith(there) && !last ? -1 : 0;
    }

    /** Reads what stands behind a backslash in Python; also JSON's {@code \/}. */
    private static int escape(CharSequence text, int at, boolean last, StringBuilder json) {
        char c = at < text.length() ? text.charAt(at) : 0;
        int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
        int end = at + 1 + digits;
        if (end > text.length()) {
            return last ? text.length() : -1;
        }
        String hex = text.subSequence(at + 1, end).toString();
        if (digits > 0 && hex.matches("[0-9a-fA-F]+") && Long.parseLong(hex, 16) <= Character.MAX_CODE_POINT) {
            json.append(escaped(Character.toString(Integer.parseInt(hex, 16))));
            return end;
        }
        int index = "nrtbf\\'\"/\n".indexOf(c);
        json.append(escaped(
                index < 0
                        ? "\\" + c
                        : "\n\r\t\b\f\\'\"/ ".substring(index, index + 1).strip()));
        return at + 1;
    }

    /** A text as it stands in a JSON string. */
    static String escaped(String text) {
        StringBuilder json = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            int index = "\"\\\n\r\t\b\f".indexOf(c);
            if (index >= 0) {
                json.append('\\').append("\"\\nrtbf".charAt(index));
            } else if (c < ' ') {
                json.append("\\u%04x".formatted((int) c));
            } else {
                json.append(c);
            }
        }
        return json.toString();
    }
}
