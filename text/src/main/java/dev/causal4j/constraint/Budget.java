package dev.causal4j.constraint;

/**
 * The work and the memory of one constraint. Work is spent in steps of some tenth of a microsecond where it is done, and
 * memory is counted where it is kept, so that equal constraints meet equal limits on every machine. Not thread-safe.
 */
final class Budget {
    private static final String SUBJECT = "constraint";

    private int most = Limits.COMPILE_STEPS;
    private String purpose = "steps of compilation";
    private long left = most;
    private long bytes;
    private long compiled; // bytes at the end of the compilation; 0 before

    /** Begins a call after the compilation. Some of its steps are already spent. */
    void renew(int steps, int spent) {
        most = steps;
        left = (long) steps - spent;
        purpose = "steps for a token";
    }

    /** @throws ConstraintException if there is nothing left */
    void spend(long steps) {
        left -= steps;
        if (left < 0) {
            throw new ConstraintException(
                    SUBJECT, "at most %,d %s".formatted(most, purpose), "more", "make it smaller");
        }
    }

    /** Steps since the beginning. */
    long spent() {
        return most - left;
    }

    /**
     * Counts bytes that are kept.
     *
     * @throws ConstraintException if those of a compilation are too many
     */
    void keep(long more) {
        bytes += more;
        if (compiled == 0) {
            Limits.check(SUBJECT, bytes, Limits.BYTES, "bytes");
        }
    }

    /** Bytes that are kept. */
    long bytes() {
        return bytes;
    }

    /** Bytes that are kept since the compilation. */
    long grown() {
        return compiled == 0 ? 0 : bytes - compiled;
    }

    /** Ends the compilation. */
    void seal() {
        compiled = bytes;
    }

    /** Counts only what the compilation kept. */
    void forget() {
        bytes = compiled;
    }
}
