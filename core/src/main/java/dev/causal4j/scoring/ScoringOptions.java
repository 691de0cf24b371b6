package dev.causal4j.scoring;

import dev.causal4j.tokenizer.SpecialTokens;

/** Options of scoring. Immutable; made by {@link #builder()}. */
public final class ScoringOptions {
    /** The defaults. */
    public static final ScoringOptions DEFAULT = builder().build();

    final int stride;
    final int alternatives;
    final int batchRows;
    final SpecialTokens specialTokens;

    private ScoringOptions(Builder builder) {
        stride = atLeast(0, "stride", builder.stride);
        alternatives = atLeast(0, "top", builder.alternatives);
        batchRows = atLeast(1, "batch-rows", builder.batchRows);
        specialTokens = builder.specialTokens;
    }

    private static int atLeast(int least, String subject, int got) {
        if (got < least) {
            throw new IllegalArgumentException(subject + ": expected a whole number >= " + least + ", got " + got);
        }
        return got;
    }

    /** A builder with the defaults. */
    public static Builder builder() {
        return new Builder();
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
        private SpecialTokens specialTokens = SpecialTokens.AS_TEXT;

        private Builder() {}

        /**
         * Tokens that each window after the first scores, 1 to the context length C; each has at least C + 1 - stride
         * tokens of context. 0, the default, means half the context. Smaller strides give more context and cost more.
         */
        public Builder stride(int tokens) {
            stride = tokens;
            return this;
        }

        /** Best candidates to return with each prediction. */
        public Builder alternatives(int count) {
            alternatives = count;
            return this;
        }

        /** Tokens in one forward; changes time and memory, never a score. */
        public Builder batchRows(int rows) {
            batchRows = rows;
            return this;
        }

        /** How special tokens in a text are treated; {@link SpecialTokens#AS_TEXT} by default. */
        public Builder specialTokens(SpecialTokens how) {
            specialTokens = how;
            return this;
        }

        /**
         * Checks and returns the options.
         *
         * @throws IllegalArgumentException if a setting is out of its range
         */
        public ScoringOptions build() {
            return new ScoringOptions(this);
        }
    }
}
