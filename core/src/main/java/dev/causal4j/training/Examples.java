package dev.causal4j.training;

import java.util.concurrent.atomic.AtomicReference;

/**
 * An endless sequence of examples. Example i is a pure function of data, seed and i, so a resumed run continues with
 * the same examples. Implementations are thread-safe.
 */
public interface Examples {
    /** Examples in an epoch; shuffled data have another order in each epoch. */
    long perEpoch();

    /**
     * One example.
     *
     * @param index 0 or more; {@code index / perEpoch()} is its epoch
     */
    Example example(long index);

    /**
     * At most {@code most} of these examples, spread evenly over an epoch: for evaluations whose time is bounded.
     *
     * @param most at least 1
     */
    default Examples evenly(long most) {
        long all = perEpoch();
        return most >= all
                ? this
                : new ComputedExamples(most, index -> example(Math.multiplyExact(index % most, all) / most));
    }

    /**
     * Shuffled windows of contextLength + 1 tokens whose targets do not overlap. Each epoch has other borders: it
     * begins at a random offset and skips the tokens before and after the windows, together less than two windows.
     *
     * @throws IllegalArgumentException if there are fewer tokens than one window
     */
    static Examples windows(Tokens tokens, int contextLength, long seed) {
        tokens.require(contextLength);
        long windows = Math.max(1, tokens.count() / contextLength - 1); // one less, for the offset
        return new ComputedExamples(windows, index -> {
            Epoch epoch = new Epoch(seed, index / windows);
            long offset = epoch.offset(tokens.count() - 1 - windows * contextLength);
            long window = epoch.example(index % windows, windows);
            return Example.of(tokens, offset + window * contextLength, contextLength);
        });
    }

    /**
     * Documents in random order, concatenated and cut into windows of contextLength + 1 tokens, which are shuffled too.
     * Each epoch has another order, kept in memory while it lasts; up to contextLength tokens at the end are skipped.
     *
     * @throws IllegalArgumentException if there are fewer tokens than one window, or more than 2^31 documents
     */
    static Examples packedDocuments(Tokens tokens, int contextLength, long seed) {
        tokens.require(contextLength);
        long[] starts = PackedDocuments.starts(tokens);
        long windows = (tokens.count() - 1) / contextLength;
        AtomicReference<PackedDocuments> last = new AtomicReference<>(PackedDocuments.of(new Epoch(seed, 0), starts));
        return new ComputedExamples(windows, index -> {
            Epoch epoch = new Epoch(seed, index / windows);
            PackedDocuments packed = last.updateAndGet(
                    before -> before.epoch().equals(epoch) ? before : PackedDocuments.of(epoch, starts));
            return packed.example(tokens, epoch.example(index % windows, windows) * contextLength, contextLength);
        });
    }

    /**
     * Windows in the order of the data, the last one padded: every token but the first is a target once in an epoch.
     * For evaluation.
     *
     * @throws IllegalArgumentException if there are fewer than two tokens
     */
    static Examples inOrder(Tokens tokens, int contextLength) {
        LearningRate.atLeast(1, "context length", contextLength);
        LearningRate.refuse(
                tokens.count() < 2,
                "held-out data: expected at least 2 tokens, got " + tokens.count() + "; hold out more text");
        long windows = (tokens.count() - 2) / contextLength + 1;
        return new ComputedExamples(
                windows, index -> Example.of(tokens, index % windows * contextLength, contextLength));
    }
}
