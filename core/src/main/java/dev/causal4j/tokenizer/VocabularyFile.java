package dev.causal4j.tokenizer;

import dev.causal4j.FormatException;
import dev.causal4j.tokenizer.BytePairVocabulary.AddedToken;
import dev.causal4j.tokenizer.BytePairVocabulary.Merge;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.zip.CRC32;

/**
 * A vocabulary as numbers and characters, {@value #NAME}, which a converted model has beside its tokenizer.json: reading a
 * hundred thousand strings of JSON takes longer than all else before a first token.
 *
 * <p>Little-endian: {@value #MAGIC}; the CRC-32 and the length of the tokenizer.json it was made from; counts of pieces, of
 * their characters, of merges and of added tokens; 1 if a space is put before texts, else 0. Then where each piece ends, in
 * characters; all characters in UTF-16; for each merge the ids of its two pieces and of theirs together; for each added token
 * its id and flags; and the CRC-32 of all that. Every number has 32 bits.
 */
final class VocabularyFile {
    static final String NAME = "vocabulary.bin";

    private static final String MAGIC = "C4JVOC/1";
    private static final int HEADER = 8 + 7 * Integer.BYTES;

    private static final String REMEDY = "convert the model again, or delete this file";

    private final String subject;
    private final ByteBuffer in;

    private VocabularyFile(String subject, ByteBuffer in) {
        this.subject = subject;
        this.in = in;
    }

    /** The bytes of the file for a vocabulary that was read from {@code tokenizerJson}. */
    static byte[] write(BytePairVocabulary vocabulary, byte[] tokenizerJson) {
        String text = String.join("", vocabulary.pieces());
        long size = size(
                vocabulary.pieces().size(),
                text.length(),
                vocabulary.merges().size(),
                vocabulary.addedTokens().size());
        ByteBuffer out = ByteBuffer.allocate(Math.toIntExact(size)).order(ByteOrder.LITTLE_ENDIAN);
        out.put(MAGIC.getBytes(StandardCharsets.US_ASCII));
        out.putInt(crc(tokenizerJson, tokenizerJson.length)).putInt(tokenizerJson.length);
        out.putInt(vocabulary.pieces().size()).putInt(text.length());
        out.putInt(vocabulary.merges().size()).putInt(vocabulary.addedTokens().size());
        out.putInt(vocabulary.addPrefixSpace() ? 1 : 0);
        int end = 0;
        for (String piece : vocabulary.pieces()) {
            end += piece.length();
            out.putInt(end);
        }
        for (int i = 0; i < text.length(); i++) {
            out.putChar(text.charAt(i));
        }
        for (Merge merge : vocabulary.merges()) {
            String both =
                    vocabulary.pieces().get(merge.left()) + vocabulary.pieces().get(merge.right());
            out.putInt(merge.left())
                    .putInt(merge.right())
                    .putInt(Objects.requireNonNull(vocabulary.ids().get(both)));
        }
        for (AddedToken token : vocabulary.addedTokens()) {
            out.putInt(token.id()).putInt(flags(token));
        }
        out.putInt(crc(out.array(), out.position()));
        return out.array();
    }

    /**
     * The vocabulary; empty if the file was made from another tokenizer.json.
     *
     * @param subject what errors begin with
     * @throws FormatException if the file is damaged, or says what no tokenizer.json could
     */
    static Optional<BytePairVocabulary> read(String subject, byte[] file, byte[] tokenizerJson) throws FormatException {
        ByteBuffer in = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        VocabularyFile reading = new VocabularyFile(subject, in);
        reading.require(file.length >= HEADER + Integer.BYTES, "at least a header", file.length + " bytes");
        byte[] magic = new byte[MAGIC.length()];
        in.get(magic);
        reading.require(
                Arrays.equals(magic, MAGIC.getBytes(StandardCharsets.US_ASCII)),
                "to begin with " + MAGIC,
                "other bytes");
        int body = file.length - Integer.BYTES;
        reading.require(in.getInt(body) == crc(file, body), "the checksum it ends with", "another");
        int crc = in.getInt();
        int length = in.getInt();
        boolean same = length == tokenizerJson.length && crc == crc(tokenizerJson, length);
        return same ? Optional.of(reading.vocabulary()) : Optional.empty();
    }

