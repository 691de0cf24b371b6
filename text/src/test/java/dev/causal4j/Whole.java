package dev.causal4j;

/** Tests of {@code .ci/run} take all of the many inputs, {@code ./check} a part of them. */
public final class Whole {
    /** The property that runs the tests that {@code ./check} leaves out. */
    public static final String PROPERTY = "causal4j.whole";

    /** Whether tests are those of {@code .ci/run}. */
    public static final boolean RUN = Boolean.getBoolean(PROPERTY);

    private Whole() {}

    /** How many inputs a test takes: {@code all} of them, or {@code part} in {@code ./check}. */
    public static int or(int all, int part) {
        return RUN ? all : part;
    }
}
