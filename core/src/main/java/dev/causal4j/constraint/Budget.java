package dev.causal4j.constraint;

/** The work that one call may do: terms, derivatives and transitions. Not thread-safe. */
final class Budget {
    private long left;
    private long deadline;

    /** Begins a compilation. */
    Budget() {
        left = Long.MAX_VALUE;
        deadline = System.nanoTime() + Limits.COMPILE.toNanos();
    }

    /** Begins a call after the compilation. */
    void renew() {
        left = Limits.TRANSITIONS;
        deadline = 0;
    }

    /** @throws ConstraintException if there is nothing left */
    void spend() {
        if (--left <= 0) {
            Limits.check("constraint", Limits.TRANSITIONS + 1L, Limits.TRANSITIONS, "transitions for a token");
        }
        if (deadline != 0 && (left & 1023) == 0 && System.nanoTime() > deadline) {
            throw new ConstraintException(
                    "constraint",
                    "one that is compiled within %d s".formatted(Limits.COMPILE.toSeconds()),
                    "a larger one",
                    "make it smaller");
        }
    }
}
