package dev.causal4j.constraint;

import java.time.Duration;

/** Bounds of constraints, which may come from strangers. */
final class Limits {
    static final int SOURCE_BYTES = 1 << 20;
    static final int NESTING = 100;
    static final int SYMBOLS = 200_000;
    static final int TERMS = 250_000;
    static final int REPETITIONS = 1_000_000;
    static final int PATTERN = 4096; // characters
    static final int VALUES = 100_000; // of an enumeration
    static final Duration COMPILE = Duration.ofSeconds(2);
    static final int MEMBERS = 2000; // of a configuration
    static final int PROPERTIES = MEMBERS - 100; // at one place, beside the ways to end a value or an object
    static final int TRANSITIONS = 2_000_000; // of a mask
    static final int OPEN = 256; // brackets

    private Limits() {}

    /** @throws ConstraintException if there are more */
    static void check(String subject, long count, int limit, String things) {
        if (count > limit) {
            throw new ConstraintException(
                    subject, "at most %,d %s".formatted(limit, things), "%,d".formatted(count), "make it smaller");
        }
    }
}