    private BytePairVocabulary vocabulary() throws FormatException {
        int pieceCount = count("pieces", VocabularyReader.MAX_ID + 1);
        int textLength = count("characters", Integer.MAX_VALUE);
        int mergeCount = count("merges", Integer.MAX_VALUE);
        int addedCount = count("added tokens", VocabularyReader.MAX_ADDED_TOKENS);
        int addPrefixSpace = count("spaces before a text", 1);
        long size = size(pieceCount, textLength, mergeCount, addedCount);
        require(size == in.capacity(), size + " bytes, as its counts say", in.capacity() + " bytes");
        int[] ends = new int[pieceCount];
        in.asIntBuffer().get(ends);
        in.position(in.position() + Integer.BYTES * pieceCount);
        char[] text = new char[textLength];
        in.asCharBuffer().get(text);
        in.position(in.position() + Character.BYTES * textLength);

        Map<String, Integer> ids = HashMap.newHashMap(pieceCount);
        String[] pieces = pieces(ends, text, ids);
        List<Merge> merges = merges(mergeCount, ends, text);
        return new BytePairVocabulary(
                List.of(pieces),
                Collections.unmodifiableMap(ids),
                merges,
                addedTokens(addedCount, pieces),
                addPrefixSpace == 1);
    }

    private String[] pieces(int[] ends, char[] text, Map<String, Integer> ids) throws FormatException {
        String[] pieces = new String[ends.length];
        int start = 0;
        for (int id = 0; id < ends.length; id++) {
            int end = ends[id];
            if (end < start || end > text.length) {
                throw failure("pieces one after the other", "piece " + id + " to " + end);
            }
            pieces[id] = new String(text, start, end - start);
            if (end > start) {
                require(Text.isWellFormed(pieces[id]), "Unicode text", "half of a surrogate pair");
                if (ids.put(pieces[id], id) != null) {
                    throw failure("each piece once", FormatException.quote(pieces[id]) + " twice");
                }
            }
            start = end;
        }
        require(start == text.length, "all characters in pieces", start + " of " + text.length);
        boolean last = pieces.length > 0 && !pieces[pieces.length - 1].isEmpty();
        require(last, "pieces, and none that is empty at the end", pieces.length + " with another end");
        return pieces;
    }

    /** The third id saves looking up a piece that is put together: its characters are compared where they lie. */
    private List<Merge> merges(int count, int[] ends, char[] text) throws FormatException {
        List<Merge> merges = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            int left = id(ends);
            int right = id(ends);
            int both = id(ends);
            int from = start(ends, both);
            int middle = from + ends[left] - start(ends, left);
            boolean merged = middle <= ends[both]
                    && Arrays.equals(text, start(ends, left), ends[left], text, from, middle)
                    && Arrays.equals(text, start(ends, right), ends[right], text, middle, ends[both]);
            if (!merged) {
                throw failure("two pieces and both together", left + ", " + right + " and " + both);
            }
            merges.add(new Merge(left, right));
        }
        return Collections.unmodifiableList(merges);
    }

    private List<AddedToken> addedTokens(int count, String[] pieces) throws FormatException {
        List<AddedToken> added = new ArrayList<>(count);
        BitSet seen = new BitSet();
        for (int i = 0; i < count; i++) {
            int id = in.getInt();
            int flags = in.getInt();
            require(id >= 0 && id < pieces.length && !pieces[id].isEmpty(), "an added token's id", "" + id);
            require(!seen.get(id) && flags >>> 5 == 0, "each added token once, with five flags", id + ", " + flags);
            seen.set(id);
            added.add(new AddedToken(
                    id,
                    pieces[id],
                    (flags & 1) != 0,
                    (flags & 2) != 0,
                    (flags & 4) != 0,
                    (flags & 8) != 0,
                    (flags & 16) != 0));
        }
        return List.copyOf(added);
    }

    private static int flags(AddedToken token) {
        return (token.special() ? 1 : 0)
                | (token.singleWord() ? 2 : 0)
                | (token.stripLeft() ? 4 : 0)
                | (token.stripRight() ? 8 : 0)
                | (token.normalized() ? 16 : 0);
    }

    /** The next number, as the id of a piece that is not empty. */
    private int id(int[] ends) throws FormatException {
        int id = in.getInt();
        if (id < 0 || id >= ends.length || start(ends, id) == ends[id]) {
            throw failure("the id of a piece", "" + id);
        }
        return id;
    }

    private static int start(int[] ends, int id) {
        return id == 0 ? 0 : ends[id - 1];
    }

    private int count(String what, int most) throws FormatException {
        int count = in.getInt();
        require(count >= 0 && count <= most, "0 to " + most + " " + what, "" + count);
        return count;
    }

    private static long size(int pieces, int characters, int merges, int added) {
        return HEADER + 4L * pieces + 2L * characters + 12L * merges + 8L * added + Integer.BYTES;
    }

    private static int crc(byte[] bytes, int length) {
        CRC32 crc = new CRC32();
        crc.update(bytes, 0, length);
        return (int) crc.getValue();
    }

    // For what is checked a few times: its arguments are made even when all is well.
    private void require(boolean condition, String expected, String got) throws FormatException {
        if (!condition) {
            throw failure(expected, got);
        }
    }

    private FormatException failure(String expected, String got) {
        return new FormatException(subject, expected, got, REMEDY);
    }
}
