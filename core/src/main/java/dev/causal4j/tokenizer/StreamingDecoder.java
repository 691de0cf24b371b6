package dev.causal4j.tokenizer;

/**
 * Decodes one text token by token. Not thread-safe.
 *
 * <p>A byte-level token may end inside a UTF-8 character. Such bytes wait for the rest: no part of a character is ever
 * returned, and all returned strings together equal {@link Tokenizer#decode} of all ids.
 */
public final class StreamingDecoder {
    private static final char REPLACEMENT = '\ufffd';

    private final Tokenizer tokenizer;

    // The unfinished character: its bits, the number of bytes to come, and the range of the next.
    private int codePoint;
    private int missing;
    private int lowest;
    private int highest;

    StreamingDecoder(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /**
     * The text that {@code id} completes; empty if it ends inside a character. Special tokens are decoded too; use
     * {@link Tokenizer#isSpecial} to skip them.
     *
     * @throws IllegalArgumentException if the vocabulary has no such id; the decoder is then unchanged
     */
    public String accept(int id) {
        StringBuilder text = new StringBuilder();
        for (byte b : tokenizer.bytes(id)) {
            acceptByte(b & 0xff, text);
        }
        return text.toString();
    }

    /** Ends the text: an unfinished character becomes one U+FFFD. The decoder can then be reused. */
    public String finish() {
        boolean incomplete = missing > 0;
        missing = 0;
        return incomplete ? String.valueOf(REPLACEMENT) : "";
    }

    /**
     * One step of UTF-8 decoding where each longest start of a valid sequence is replaced as one, as Unicode recommends
     * and Hugging Face does. The JDK's decoder replaces surrogates (ED A0 80) otherwise.
     */
    private void acceptByte(int b, StringBuilder text) {
        if (missing > 0 && (b < lowest || b > highest)) {
            text.append(REPLACEMENT);
            missing = 0;
        }
        if (missing > 0) {
            codePoint = (codePoint << 6) | (b & 0x3f);
            lowest = 0x80;
            highest = 0xbf;
            if (--missing == 0) {
                text.appendCodePoint(codePoint);
            }
        } else if (b < 0x80) {
            text.append((char) b);
        } else if (b < 0xc2 || b > 0xf4) {
            text.append(REPLACEMENT);
        } else {
            begin(b);
        }
    }

    /** The second byte's limits exclude long forms, surrogates and what lies beyond U+10FFFF. */
    private void begin(int b) {
        missing = b < 0xe0 ? 1 : b < 0xf0 ? 2 : 3;
        codePoint = b & (0x3f >> missing);
        lowest = b == 0xe0 ? 0xa0 : b == 0xf0 ? 0x90 : 0x80;
        highest = b == 0xed ? 0x9f : b == 0xf4 ? 0x8f : 0xbf;
    }
}
