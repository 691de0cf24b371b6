package dev.causal4j.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/**
 * GPT-2's alphabet: a visible character for each of the 256 bytes, so that pieces are strings. Printable Latin-1
 * characters stand for themselves, the other bytes, in order, for U+0100 onwards: a space is {@code Ġ}.
 */
final class ByteLevel {
    private static final String OF_BYTES; // by byte
    private static final String ALPHABET; // in its own order, which is that of GPT-2's first 256 ids

    static {
        char[] chars = new char[256];
        char other = 256;
        for (char b = 0; b < 256; b++) {
            boolean printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b != 0xad);
            chars[b] = printable ? b : other++;
        }
        OF_BYTES = new String(chars);
        Arrays.sort(chars);
        ALPHABET = new String(chars);
    }

    private ByteLevel() {}

    /** All 256 characters in the order of their ids. */
    static List<String> alphabet() {
        return List.of(ALPHABET.split(""));
    }

    /** The place of a byte's character in {@link #alphabet}. */
    static int id(byte b) {
        return ALPHABET.indexOf(OF_BYTES.charAt(b & 0xff));
    }

    /**
     * The bytes a piece stands for. A piece with a character outside the alphabet (only an added token) stands for
     * itself in UTF-8, as in Hugging Face's decoder.
     */
    static byte[] bytes(String piece) {
        byte[] bytes = new byte[piece.length()];
        for (int i = 0; i < bytes.length; i++) {
            int b = OF_BYTES.indexOf(piece.charAt(i));
            if (b < 0) {
                return piece.getBytes(StandardCharsets.UTF_8);
            }
            bytes[i] = (byte) b;
        }
        return bytes;
    }
}
