package dev.causal4j.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.stream.IntStream;

/** Pieces and their ids. Thread-safe once it is full. */
final class Vocabulary {
    static final int NONE = -1;
    // The largest vocabularies in use have 262,144 ids.
    static final int MAX_ID = (1 << 24) - 1;

    // As for merges.
    private static final int MOST_STEPS = 1 << 11;

    private static final int BYTE_NAME = 6; // <0x0A>

    private final boolean byteLevel;
    private final int[] table; // open addressing: 0, or the id of a piece that the model knows + 1
    private final Pieces pieces;

    /**
     * @param pieces those of the model; {@link #index} must follow for each
     * @param byteLevel whether pieces are bytes in GPT-2's alphabet
     */
    Vocabulary(Pieces pieces, boolean byteLevel) {
        this(pieces, byteLevel, new int[4 * Integer.highestOneBit(pieces.size())]);
    }

    /** @param table a power of two long */
    Vocabulary(Pieces pieces, boolean byteLevel, int[] table) {
        this.pieces = pieces;
        this.byteLevel = byteLevel;
        this.table = table;
    }

    /**
     * Lets a piece be found.
     *
     * @return false if it is another's, too, or there is no place for it near where it should be
     */
    boolean index(int id) {
        int place = place(piece(id));
        if (place < 0 || table[place] != 0) {
            return false;
        }
        table[place] = id + 1;
        return true;
    }

    /** How many pieces the model knows. */
    int known() {
        int known = 0;
        for (int entry : table) {
            known += entry == 0 ? 0 : 1;
        }
        return known;
    }

    /** Where the table has a piece, or would have it; or -1. */
    private int place(String piece) {
        int hash = piece.hashCode() * 0x9e3779b1;
        int mask = table.length - 1;
        int at = (hash ^ hash >>> 15) & mask;
        for (int step = 0; step < MOST_STEPS; step++, at = (at + 1) & mask) {
            if (table[at] == 0 || piece.equals(piece(table[at] - 1))) {
                return at;
            }
        }
        return NONE;
    }

    boolean byteLevel() {
        return byteLevel;
    }

    int[] table() {
        return table;
    }

    /** By id, also added tokens that the model does not know. */
    Pieces pieces() {
        return pieces;
    }

    /** The id of a piece that the model knows. */
    int id(String piece) {
        int place = place(piece);
        return place < 0 ? NONE : table[place] - 1;
    }

    /** The id of the piece that stands for a text. */
    int idOfText(String text) {
        return id(byteLevel ? ByteLevel.piece(text.getBytes(StandardCharsets.UTF_8)) : text);
    }

    int require(int id) {
        if (id < 0 || id >= pieces.size()) {
            throw new IllegalArgumentException("token id: expected 0 to " + (pieces.size() - 1) + ", got " + id);
        }
        return id;
    }

    /** A piece; empty for an id that the file skips. */
    String piece(int id) {
        return pieces.get(id);
    }

    /** The bytes that a piece stands for inside a text: those of its own, if a character is outside the alphabet. */
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

    /** The ids of the 256 bytes, or {@link #NONE}: on byte level of their characters, else of their names, if any. */
    int[] ofBytes(boolean named) {
        return IntStream.range(0, 256)
                .map(b -> byteLevel ? id(ByteLevel.piece((byte) b)) : named ? id("<0x%02X>".formatted(b)) : NONE)
                .toArray();
    }
}
