package dev.causal4j.scoring;

/**
 * How to score. Immutable; made by {@link #builder()}. Settings out of their range are an IllegalArgumentException of
 * one line.
 *
 * @param stride how many tokens each window after the first scores of a text that is longer than the context, 1 to
 *     the context length C: so each of them has at least C + 1 - stride tokens of context. 0, the default: half the
 *     context. Smaller is closer to full context for every token, and costs more
 * @param alternatives how many of the likeliest tokens each prediction names
 * @param batchRows tokens in one forward; it changes time and memory, never a score
 */
public record ScoringOptions(int stride, int alternatives, int batchRows) {
    /** The defaults. */
    public static final ScoringOptions DEFAULT = builder().build();

    public ScoringOptions {
        atLeast(0, "stride", stride);
        atLeast(0, "top", alternatives);
        atLeast(1, "batch-rows", batchRows);
    }

    private static void atLeast(int least, String subject, int got) {
        if (got < least) {
            throw new IllegalArgumentException(subject + ": expected a whole number >= " + least + ", got " + got);
        }
    }

    public static Builder builder() {
        return new Builder();
    }

    /** A builder that starts from these options. */
    public Builder toBuilder() {
        return builder().stride(stride).alternatives(alternatives).batchRows(batchRows);
    }

    /** The stride in force for a context length. */
    int strideFor(int contextLength) {
        if (stride > contextLength) {
            throw new IllegalArgumentException(
                    "stride: expected at most the context length " + contextLength + ", got " + stride);
        }
        return stride > 0 ? stride : Math.max(1, contextLength / 2);
    }

    /** Collects the settings of a {@link ScoringOptions}; not thread-safe. Each setter replaces the earlier value. */
    public static final class Builder {
        private int stride = 0;
        private int alternatives = 0;
        private int batchRows = 512;

        private Builder() {}

        public Builder stride(int stride) {
            this.stride = stride;
            return this;
        }

        public Builder alternatives(int alternatives) {
            this.alternatives = alternatives;
            return this;
        }

        public Builder batchRows(int batchRows) {
            this.batchRows = batchRows;
            return this;
        }

        /**
         * Checks and returns the options.
         *
         * @throws IllegalArgumentException if a setting is out of its range
         */
        public ScoringOptions build() {
            return new ScoringOptions(stride, alternatives, batchRows);
        }
    }
}
