package dev.causal4j;

/** Tests of {@code .ci/run} take all of the many inputs, {@code ./check} a part of them. */
public final class Whole {
    /** Whether tests are those of {@code .ci/run}. */
    public static final boolean RUN = Boolean.getBoolean("causal4j.whole");

    private Whole() {}

    /** How many inputs a test takes: {@code all} of them, or {@code part} in {@code ./check}. */
    public static int or(int all, int part) {
        return RUN ? all : part;
    }
}
