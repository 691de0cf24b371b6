package dev.causal4j.model;

/** Receives the progress of loading or converting. An exception from it ends the work, which then leaves no file. */
@FunctionalInterface
public interface ProgressListener {
    /** Called with the bytes of the weights that are done. */
    void accept(long bytes, long total);
}
