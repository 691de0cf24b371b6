package dev.causal4j.scoring;

import dev.causal4j.InputException;

/**
 * One text to score.
 *
 * @param prefix token ids before the text, context only; with a prefix the first token is scored too
 * @param tokens the text
 */
public record ScoringRequest(int[] prefix, int[] tokens) {
    /**
     * Checks that at least one token can be scored.
     *
     * @throws InputException if there is no token, or only one and no prefix
     */
    public ScoringRequest {
        if (!scorable(prefix, tokens)) {
            int least = prefix.length > 0 ? 1 : 2;
            throw new InputException("text: expected at least "
                    + (least == 2 ? "two tokens (the first has no prediction), got " : "one token, got ")
                    + (tokens.length == 0 ? "none" : "one")
                    + (least == 2 ? "; give a longer text or a prefix" : ""));
        }
    }

    /** Whether there is anything to score: a token, or two without a prefix. */
    public static boolean scorable(int[] prefix, int[] tokens) {
        return tokens.length >= (prefix.length > 0 ? 1 : 2);
    }

    /** A text without a prefix. */
    public static ScoringRequest of(int... tokens) {
        return new ScoringRequest(new int[0], tokens);
    }
}
