package dev.causal4j.training;

import dev.causal4j.FormatException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** A range of token ids, in memory or in a {@link TokenFile}. Immutable and thread-safe. */
public final class Tokens {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final String subject;
    private final MemorySegment data;
    private final int vocabularySize;

    /** Training and held-out tokens. */
    public record Split(Tokens training, Tokens heldOut) {}

    Tokens(String subject, MemorySegment data, int vocabularySize) {
        this.subject = subject;
        this.data = data;
        this.vocabularySize = vocabularySize;
    }

    /**
     * A copy of ids in memory.
     *
     * @throws IllegalArgumentException if an id is not in {@code [0, vocabularySize)}
     */
    public static Tokens of(int vocabularySize, int... ids) {
        MemorySegment data = MemorySegment.ofArray(new byte[Math.multiplyExact(ids.length, Integer.BYTES)]);
        for (int i = 0; i < ids.length; i++) {
            if (ids[i] < 0 || ids[i] >= vocabularySize) {
                throw new IllegalArgumentException("token " + i + ": expected an id from 0 to " + (vocabularySize - 1)
                        + ", got " + ids[i] + "; use the tokenizer of the model");
            }
            data.setAtIndex(INT, i, ids[i]);
        }
        return new Tokens("tokens", data, vocabularySize);
    }

    /** Throws if the examples of a context's length need more tokens. */
    void require(long least, int contextLength) {
        TrainingOptions.atLeast(1, "context length", contextLength);
        if (count() < least) {
            throw new IllegalArgumentException("training data: expected at least " + least + " tokens for a context of "
                    + contextLength + ", got " + count() + "; give more text or a shorter context");
        }
    }

    /** Number of ids. */
    public long count() {
        return data.byteSize() / Integer.BYTES;
    }

    /**
     * One id.
     *
     * @throws IndexOutOfBoundsException if there is no such index
     * @throws UncheckedIOException if the file has an id there that is not in the vocabulary
     */
    public int id(long index) {
        int id = data.getAtIndex(INT, index);
        if (id < 0 || id >= vocabularySize) {
            throw new UncheckedIOException(new FormatException(
                    subject + ", token " + index,
                    "an id from 0 to " + (vocabularySize - 1),
                    String.valueOf(id),
                    "the file is damaged; delete it, and it is made again from the data"));
        }
        return id;
    }

    /** Copies {@code count} ids from index {@code from} on; throws as {@link #id} does. */
    public void copy(long from, int[] to, int offset, int count) {
        for (int i = 0; i < count; i++) {
            to[offset + i] = id(from + i);
        }
    }

    /**
     * A view of the ids at {@code [from, to)}.
     *
     * @throws IndexOutOfBoundsException if the range is not inside
     */
    public Tokens slice(long from, long to) {
        return new Tokens(subject, data.asSlice(from * Integer.BYTES, (to - from) * Integer.BYTES), vocabularySize);
    }

    /**
     * Splits off a part at the end. No example crosses the border.
     *
     * @param fraction share of the tokens, between 0 and 1
     * @throws IllegalArgumentException if it is not
     */
    public Split split(double fraction) {
        if (!(fraction > 0 && fraction < 1)) {
            throw new IllegalArgumentException("held-out fraction: expected a number between 0 and 1, got " + fraction);
        }
        long cut = count() - (long) (count() * fraction);
        return new Split(slice(0, cut), slice(cut, count()));
    }
}
