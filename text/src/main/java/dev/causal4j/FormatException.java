package dev.causal4j;

import java.io.IOException;

/**
 * A file is damaged or not what it should be. The message is one line, <em>subject: expected E, got G; remedy</em>;
 * text from the file is escaped and cut.
 */
public sealed class FormatException extends IOException permits UnsupportedModelException {
    private static final int QUOTED = 80;

    private static final int PART = 4096; // the longest path of Linux

    /**
     * @param subject the file, and the place in it
     * @param expected what should be there
     * @param got what is there
     * @param remedy what to do about it
     */
    public FormatException(String subject, String expected, String got, String remedy) {
        super(line(subject, expected, got, remedy));
    }

    /** A damaged file, with the exception that showed it. */
    public FormatException(String subject, String expected, String got, String remedy, Throwable cause) {
        this(subject, expected, got, remedy);
        initCause(cause);
    }

    static String line(String subject, String expected, String got, String remedy) {
        return printable(subject, PART) + ": expected " + printable(expected, PART) + ", got " + printable(got, PART)
                + "; " + printable(remedy, PART);
    }

    /** A string from a file for messages: in quotes, on one line, cut after 80 characters. */
    public static String quote(String text) {
        return '"' + printable(text, QUOTED) + '"';
    }

    /** Escapes characters that break the line, move the cursor or change the writing direction. */
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
