package dev.causal4j.constraint;

/**
 * Follows one text through a {@link Constraint}, token by token. Tokens that end a sequence are not part of its text:
 * they are allowed where the matcher {@linkplain #isAccepting accepts}, and never passed to it. Not thread-safe.
 *
 * <p>Its answers depend on the accepted tokens alone. If it throws, its sequence ends with that exception. Whether it
 * meets its limit of steps can also depend on other texts of the same constraint: their transitions cost nothing again.
 */
public interface Matcher {
    /**
     * Sets the bits of the tokens after which the text can still become an allowed one. If no bit is set, the text so
     * far must be accepted.
     *
     * @param allowed bits by token id, token 0 in the lowest bit of the first word; all are 0 before the call
     */
    void mask(long[] allowed);

    /**
     * Sets the bits as {@link #mask} does if they are known or cost little (about a millisecond) and nobody else works on
     * the constraint. Otherwise it changes nothing visible: call {@link #mask} on a thread that may wait.
     *
     * @return whether the bits are set
     */
    default boolean tryMask(long[] allowed) {
        mask(allowed);
        return true;
    }

    /** Adds an allowed token to the text. */
    void accept(int token);

    /**
     * Adds a token as {@link #accept(int)} does, under the conditions of {@link #tryMask}. Otherwise it changes nothing
     * visible: call {@link #accept(int)} on a thread that may wait.
     *
     * @return whether the token is added
     */
    default boolean tryAccept(int token) {
        accept(token);
        return true;
    }

    /**
     * Adds the longest beginning of a text after which the whole can still become an allowed one.
     *
     * @param text its bytes in UTF-8, perhaps with a part of a character
     * @return the bytes of the beginning
     */
    default int accept(byte[] text) {
        throw new UnsupportedOperationException("matcher: expected one of texts, got " + this);
    }

    /** Whether the text so far is allowed as a whole. */
    boolean isAccepting();

    /** Roughly the bytes that this text keeps alone, as they were last counted; the constraint's are not among them. */
    default long bytes() {
        return 0;
    }

    /** Returns a matcher in the same state; the two do not affect each other. */
    Matcher copy();
}
