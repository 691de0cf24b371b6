package dev.causal4j.training;

/**
 * An endless sequence of examples. Example i is a pure function of data, seed and i, so a resumed run continues with
 * the same examples. Implementations are thread-safe.
 */
public interface Examples {
    /** Examples in an epoch; shuffled data have another order in each. */
    long perEpoch();

    /**
     * One example.
     *
     * @param index 0 or more; {@code index / perEpoch()} is its epoch
     */
    Example example(long index);

    /**
     * Shuffled windows of contextLength + 1 tokens whose targets do not overlap. Each epoch has other borders: it
     * begins at a random offset and skips the tokens before and after, less than two windows together.
     *
     * @throws IllegalArgumentException if there are fewer tokens than one window
     */
    static Examples windows(Tokens tokens, int contextLength, long seed) {
        return new Windows(tokens, contextLength, seed);
    }

    /**
     * Documents in random order, concatenated and cut into windows of contextLength + 1 tokens, which are shuffled too.
     * Each epoch has another order; up to contextLength tokens at the end are skipped.
     *
     * @param endOfText the id that ends a document
     * @throws IllegalArgumentException if there are fewer tokens than one window, or more than 2^31 documents
     */
    static Examples packedDocuments(Tokens tokens, int endOfText, int contextLength, long seed) {
        return new PackedDocuments(tokens, endOfText, contextLength, seed);
    }

    /**
     * Windows in the order of the data, the last one padded: every token but the first is a target once in an epoch.
     * For evaluation.
     *
     * @throws IllegalArgumentException if there are fewer than two tokens
     */
    static Examples inOrder(Tokens tokens, int contextLength) {
        Windows.requireTokens(tokens, contextLength, 2);
        return new Examples() {
            @Override
            public long perEpoch() {
                return (tokens.count() - 2) / contextLength + 1;
            }

            @Override
            public Example example(long index) {
                return Example.of(tokens, index % perEpoch() * contextLength, contextLength);
            }
        };
    }
}
