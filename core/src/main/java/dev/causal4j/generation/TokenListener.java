package dev.causal4j.generation;

/** Receives each token, on the generating thread. */
@FunctionalInterface
public interface TokenListener {
    /** A listener that ignores tokens. */
    TokenListener NONE = token -> true;

    /**
     * Called once for each token.
     *
     * @return whether to continue this sequence; false cancels it and keeps its tokens
     */
    boolean accept(GeneratedToken token);
}
