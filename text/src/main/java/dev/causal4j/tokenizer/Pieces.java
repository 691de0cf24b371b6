package dev.causal4j.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.BitSet;
import java.util.HexFormat;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Pieces and their ids. Immutable and thread-safe.
 *
 * @param ids of the pieces of the model
 * @param pieces the same by id, and the added tokens
 * @param byteLevel whether pieces are bytes in GPT-2's alphabet
 */
record Pieces(Map<String, Integer> ids, @Nullable String[] pieces, boolean byteLevel) {
    static final int NONE = -1;
    // The largest vocabularies in use have 262,144 ids.
    static final int MAX_ID = (1 << 24) - 1;

    private static final int BYTE_NAME = 6; // <0x0A>

    /** One more than the largest id. */
    int size() {
        return pieces.length;
    }

    /** The id of a piece of the model, or {@link #NONE}. */
    int id(String piece) {
        return ids.getOrDefault(piece, NONE);
    }

    /** The id of the piece that stands for a text, or {@link #NONE}. */
    int idOfText(String text) {
        return id(byteLevel ? ByteLevel.piece(text.getBytes(StandardCharsets.UTF_8)) : text);
    }

    int require(int id) {
        if (id < 0 || id >= pieces.length) {
            throw new IllegalArgumentException("token id: expected 0 to " + (pieces.length - 1) + ", got " + id);
        }
        return id;
    }

    /** A piece; empty for an id that the file skips. */
    String piece(int id) {
        String piece = pieces[id];
        return piece == null ? "" : piece;
    }

    /** The bytes that a piece stands for inside a text; its own UTF-8 if a character is outside GPT-2's alphabet. */
    byte[] bytes(int id) {
        int single = fallbackByte(id);
        byte[] bytes = byteLevel ? ByteLevel.bytes(piece(id)) : single >= 0 ? new byte[] {(byte) single} : null;
        String text = byteLevel ? piece(id) : piece(id).replace(Splitter.MARK, ' ');
        return bytes == null ? text.getBytes(StandardCharsets.UTF_8) : bytes;
    }

    /** The byte that a piece such as {@code <0x0A>} stands for, or {@link #NONE}. */
    int fallbackByte(int id) {
        String piece = piece(id);
        boolean named = !byteLevel && piece.length() == BYTE_NAME && piece.startsWith("<0x") && piece.endsWith(">");
        return named && piece.chars().skip(3).limit(2).allMatch(HexFormat::isHexDigit)
                ? HexFormat.fromHexDigits(piece, 3, 5)
                : NONE;
    }

    /**
     * The ids of the 256 bytes: on byte level of their characters, else of their names. {@link #NONE} where there is
     * none.
     *
     * @param named whether pieces such as {@code <0x0A>} are bytes
     */
    int[] ofBytes(boolean named) {
        return IntStream.range(0, 256)
                .map(b -> byteLevel ? id(ByteLevel.piece((byte) b)) : named ? id("<0x%02X>".formatted(b)) : NONE)
                .toArray();
    }

    /** The characters that stand before a character in some piece. */
    BitSet before(char character) {
        BitSet before = new BitSet();
        for (String piece : ids.keySet()) {
            for (int at = piece.indexOf(character, 1); at > 0; at = piece.indexOf(character, at + 1)) {
                before.set(piece.charAt(at - 1));
            }
        }
        return before;
    }
}
