package dev.causal4j.constraint;

/** Bounds of constraints, which may come from strangers. */
final class Limits {
    static final int SOURCE_BYTES = 1 << 20;
    static final int NESTING = 100;
    static final int SYMBOLS = 200_000;
    static final int REPETITIONS = 1_000_000;
    static final int PATTERN = 4096; // characters
    static final int VALUES = 100_000; // of an enumeration
    static final int MEMBERS = 2000; // of a configuration
    static final int PROPERTIES = MEMBERS - 100; // at one place, beside the ways to end a value or an object
    static final int OPEN = 256; // brackets
    static final int FRAMES = 1 << 16; // of a text, each some 80 bytes

    // A step is some tenth of a microsecond, and calls of a matcher know most of what a compilation found out.
    static final int COMPILE_STEPS = 5_000_000;
    static final int TOKEN_STEPS = 800_000; // to find the tokens that can follow, or to follow one
    static final int TRIED_STEPS = 10_000; // the same where nobody may wait

    static final int BYTES = 64 << 20; // of one constraint when it is compiled

    // The bound of all together depends on the heap and decides no answer: above it, cached work is dropped.
    static final long KEPT_BYTES = Math.min(256L << 20, Runtime.getRuntime().maxMemory() / 8);

    private Limits() {}

    /** @throws ConstraintException if there are more */
    static void check(String subject, long count, int limit, String things) {
        if (count > limit) {
            throw new ConstraintException(
                    subject, "at most %,d %s".formatted(limit, things), "%,d".formatted(count), "make it smaller");
        }
    }
}
