package dev.causal4j.scoring;

/** Hears how far scoring is, in the thread that scores. */
@FunctionalInterface
public interface ScoringListener {
    /** A listener that only waits for the end. */
    ScoringListener NONE = (_, _) -> true;

    /**
     * Called after each forward.
     *
     * @param done tokens computed so far
     * @param total tokens to compute; with windows a token may be computed more than once
     * @return whether to go on
     */
    boolean accept(long done, long total);
}
