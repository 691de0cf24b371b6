package dev.causal4j.server;

import dev.causal4j.constraint.Constraint;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.HashMap;
import java.util.Map;

/** The compiled constraints that requests use: the heap keeps them until the requests end. Thread-safe. */
final class UsedConstraints {
    /** How requests use one, which grows. */
    private static final class Use {
        private final Object caller; // the first that uses it
        private final Constraint constraint;
        private int requests = 1;
        private long bytes;

        Use(Object caller, Constraint constraint, long bytes) {
            this.caller = caller;
            this.constraint = constraint;
            this.bytes = bytes;
        }
    }

    private final Tokenizer tokenizer;
    private final Map<Constraint, Use> uses = new HashMap<>();

    UsedConstraints(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /** The equal constraint that is in use, so that it is compiled once also if it is too large to be kept; else this one. */
    synchronized Constraint known(Constraint constraint) {
        Use known = uses.get(constraint);
        return known == null ? constraint : known.constraint;
    }

    /**
     * Adds a use of a compiled constraint, which {@link #remove} ends.
     *
     * @return the constraint to use, an equal one
     * @throws ApiError if the heap has no room for it
     */
    synchronized Constraint add(Object caller, Constraint constraint) {
        Use known = uses.get(constraint);
        if (known != null) {
            known.requests++;
            return known.constraint;
        }
        long sum = 0;
        boolean usesOther = false;
        for (Use use : uses.values()) {
            use.bytes = Math.max(use.bytes, use.constraint.bytes(tokenizer));
            sum += use.bytes;
            usesOther |= use.caller.equals(caller);
        }
        long bytes = constraint.bytes(tokenizer);
        if (sum + bytes > Limits.CONSTRAINT_BYTES && (usesOther || bytes > Limits.ALWAYS_CONSTRAINT_BYTES)) {
            throw ApiError.full("constraints", "at most " + Limits.CONSTRAINT_BYTES + " bytes in use");
        }
        uses.put(constraint, new Use(caller, constraint, bytes));
        return constraint;
    }

    /** Ends a use. */
    synchronized void remove(Constraint constraint) {
        uses.computeIfPresent(constraint, (_, use) -> --use.requests == 0 ? null : use);
    }
}
