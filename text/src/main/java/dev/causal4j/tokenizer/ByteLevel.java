package dev.causal4j.tokenizer;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * GPT-2's alphabet: a visible character for each of the 256 bytes, so that pieces are strings. Printable bytes of
 * Latin-1 are their own characters, the others are U+0100 and onwards, in order: a space is {@code Ġ}.
 */
final class ByteLevel {
    private static final String OF_BYTES; // by byte
    private static final String ALPHABET; // by code point, the order of GPT-2's first 256 ids

    static {
        char[] chars = new char[256];
        char other = 256;
        for (char b = 0; b < 256; b++) {
            chars[b] = (b >= '!' && b <= '~') || (b >= 0xa1 && b != 0xad) ? b : other++; // b if it is printable
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

    /** The characters of bytes. */
    static String piece(byte... bytes) {
        StringBuilder piece = new StringBuilder(bytes.length);
        for (byte b : bytes) {
            piece.append(OF_BYTES.charAt(b & 0xff));
        }
        return piece.toString();
    }

    /** The inverse of {@link #piece}; null if a character is outside the alphabet. */
    static byte @Nullable [] bytes(String piece) {
        int[] bytes = piece.chars().map(OF_BYTES::indexOf).toArray();
        byte[] all = new byte[bytes.length];
        for (int i = 0; i < all.length; i++) {
            all[i] = (byte) bytes[i];
        }
        return Arrays.stream(bytes).allMatch(b -> b >= 0) ? all : null;
    }
}
