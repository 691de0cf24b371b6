package dev.causal4j.training;

import java.util.Arrays;
import java.util.stream.LongStream;

/** See {@link Examples#packedDocuments}. Keeps the order of one epoch in memory, 12 bytes a document. */
final class PackedDocuments implements Examples {
    private final Tokens tokens;
    private final int contextLength;
    private final long seed;
    private final long[] starts; // of the documents, and the end of the last

    // Rebuilt for another epoch; a race only builds it twice.
    private volatile Layout layout;

    /** @param ends the end of each document when all are concatenated in the epoch's order */
    private record Layout(Epoch epoch, int[] order, long[] ends) {}

    PackedDocuments(Tokens tokens, int endOfText, int contextLength, long seed) {
        tokens.require(contextLength + 1L, contextLength);
        this.tokens = tokens;
        this.contextLength = contextLength;
        this.seed = seed;
        long count = tokens.count();
        starts = LongStream.rangeClosed(0, count)
                .filter(i -> i == 0 || i == count || tokens.id(i - 1) == endOfText)
                .toArray();
        layout = layout(new Epoch(seed, 0));
    }

    private Layout layout(Epoch epoch) {
        int[] order = epoch.documents(starts.length - 1);
        long[] ends = Arrays.stream(order)
                .mapToLong(document -> starts[document + 1] - starts[document])
                .toArray();
        Arrays.parallelPrefix(ends, Long::sum);
        return new Layout(epoch, order, ends);
    }

    @Override
    public long perEpoch() {
        return (tokens.count() - 1) / contextLength;
    }

    @Override
    public Example example(long index) {
        Epoch epoch = new Epoch(seed, index / perEpoch());
        Layout current = layout;
        if (!current.epoch.equals(epoch)) {
            current = layout(epoch);
            layout = current;
        }
        long from = epoch.example(index % perEpoch(), perEpoch()) * contextLength;
        int[] ids = new int[contextLength + 1];
        int found = Arrays.binarySearch(current.ends, from);
        int document = found >= 0 ? found + 1 : -found - 1; // the first that ends after from
        for (int filled = 0; filled < ids.length; document++) {
            int which = current.order[document];
            long left = current.ends[document] - (from + filled);
            int count = (int) Math.min(left, ids.length - filled);
            tokens.copy(starts[which + 1] - left, ids, filled, count);
            filled += count;
        }
        return Example.of(ids, ids.length);
    }
}
