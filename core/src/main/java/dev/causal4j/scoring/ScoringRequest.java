package dev.causal4j.scoring;

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
     * @throws IllegalArgumentException if there is no token, or only one and no prefix
     */
    public ScoringRequest {
        int least = prefix.length > 0 ? 1 : 2;
        if (tokens.length < least) {
            throw new IllegalArgumentException("text: expected at least "
                    + (least == 2 ? "two tokens (the first has no prediction), got " : "one token, got ")
                    + (tokens.length == 0 ? "none" : "one")
                    + (least == 2 ? "; give a longer text or a prefix" : ""));
        }
    }

    /** A text without a prefix. */
    public static ScoringRequest of(int... tokens) {
        return new ScoringRequest(new int[0], tokens);
    }
}
