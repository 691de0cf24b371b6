package dev.causal4j.training;

/** See {@link Examples#windows}. */
record Windows(Tokens tokens, int contextLength, long seed) implements Examples {
    Windows {
        requireTokens(tokens, contextLength, contextLength + 1L);
    }

    static void requireTokens(Tokens tokens, int contextLength, long least) {
        TrainingOptions.atLeast(1, "context length", contextLength);
        if (tokens.count() < least) {
            throw new IllegalArgumentException("training data: expected at least " + least + " tokens for a context of "
                    + contextLength + ", got " + tokens.count() + "; give more text or a shorter context");
        }
    }

    @Override
    public long perEpoch() {
        return Math.max(1, tokens.count() / contextLength - 1); // one window less, for the offset
    }

    @Override
    public Example example(long index) {
        long count = perEpoch();
        Epoch epoch = new Epoch(seed, index / count);
        long offset = epoch.offset(tokens.count() - 1 - count * contextLength);
        return Example.of(tokens, offset + epoch.example(index % count, count) * contextLength, contextLength);
    }
}
