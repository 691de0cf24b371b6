package dev.causal4j.generation;

import java.util.Set;

/** The tokens of a sequence so far, for a {@link LogitRule}. Valid during a call of the rule. */
public final class TokensSoFar {
    private final int promptLength;
    private final Set<Integer> eos;
    private int[] tokens = {};
    private int length;

    TokensSoFar(int promptLength, Set<Integer> eos) {
        this.promptLength = promptLength;
        this.eos = Set.copyOf(eos);
    }

    TokensSoFar are(int[] tokens, int length) {
        this.tokens = tokens;
        this.length = length;
        return this;
    }

    /** Number of tokens, including the prompt. */
    public int length() {
        return length;
    }

    /** Number of prompt tokens. */
    public int promptLength() {
        return promptLength;
    }

    /** Token {@code i}, from 0. */
    public int token(int i) {
        return tokens[i];
    }

    /** The ids that end the sequence. */
    public Set<Integer> eos() {
        return eos;
    }
}
