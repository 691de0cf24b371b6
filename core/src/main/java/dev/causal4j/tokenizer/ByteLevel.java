package dev.causal4j.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/**
 * GPT-2's alphabet: a visible character for each of the 256 bytes, so that pieces are strings. Printable Latin-1
 * characters stand for themselves, the other bytes, in order, for U+0100 onwards: a space is {@code Ġ}.
 */
final class ByteLevel {
    private static final int PRINTABLE = 188;
    private static final char[] CHARS = new char[256];
    // The byte of each character of the alphabet, which ends below U+0144; -1 elsewhere.
    private static final short[] BYTES = new short[0x144];
    private static final int[] IDS = new int[256];

    static {
        Arrays.fill(BYTES, (short) -1);
        int visible = 0;
        int other = 0;
        for (int b = 0; b < 256; b++) {
            boolean printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b != 0xad);
            IDS[b] = printable ? visible++ : PRINTABLE + other;
            CHARS[b] = (char) (printable ? b : 256 + other++);
            BYTES[CHARS[b]] = (short) b;
        }
    }

    private ByteLevel() {}

    /** All 256 characters in their own order, which is that of GPT-2's first 256 ids. */
    static List<String> alphabet() {
        return new String(CHARS).chars().sorted().mapToObj(Character::toString).toList();
    }

    /** The place of a byte's character in {@link #alphabet}. */
    static int id(byte b) {
        return IDS[b & 0xff];
    }

    /** A text in this alphabet: a character for each byte of its UTF-8. */
    static String piece(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        char[] chars = new char[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            chars[i] = CHARS[bytes[i] & 0xff];
        }
        return new String(chars);
    }

    /**
     * The bytes a piece stands for. A piece with a character outside the alphabet (only an added token) stands for
     * itself in UTF-8, as in Hugging Face's decoder.
     */
    static byte[] bytes(String piece) {
        byte[] bytes = new byte[piece.length()];
        for (int i = 0; i < bytes.length; i++) {
            char c = piece.charAt(i);
            if (c >= BYTES.length || BYTES[c] < 0) {
                return piece.getBytes(StandardCharsets.UTF_8);
            }
            bytes[i] = (byte) BYTES[c];
        }
        return bytes;
    }
}
