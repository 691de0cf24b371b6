package dev.causal4j.scoring;

/**
 * Options of scoring. Immutable; made by {@link #builder()}.
 *
 * @param stride tokens that each window after the first scores, 1 to the context length C; each has at least C + 1 -
 *     stride tokens of context. 0, the default, means half the context. Smaller strides give more context and cost more
 * @param alternatives best candidates to return with each prediction
 * @param batchRows tokens in one forward; changes time and memory, never a score
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

    /** The effective stride for a context length. */
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
