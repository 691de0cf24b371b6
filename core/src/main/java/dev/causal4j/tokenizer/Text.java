package dev.causal4j.tokenizer;

/** Checks of a text before native encoding. */
final class Text {
    private Text() {}

    /** The text with U+FFFD for each unpaired surrogate, which has no UTF-8 form. */
    static String wellFormed(String text) {
        if (isWellFormed(text)) {
            return text;
        }
        StringBuilder valid = new StringBuilder(text.length());
        text.codePoints().forEach(c -> valid.appendCodePoint(isSurrogate(c) ? 0xfffd : c));
        return valid.toString();
    }

    /** Whether every surrogate is paired. */
    static boolean isWellFormed(String text) {
        for (int i = 0; i < text.length(); ) {
            int c = text.codePointAt(i);
            if (isSurrogate(c)) {
                return false;
            }
            i += Character.charCount(c);
        }
        return true;
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
}
