package dev.causal4j.tokenizer;

import dev.causal4j.format.UntrustedInput;

/** Checks of a text before native encoding, and untrusted text inside messages. */
final class Text {
    private static final int LONGEST_MESSAGE = 200;

    private Text() {}

    /** The text with U+FFFD for each unpaired surrogate, which has no UTF-8 form. */
    static String wellFormed(String text) {
        if (UntrustedInput.isUnicode(text)) {
            return text;
        }
        StringBuilder valid = new StringBuilder(text.length());
        text.codePoints().forEach(c -> valid.appendCodePoint(isSurrogate(c) ? 0xfffd : c));
        return valid.toString();
    }

    private static boolean isSurrogate(int codePoint) {
        return codePoint >= Character.MIN_SURROGATE && codePoint <= Character.MAX_SURROGATE;
    }

    /**
     * The first place at or after {@code from} where a text may be cut (see {@link
     * BytePairVocabulary#splitsAtSpaces}): before an ASCII space that follows something visible. The text's length if
     * there is none.
     */
    static int nextCut(CharSequence text, int from) {
        for (int i = Math.max(from, 1); i < text.length(); i++) {
            char c = text.charAt(i);
            if ((c == ' ' || c == '\n' || c == '\r' || c == '\t') && !mayBeSpace(text.charAt(i - 1))) {
                return i;
            }
        }
        return text.length();
    }

    /** Whether some version of Unicode may call {@code c} a space; no for letters, digits and most punctuation. */
    static boolean mayBeSpace(int c) {
        boolean visibleAscii = c > ' ' && c < 0x7f;
        return !visibleAscii && !Character.isLetterOrDigit(c) && Character.getType(c) != Character.OTHER_PUNCTUATION;
    }

    /** An exception's message, with its type where the message is only a path. */
    static String oneLine(Throwable cause) {
        String message = cause.getMessage();
        String kind = cause.getClass().getSimpleName();
        return message == null ? kind : oneLine(message) + " (" + kind + ")";
    }

    /** Untrusted text on one line, cut. */
    static String oneLine(String text) {
        String start = text.length() > LONGEST_MESSAGE ? text.substring(0, LONGEST_MESSAGE) + "..." : text;
        return start.replaceAll("[\\p{Cntrl}\\p{Zl}\\p{Zp}\\p{Cs}]+", " ").strip();
    }
}
