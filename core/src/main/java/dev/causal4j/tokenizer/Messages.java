package dev.causal4j.tokenizer;

/** Untrusted text inside messages of one line. */
final class Messages {
    private static final int LONGEST = 200;

    private Messages() {}

    /** An exception's message, with its type where the message is only a path. */
    static String oneLine(Throwable cause) {
        String message = cause.getMessage();
        String kind = cause.getClass().getSimpleName();
        return message == null ? kind : oneLine(message) + " (" + kind + ")";
    }

    static String oneLine(String text) {
        String start = text.length() > LONGEST ? text.substring(0, LONGEST) + "..." : text;
        return start.replaceAll("[\\p{Cntrl}\\p{Zl}\\p{Zp}\\p{Cs}]+", " ").strip();
    }
}
