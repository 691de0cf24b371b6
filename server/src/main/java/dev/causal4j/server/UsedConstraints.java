package dev.causal4j.server;

import dev.causal4j.constraint.Constraint;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

/** The compiled constraints that requests use: the heap keeps them until the requests end. Thread-safe. */
final class UsedConstraints {
    /**
     * The use of a constraint.
     *
     * @param caller the first that uses it
     */
    private record Use(Object caller, Constraint constraint, AtomicInteger requests) {}

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
            known.requests.incrementAndGet();
            return known.constraint;
        }
        long bytes = constraint.bytes(tokenizer);
        long others = uses.values().stream()
                .mapToLong(use -> use.constraint.bytes(tokenizer)) // they grow in use
                .sum();
        boolean usesOther = uses.values().stream().anyMatch(use -> use.caller.equals(caller));
        if (others + bytes > Limits.CONSTRAINT_BYTES && (usesOther || bytes > Limits.ALWAYS_CONSTRAINT_BYTES)) {
            throw ApiError.full("constraints", "at most " + Limits.CONSTRAINT_BYTES + " bytes in use");
        }
        uses.put(constraint, new Use(caller, constraint, new AtomicInteger(1)));
        return constraint;
    }

    /** Ends a use. */
    synchronized void remove(Constraint constraint) {
        uses.computeIfPresent(constraint, (_, use) -> use.requests.decrementAndGet() == 0 ? null : use);
    }
}
