package dev.causal4j.generation;

import java.util.Arrays;

/**
 * The tokens that a sequence must have. As a draft source it guesses them, too. Immutable while its array is not
 * modified.
 *
 * @param promptLength of the sequence that it guesses for; a rule asks its sequence
 * @param isClaim whether a step may have as many of its guesses as it may have prompt tokens
 */
record GivenTokens(int promptLength, int[] tokens, boolean isClaim) implements LogitRule, Draft.Source {
    @Override
    public void apply(float[] logits, TokensSoFar soFar) {
        int given = tokens[soFar.length() - soFar.promptLength()];
        float logit = logits[given];
        Arrays.fill(logits, Float.NEGATIVE_INFINITY);
        logits[given] = logit;
    }

    @Override
    public int propose(int[] all, int length, int most, int[] into) {
        int from = Math.min(length - promptLength, tokens.length);
        boolean differs = from > 0 && all[promptLength + from - 1] != tokens[from - 1];
        int count = differs ? 0 : Math.min(most, tokens.length - from);
        System.arraycopy(tokens, from, into, 0, count);
        return count;
    }

    @Override
    public int matched() {
        return CERTAIN;
    }
}
