package dev.causal4j.training;

import java.util.Arrays;
import java.util.stream.LongStream;

/**
 * The documents in the order of an epoch, concatenated; 12 bytes each. Immutable and thread-safe.
 *
 * @param starts the index of each document's first token, then the end of the last
 * @param order the documents' numbers in the order of the epoch
 * @param ends the end of each document in the concatenation, in the same order
 */
record PackedDocuments(Epoch epoch, long[] starts, int[] order, long[] ends) {
    /** The starts of the documents, and the end of the last. */
    static long[] starts(Tokens tokens) {
        long count = tokens.count();
        boolean conversations = tokens.isFirst(0);
        return LongStream.rangeClosed(0, count)
                .filter(i -> i == 0 || i == count || (conversations ? tokens.isFirst(i) : tokens.isLast(i - 1)))
                .toArray();
    }

    static PackedDocuments of(Epoch epoch, long[] starts) {
        int[] order = epoch.documents(starts.length - 1);
        long[] ends = Arrays.stream(order)
                .mapToLong(document -> starts[document + 1] - starts[document])
                .toArray();
        Arrays.parallelPrefix(ends, Long::sum);
        return new PackedDocuments(epoch, starts, order, ends);
    }

    /** The example of the T + 1 tokens from {@code from} on. */
    Example example(Tokens tokens, long from, int length) {
        int[] ids = new int[length + 1];
        int found = Arrays.binarySearch(ends, from);
        int document = found >= 0 ? found + 1 : -found - 1; // the first that ends after from
        for (int filled = 0; filled < ids.length; document++) {
            long left = ends[document] - (from + filled);
            int count = (int) Math.min(left, ids.length - filled);
            tokens.copy(starts[order[document] + 1] - left, ids, filled, count);
            filled += count;
        }
        return Tokens.example(ids, ids.length);
    }
}
