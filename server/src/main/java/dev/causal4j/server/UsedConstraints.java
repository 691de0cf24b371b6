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
        private int requests = 1;
        private long bytes;

        Use(Object caller, long bytes) {
            this.caller = caller;
            this.bytes = bytes;
        }
    }

    private final Tokenizer tokenizer;
    private final Map<Constraint, Use> uses = new HashMap<>();

    UsedConstraints(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /**
     * Adds a use of a compiled constraint, which {@link #remove} ends.
     *
     * @throws ApiError if the heap has no room for it
     */
    synchronized void add(Object caller, Constraint constraint) {
        Use known = uses.get(constraint);
        if (known != null) {
            known.requests++;
            return;
        }
        long sum = 0;
        boolean usesOther = false;
        for (Map.Entry<Constraint, Use> each : uses.entrySet()) {
            Use use = each.getValue();
            use.bytes = Math.max(use.bytes, each.getKey().bytes(tokenizer));
            sum += use.bytes;
            usesOther |= use.caller.equals(caller);
        }
        long bytes = constraint.bytes(tokenizer);
        if (sum + bytes > Limits.CONSTRAINT_BYTES && (usesOther || bytes > Limits.ALWAYS_CONSTRAINT_BYTES)) {
            throw ApiError.full("constraints", "at most " + Limits.CONSTRAINT_BYTES + " bytes in use");
        }
        uses.put(constraint, new Use(caller, bytes));
    }

    /** Ends a use. */
    synchronized void remove(Constraint constraint) {
        uses.computeIfPresent(constraint, (_, use) -> --use.requests == 0 ? null : use);
    }
}
