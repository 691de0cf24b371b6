package dev.causal4j.tokenizer;

/**
 * Pairs of ids that become one id, in the order of their ranks, and a hash table from pairs to ranks. Thread-safe once
 * filled.
 */
final class Merges {
    // A pair is found after a few steps, since the table is at most half full, unless pairs were made to collide.
    private static final int MOST_STEPS = 1 << 11;

    private final int[] pairs; // left, right and result of each rank
    private final int[] table; // open addressing: 0, or rank + 1
    private int size;

    Merges(int most) {
        pairs = new int[3 * most];
        table = new int[4 * Integer.highestOneBit(most + 1)];
    }

    /**
     * Adds a pair with the next rank, which replaces its earlier rank, as in Hugging Face's library.
     *
     * @return false if the table is too full near the pair's slot
     */
    boolean add(int left, int right, int result) {
        int place = place(left, right);
        if (place < 0) {
            return false;
        }
        pairs[3 * size] = left;
        pairs[3 * size + 1] = right;
        pairs[3 * size + 2] = result;
        table[place] = ++size;
        return true;
    }

    int size() {
        return size;
    }

    /** The rank of a pair, or -1. */
    int rank(int left, int right) {
        int place = place(left, right);
        return place < 0 ? -1 : table[place] - 1;
    }

    /** The left id (0), right id (1) or resulting id (2) of a rank. */
    int part(int rank, int part) {
        return pairs[3 * rank + part];
    }

    /** The slot of a pair, or the free one where it belongs; -1 if neither is near. */
    private int place(int left, int right) {
        int mask = table.length - 1;
        int hash = (left * 0x01000193 ^ right) * 0x9e3779b1;
        int at = (hash ^ hash >>> 15) & mask;
        for (int step = 0; step < MOST_STEPS; step++, at = (at + 1) & mask) {
            int rank = table[at] - 1;
            if (rank < 0 || (part(rank, 0) == left && part(rank, 1) == right)) {
                return at;
            }
        }
        return -1;
    }
}
