package dev.causal4j.scoring;

import dev.causal4j.tokenizer.SpecialTokens;

/**
 * Options of scoring. Immutable.
 *
 * @param stride tokens that each window after the first scores, 1 to the context length C; each token has at least C +
 *     1 - stride tokens of context. 0 means half the context. Smaller strides give more context and cost more
 * @param alternatives best candidates to return with each prediction
 * @param specialTokens how special tokens in a text are treated
 */
public record ScoringOptions(int stride, int alternatives, SpecialTokens specialTokens) {
    /** Strides of half the context, no alternatives, special tokens as text. */
    public static final ScoringOptions DEFAULT = new ScoringOptions(0, 0, SpecialTokens.AS_TEXT);

    /** @throws IllegalArgumentException if a number is out of its range */
    public ScoringOptions {
        atLeast(0, "stride", stride);
        atLeast(0, "top", alternatives);
    }

    private static void atLeast(int least, String subject, int got) {
        if (got < least) {
            throw new IllegalArgumentException(subject + ": expected a whole number >= " + least + ", got " + got);
        }
    }

    /** The effective stride for a context length. */
    int strideFor(int contextLength) {
        if (stride > contextLength) {
            throw new IllegalArgumentException(
                    "stride: expected at most the context length " + contextLength + ", got " + stride);
        }
        return stride > 0 ? stride : Math.max(1, contextLength / 2);
    }

    /** These options with another stride. */
    public ScoringOptions withStride(int tokens) {
        return new ScoringOptions(tokens, alternatives, specialTokens);
    }

    /** These options with another number of alternatives. */
    public ScoringOptions withAlternatives(int count) {
        return new ScoringOptions(stride, count, specialTokens);
    }

    /** These options with another treatment of special tokens. */
    public ScoringOptions withSpecialTokens(SpecialTokens how) {
        return new ScoringOptions(stride, alternatives, how);
    }
}
