package dev.causal4j.constraint;

/**
 * Follows one text through a {@link Constraint}, token by token. Tokens that end a sequence are not part of its text: they
 * are allowed where the matcher {@linkplain #isAccepting accepts}, and never passed to it. Not thread-safe.
 *
 * <p>What it answers depends on the tokens that it has accepted alone. One that throws ends its sequence with that.
 */
public interface Matcher {
    /**
     * Allows the tokens with which some allowed text goes on. Unless none does, at least one token is allowed or the text
     * so far is accepted.
     *
     * @param allowed bits by token id, the lowest of the first word is that of 0; all are 0 before the call
     */
    void mask(long[] allowed);

    /** Adds an allowed token to the text. */
    void accept(int token);

    /** Whether the text so far is allowed as a whole. */
    boolean isAccepting();

    /** A matcher of the same text that goes its own way. */
    Matcher copy();
}
