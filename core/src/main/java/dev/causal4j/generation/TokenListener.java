package dev.causal4j.generation;

/** Receives each token, on the thread of the {@link Engine}, which does nothing else meanwhile. */
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
     * Whether it takes another token now. While it does not, its sequence rests and others go on. Asked often, under a
     * lock of the engine: it must not wait.
     */
    default boolean ready() {
        return true;
    }
}
