package dev.causal4j.training;

import dev.causal4j.kernel.CounterRandom;

/**
 * A permutation of 0 to {@code size - 1} whose values are computed one by one, without memory. Immutable and
 * thread-safe.
 *
 * <p>The swap-or-not shuffle (Hoang, Morris and Rogaway 2012): each round pairs the numbers that add up to a random
 * key, modulo the size, and swaps a pair or not by a random bit that belongs to it. It takes any size, 5 as well as
 * 2^40.
 *
 * @param stream the first of {@link #STREAMS} streams of {@link CounterRandom}
 */
record Shuffle(long size, long seed, long stream) {
    /** Well above what swap-or-not needs for a uniform permutation; an example costs some microseconds. */
    private static final int ROUNDS = 64;

    /** A stream for the bits of each round, and one for the keys. */
    static final int STREAMS = ROUNDS + 1;

    long at(long index) {
        long value = index;
        for (int round = 0; round < ROUNDS; round++) {
            long key = (long) (CounterRandom.uniform(seed, round, stream + ROUNDS) * size);
            long partner = key >= value ? key - value : key - value + size;
            if (CounterRandom.uniform(seed, Math.max(value, partner), stream + round) < 0.5) {
                value = partner;
            }
        }
        return value;
    }
}
