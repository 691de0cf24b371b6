package dev.causal4j;

/**
 * Weights, caches or the state of training would exceed the off-heap memory that the process may use. Nothing was
 * allocated. Closing another model can make room.
 */
public final class MemoryLimitException extends IllegalStateException {
    /**
     * @param limit bytes of the process
     * @param used bytes that are taken
     * @param wanted bytes to take
     */
    public MemoryLimitException(long limit, long used, long wanted) {
        super("memory: expected at most " + megabytes(limit) + " for weights and caches, got " + megabytes(wanted)
                + " more with " + megabytes(used)
                + " in use; choose a smaller dtype, or raise the limit with -Dcausal4j.memory=BYTES");
    }

    private static String megabytes(long bytes) {
        return Math.ceilDiv(bytes, 1 << 20) + " MB";
    }
}
