package dev.causal4j.hub;

/** Receives the progress of a pull, on the pull's thread. */
@FunctionalInterface
public interface PullListener {
    /**
     * Called when more bytes are in the cache.
     *
     * @param file the path of the file that is being fetched
     * @param done bytes of the model that are in the cache, those of earlier pulls too; fewer than before if some were wrong
     * @param total bytes of the model
     */
    void progress(String file, long done, long total);
}
