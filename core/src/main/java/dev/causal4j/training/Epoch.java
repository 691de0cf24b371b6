package dev.causal4j.training;

import dev.causal4j.kernel.CounterRandom;

/** The random choices of one pass over the data; the streams are those in the documentation of the package. */
record Epoch(long seed, long number) {
    private static final long FIRST_STREAM = 0x64617461_00000000L;
    private static final int STREAMS = 256;
    private static final int OF_DOCUMENTS = 128;
    private static final int OF_OFFSET = 255;

    private long stream(int use) {
        return FIRST_STREAM + number * STREAMS + use;
    }

    /** The order of the examples. */
    Shuffle examples(long count) {
        return new Shuffle(count, seed, stream(0));
    }

    /** The order of the documents, all of it: Fisher and Yates' shuffle. */
    int[] documents(int count) {
        int[] order = new int[count];
        for (int i = 0; i < count; i++) {
            int other = (int) (CounterRandom.uniform(seed, i, stream(OF_DOCUMENTS)) * (i + 1));
            order[i] = order[other];
            order[other] = i;
        }
        return order;
    }

    /** From 0 to {@code most}. */
    long offset(long most) {
        return (long) (CounterRandom.uniform(seed, 0, stream(OF_OFFSET)) * (most + 1));
    }
}
