package dev.causal4j.training;

import dev.causal4j.kernel.CounterRandom;

/** The random choices of one pass over the data; the documentation of the package lists the streams. */
record Epoch(long seed, long number) {
    private static final long FIRST_STREAM = 0x64617461_00000000L;
    private static final int STREAMS = 256;
    private static final int OF_DOCUMENTS = 128;
    private static final int OF_OFFSET = 255;

    /** More rounds than swap-or-not needs for a uniform permutation; an example costs some microseconds. */
    private static final int ROUNDS = 64;

    private double uniform(long index, int use) {
        return CounterRandom.uniform(seed, index, FIRST_STREAM + number * STREAMS + use);
    }

    /**
     * The number of the example at this index of the epoch. The order is a permutation of 0 to {@code count - 1}; each
     * value is computed alone, without a table.
     *
     * <p>The swap-or-not shuffle (Hoang, Morris and Rogaway 2012): each round pairs the numbers that add up to a random
     * key, modulo the count, and swaps a pair or not by a random bit that belongs to it. It takes any count, 5 as well
     * as 2^40. Each round has a stream of bits; one further stream has the keys.
     */
    long example(long index, long count) {
        long value = index;
        for (int round = 0; round < ROUNDS; round++) {
            long key = (long) (uniform(round, ROUNDS) * count);
            long partner = key >= value ? key - value : key - value + count;
            if (uniform(Math.max(value, partner), round) < 0.5) {
                value = partner;
            }
        }
        return value;
    }

    /** The whole order of the documents: Fisher and Yates' shuffle. */
    int[] documents(int count) {
        int[] order = new int[count];
        for (int i = 0; i < count; i++) {
            int other = (int) (uniform(i, OF_DOCUMENTS) * (i + 1));
            order[i] = order[other];
            order[other] = i;
        }
        return order;
    }

    /** The offset of the windows, from 0 to {@code most}. */
    long offset(long most) {
        return (long) (uniform(0, OF_OFFSET) * (most + 1));
    }
}
