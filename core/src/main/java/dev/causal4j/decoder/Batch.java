package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * What one forward works on: for each sequence its cache and the tokens that follow what is cached. Rows of activations
 * are the tokens of the first chunk, then of the second, and so on, without padding.
 */
public record Batch(List<Chunk> chunks) {
    /**
     * The next tokens of one sequence.
     *
     * @param cache what came before; the forward appends to it
     * @param tokens at least one id; the array is read, not copied
     */
    public record Chunk(KVCache cache, int[] tokens) {}

    /**
     * Checks the chunks.
     *
     * @throws IllegalArgumentException if there is none, one is empty, two share a cache, or one would outgrow the
     *     context
     */
    public Batch {
        chunks = List.copyOf(chunks);
        if (chunks.isEmpty()) {
            throw new IllegalArgumentException("batch: expected at least one sequence, got none");
        }
        Set<KVCache> caches = Collections.newSetFromMap(new IdentityHashMap<>());
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

    /** A batch of one sequence. */
    public static Batch of(KVCache cache, int... tokens) {
        return new Batch(List.of(new Chunk(cache, tokens)));
    }

    /** Rows of activations: all tokens together. */
    public int rows() {
        int rows = 0;
        for (Chunk chunk : chunks) {
            rows = Math.addExact(rows, chunk.tokens.length);
        }
        return rows;
    }

    /** All tokens, in the order of the rows. */
    public int[] tokens() {
        int[] tokens = new int[rows()];
        int row = 0;
        for (Chunk chunk : chunks) {
            System.arraycopy(chunk.tokens, 0, tokens, row, chunk.tokens.length);
            row += chunk.tokens.length;
        }
        return tokens;
    }

    /** The row of the first token of each chunk. */
    int[] firstRows() {
        int[] firstRows = new int[chunks.size()];
        for (int c = 1; c < firstRows.length; c++) {
            firstRows[c] = firstRows[c - 1] + chunks.get(c - 1).tokens.length;
        }
        return firstRows;
    }

    /** The row of the last token of a chunk: the one that predicts what comes next. */
    public int lastRow(int chunk) {
        return firstRows()[chunk] + chunks.get(chunk).tokens.length - 1;
    }

    /** The last token of each chunk, when all before it are cached. */
    Batch lastTokens() {
        return new Batch(chunks.stream()
                .map(chunk -> new Chunk(chunk.cache, new int[] {chunk.tokens[chunk.tokens.length - 1]}))
                .toList());
    }

    /**
     * Where a hidden vector is not a number.
     *
     * @param chunk index of the chunk
     * @param position position in that chunk's sequence
     * @param value NaN or an infinity
     */
    public record NotFinite(int chunk, int position, float value) {
        /**
         * To be thrown.
         *
         * @param position position in what the caller was given
         * @param of what that is among several; empty where there is one
         */
        public ArithmeticException error(int position, String of) {
            return new ArithmeticException("logits: expected finite numbers, got a hidden vector with " + value
                    + " at position " + position + (of.isEmpty() ? "" : " of " + of)
                    + "; the weights are damaged or overflow");
        }
    }

    /**
     * The first hidden vector of this batch, after its forward, that has a NaN or an infinity; its logits mean nothing.
     *
     * @param hidden what the forward returned, [N, D]
     */
    public Optional<NotFinite> firstNotFinite(Rows hidden) {
        int row = 0;
        for (int c = 0; c < chunks.size(); c++) {
            int count = chunks.get(c).tokens.length;
            int first = chunks.get(c).cache.length() - count;
            for (int t = 0; t < count; t++, row++) {
                int start = hidden.start(row);
                for (int i = start; i < start + hidden.stride(); i++) {
                    if (!Float.isFinite(hidden.data()[i])) {
                        return Optional.of(new NotFinite(c, first + t, hidden.data()[i]));
                    }
                }
            }
        }
        return Optional.empty();
    }
}
