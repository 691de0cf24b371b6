package dev.causal4j.generation;

/** Receives each token on the thread of the {@link Engine}, which waits for it. */
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

    /**
     * Whether it takes another token now. While it does not, its sequence rests; others continue and may take its slot
     * and pages. Called often, on the engine's thread: it must not wait. The engine notices within a tenth of a second
     * that it takes tokens again.
     */
    default boolean ready() {
        return true;
    }
}
