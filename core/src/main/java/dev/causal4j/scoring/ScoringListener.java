package dev.causal4j.scoring;

/** Receives the progress of scoring, on the thread that scores. */
@FunctionalInterface
public interface ScoringListener {
    /** A listener that ignores progress. */
    ScoringListener NONE = (_, _) -> true;

    /**
     * Called after each forward.
     *
     * @param done tokens computed so far
     * @param total tokens to compute; with windows a token may be computed more than once
     * @return whether to continue
     */
    boolean accept(long done, long total);
}
