package dev.causal4j.model;

/** Receives the progress of loading or converting. An exception from it ends the work, which then leaves nothing. */
@FunctionalInterface
public interface ProgressListener {
    /** Called with the bytes of weights done so far. */
    void accept(long bytes, long total);
}
