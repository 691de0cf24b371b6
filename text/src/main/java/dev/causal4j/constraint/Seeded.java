package dev.causal4j.constraint;

import java.util.SplittableRandom;

/**
 * Hashes that nobody can foresee. Strangers could choose names and numbers that share a foreseen one, and a map compares
 * each key with all others of its hash. No text and no order depends on them.
 */
final class Seeded {
    private static final SplittableRandom RANDOM = new SplittableRandom();
    private static final long SEED = RANDOM.nextLong();
    private static final long FACTOR = RANDOM.nextLong() | 1;

    private Seeded() {}

    /** The hash of parts in their order. */
    static int hash(long... parts) {
        long hash = SEED;
        for (long part : parts) {
            hash = mixed(hash, part);
        }
        return (int) (hash >>> 32);
    }

    /** The hash of a text. */
    static long text(String text) {
        long hash = SEED;
        for (int i = 0; i < text.length(); i++) {
            hash = mixed(hash, text.charAt(i));
        }
        return hash;
    }

    private static long mixed(long hash, long part) {
        long product = (hash ^ part) * FACTOR;
        return product ^ product >>> 31;
    }
}
