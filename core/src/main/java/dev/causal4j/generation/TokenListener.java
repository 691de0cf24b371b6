package dev.causal4j.generation;

/** Hears of each token as it is made, in the thread that generates. */
@FunctionalInterface
public interface TokenListener {
    /** A listener that only waits for the end. */
    TokenListener NONE = token -> true;

    /**
     * Called once for each token.
     *
     * @return whether this sequence is to go on; false cancels it, and it keeps what it has
     */
    boolean accept(GeneratedToken token);
}
