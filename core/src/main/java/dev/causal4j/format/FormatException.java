package dev.causal4j.format;

import java.io.IOException;

/**
 * A file is not what it should be. The message is one line, <em>subject: expected E, got G; remedy</em>, whatever the
 * file holds: control characters are escaped and long parts are cut.
 */
public final class FormatException extends IOException {
    // Enough for a name of eight words; a message should fit a terminal.
    private static final int QUOTED = 80;

    // A path may be long and must stay whole; nothing else comes near.
    private static final int PART = 4096;

    /**
     * @param subject the file, and the place in it
     * @param expected what should be there
     * @param got what is there
     * @param remedy what to do about it
     */
    public FormatException(String subject, String expected, String got, String remedy) {
        super(printable(subject, PART) + ": expected " + printable(expected, PART) + ", got " + printable(got, PART)
                + "; " + printable(remedy, PART));
    }

    /** Keeps the exception that revealed the fault. */
    FormatException(String subject, String expected, String got, String remedy, Throwable cause) {
        this(subject, expected, got, remedy);
        initCause(cause);
    }

    /** A string from a file as messages show it: in quotes, on one line, at most 80 of its characters. */
    public static String quote(String text) {
        return '"' + unquoted(text) + '"';
    }

    /** The same without quotes. */
    static String unquoted(String text) {
        return printable(text, QUOTED);
    }

    /** Escapes what could break the line, move the cursor or turn the direction of writing. */
    private static String printable(String text, int limit) {
        StringBuilder line = new StringBuilder();
        text.codePoints().limit(limit).forEach(c -> {
            switch (Character.getType(c)) {
                case Character.CONTROL,
                        Character.FORMAT,
                        Character.LINE_SEPARATOR,
                        Character.PARAGRAPH_SEPARATOR,
                        Character.PRIVATE_USE,
                        Character.SURROGATE,
                        Character.UNASSIGNED -> line.append(String.format("\\u%04x", c));
                default -> line.appendCodePoint(c);
            }
        });
        if (text.codePointCount(0, text.length()) > limit) {
            line.append("...");
        }
        return line.toString();
    }
}
