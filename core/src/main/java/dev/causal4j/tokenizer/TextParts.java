package dev.causal4j.tokenizer;

import java.io.IOException;
import java.io.Reader;
import org.jspecify.annotations.Nullable;

/**
 * Reads a text of any length in parts that can be encoded separately with the same ids. Not thread-safe. An unpaired
 * surrogate becomes U+FFFD.
 */
final class TextParts {
    /** Encoding takes about 140 bytes a character. */
    static final int USUAL = 1 << 16;

    private static final int LONGEST = 1 << 24;

    private final Reader text;
    private final int length;
    private final boolean splits;
    private final StringBuilder read = new StringBuilder();
    private final char[] buffer = new char[1 << 13];
    private boolean ended;

    /**
     * @param length the usual length of a part in chars; a part ends at the next place where it may
     * @param splits whether the text may be cut at all: {@link BytePairVocabulary#splitsAtSpaces}
     */
    TextParts(Reader text, int length, boolean splits) {
        this.text = text;
        this.length = length;
        this.splits = splits;
    }

    /**
     * The next part; null after the last one.
     *
     * @throws IllegalArgumentException if a part would have more than 16 million chars
     */
    @Nullable
    String next() throws IOException {
        int searched = length;
        while (true) {
            int cut = splits ? Text.nextCut(read, Math.min(searched, read.length())) : read.length();
            if (cut < read.length() || ended) {
                return cut == 0 ? null : take(cut);
            }
            searched = Math.max(length, read.length());
            fill();
        }
    }

    private String take(int to) {
        String part = read.substring(0, to);
        read.delete(0, to);
        return Text.wellFormed(part);
    }

    private void fill() throws IOException {
        int count = text.read(buffer, 0, Math.min(buffer.length, LONGEST + 1 - read.length()));
        if (count < 0) {
            ended = true;
            return;
        }
        read.append(buffer, 0, count);
        if (read.length() > LONGEST) {
            throw new IllegalArgumentException("text: expected a space at least every " + LONGEST
                    + " characters, got none in " + read.length() + "; split the text");
        }
    }
}
