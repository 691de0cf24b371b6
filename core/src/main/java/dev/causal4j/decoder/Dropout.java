package dev.causal4j.decoder;

/**
 * Dropout of one training step: GPT-2's three rates and the address of the random numbers. Immutable and thread-safe.
 *
 * <p>A mask is addressed by seed, step, layer and place (the stream) and by sequence and index (the position), so it is
 * the same for every number of threads, for a batch in one piece and in several, and when a block is computed again.
 * The streams of dropout are the negative numbers: bit 63 is set, the step is in bits 26 to 62, the layer in bits 2 to
 * 25, the place in bits 0 and 1.
 *
 * @param embedding rate for the sum of token and position embedding
 * @param attention rate for attention weights
 * @param residual rate for the outputs of attention and feed-forward layer
 * @param seed the seed of the run
 * @param step the step of the optimizer, 0 or more
 * @param firstSequence how many sequences of the step are in batches before this one
 */
public record Dropout(double embedding, double attention, double residual, long seed, long step, int firstSequence) {
    /** No dropout, as in inference. */
    public static final Dropout NONE = new Dropout(0, 0, 0, 0, 0, 0);

    /** Places of dropout. */
    enum Place {
        /** The sum of token and position embedding. */
        EMBEDDING(0),
        /** The weights of attention. */
        ATTENTION(1),
        /** The output of attention, before it is added to the residual stream. */
        ATTENTION_OUT(2),
        /** The output of the feed-forward layer, before it is added to the residual stream. */
        FEED_FORWARD(3);

        private final int number; // part of the random numbers' addresses

        Place(int number) {
            this.number = number;
        }
    }

    private static final int LAYER_SHIFT = 2;
    private static final int STEP_SHIFT = 26;

    /** @throws IllegalArgumentException if a rate is not 0 to below 1, or the step or the sequence is negative */
    public Dropout {
        for (double rate : new double[] {embedding, attention, residual}) {
            if (!(rate >= 0 && rate < 1)) {
                throw new IllegalArgumentException("dropout: expected a rate from 0 to below 1, got " + rate);
            }
        }
        if (step < 0 || firstSequence < 0) {
            throw new IllegalArgumentException(
                    "dropout: expected a step and a sequence of at least 0, got " + step + " and " + firstSequence);
        }
    }

    /** Dropout by three rates; {@link #at} gives it the random numbers of a step. */
    public static Dropout rates(double embedding, double attention, double residual) {
        return new Dropout(embedding, attention, residual, 0, 0, 0);
    }

    /**
     * These rates with the random numbers of a step, for a batch that begins with sequence {@code sequence} of the
     * step.
     */
    public Dropout at(long runSeed, long optimizerStep, int sequence) {
        return new Dropout(embedding, attention, residual, runSeed, optimizerStep, sequence);
    }

    DropoutMask mask(Place place, int layer) {
        double rate = switch (place) {
            case EMBEDDING -> embedding;
            case ATTENTION -> attention;
            case ATTENTION_OUT, FEED_FORWARD -> residual;
        };
        long stream = Long.MIN_VALUE | step << STEP_SHIFT | (long) layer << LAYER_SHIFT | place.number;
        return new DropoutMask(rate, seed, stream);
    }
}
