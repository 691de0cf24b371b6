package dev.causal4j.tokenizer;

import java.util.function.Consumer;

/**
 * Splits a text into words that no merge crosses, as GPT-2 (Radford et al. 2019) and Hugging Face's ByteLevel do: the
 * matches of
 *
 * <pre>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</pre>
 *
 * <p>where {@code \s} is Unicode's White_Space. All parts of a text are in some word. Letters and numbers are those of
 * the JDK's version of Unicode; a character newer than a library's own version is punctuation to it.
 */
final class WordSplit {
    private static final String[] CONTRACTIONS = {"s", "t", "re", "ve", "m", "ll", "d"};

    private enum Kind {
        LETTER,
        NUMBER,
        SPACE,
        OTHER
    }

    private WordSplit() {}

    static void split(String text, Consumer<String> words) {
        for (int from = 0; from < text.length(); ) {
            int to = end(text, from);
            words.accept(text.substring(from, to));
            from = to;
        }
    }

    /** The alternatives of the pattern, in its order. */
    private static int end(String text, int from) {
        char first = text.charAt(from);
        if (first == '\'') {
            for (String letters : CONTRACTIONS) {
                if (text.startsWith(letters, from + 1)) {
                    return from + 1 + letters.length();
                }
            }
        }
        int visible = first == ' ' && from + 1 < text.length() ? from + 1 : from;
        Kind kind = kind(text.codePointAt(visible));
        if (kind != Kind.SPACE) {
            return runEnd(text, visible, kind);
        }
        int end = runEnd(text, from, Kind.SPACE);
        // The last space of a run stays with what follows. Each is one char long.
        return end < text.length() && end - from > 1 ? end - 1 : end;
    }

    private static int runEnd(String text, int from, Kind kind) {
        int at = from;
        while (at < text.length() && kind(text.codePointAt(at)) == kind) {
            at += Character.charCount(text.codePointAt(at));
        }
        return at;
    }

    private static Kind kind(int c) {
        if (Character.isLetter(c)) {
            return Kind.LETTER;
        }
        // White_Space, from which Java's isWhitespace and isSpaceChar both differ.
        if (Character.isSpaceChar(c) || (c >= 0x09 && c <= 0x0d) || c == 0x85) {
            return Kind.SPACE;
        }
        return switch (Character.getType(c)) {
            case Character.DECIMAL_DIGIT_NUMBER, Character.LETTER_NUMBER, Character.OTHER_NUMBER -> Kind.NUMBER;
            default -> Kind.OTHER;
        };
    }
}
