package dev.causal4j.decoder;

import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * The input of one forward: for each sequence its cache, the next tokens, and the number of wanted hidden vectors. Rows
 * are the tokens of the chunks in order, without padding.
 */
public record Batch(List<Chunk> chunks) {
    /**
     * The next tokens of one sequence.
     *
     * @param cache the cached positions; the forward appends to it
     * @param tokens at least one id; the array is read, not copied
     * @param wanted how many of the last tokens' hidden vectors are wanted: 0 inside a prompt, 1 to continue it, all
     *     for training. The last block and the head skip the others
     */
    public record Chunk(KVCache cache, int[] tokens, int wanted) {
        /** @throws IllegalArgumentException if more are wanted than there are tokens */
        public Chunk {
            if (wanted < 0 || wanted > tokens.length) {
                throw new IllegalArgumentException("wanted rows: expected 0 to " + tokens.length + ", got " + wanted);
            }
        }

        /** With all hidden vectors wanted. */
        public Chunk(KVCache cache, int[] tokens) {
            this(cache, tokens, tokens.length);
        }
    }

    /**
     * Checks the chunks.
     *
     * @throws IllegalArgumentException if there is no chunk, one is empty, two share a cache, or one would outgrow the
     *     context
     */
    public Batch {
        chunks = List.copyOf(chunks);
        if (chunks.isEmpty()) {
            throw new IllegalArgumentException("batch: expected at least one sequence, got none");
        }
        Set<KVCache> caches = new HashSet<>();
        for (Chunk chunk : chunks) {
            if (chunk.tokens.length == 0) {
                throw new IllegalArgumentException("batch: expected at least one token for each sequence, got none");
            }
            if (!caches.add(chunk.cache)) {
                throw new IllegalArgumentException("batch: expected a cache for each sequence, got one cache twice");
            }
            chunk.cache.checkRoom(chunk.tokens.length);
        }
    }

    /** A batch of one sequence with all rows wanted. */
    public static Batch of(KVCache cache, int... tokens) {
        return new Batch(List.of(new Chunk(cache, tokens)));
    }

    /** A batch of one sequence with the last row wanted. */
    public static Batch last(KVCache cache, int... tokens) {
        return new Batch(List.of(new Chunk(cache, tokens, 1)));
    }

    /** Number of rows: all tokens. */
    public int rows() {
        return chunks.stream().mapToInt(chunk -> chunk.tokens.length).reduce(0, Math::addExact);
    }

    /** Number of wanted rows. */
    public int wanted() {
        return chunks.stream().mapToInt(Chunk::wanted).sum();
    }

    /** All tokens, in the order of the rows. */
    public int[] tokens() {
        return chunks.stream().map(Chunk::tokens).flatMapToInt(Arrays::stream).toArray();
    }
}
