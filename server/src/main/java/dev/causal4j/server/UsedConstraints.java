package dev.causal4j.server;

import dev.causal4j.constraint.Constraint;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

/** The compiled constraints that requests use: the heap keeps them until the requests end. Thread-safe. */
final class UsedConstraints {
    private record Compiled(Constraint constraint, Tokenizer tokenizer) {
        long bytes() {
            return constraint.bytes(tokenizer);
        }
    }

    /**
     * The use of a constraint.
     *
     * @param caller the first that uses it
     */
    private record Use(Object caller, Compiled compiled, AtomicInteger requests) {}

    private final Map<Compiled, Use> uses = new HashMap<>();

    /** The equal constraint that is in use, so that it is compiled once also if it is too large to be kept; else this one. */
    synchronized Constraint known(Constraint constraint, Tokenizer tokenizer) {
        Use known = uses.get(new Compiled(constraint, tokenizer));
        return known == null ? constraint : known.compiled.constraint;
    }

    /**
     * Adds a use of a compiled constraint, which {@link #remove} ends.
     *
     * @return the constraint to use, an equal one
     * @throws ApiError if the heap has no room for it
     */
    synchronized Constraint add(Object caller, Constraint constraint, Tokenizer tokenizer) {
        Compiled compiled = new Compiled(constraint, tokenizer);
        Use known = uses.get(compiled);
        if (known != null) {
            known.requests.incrementAndGet();
            return known.compiled.constraint;
        }
        long bytes = compiled.bytes();
        long others = uses.keySet().stream().mapToLong(Compiled::bytes).sum(); // they grow in use
        boolean usesOther = uses.values().stream().anyMatch(use -> use.caller.equals(caller));
        if (others + bytes > Limits.CONSTRAINT_BYTES && (usesOther || bytes > Limits.ALWAYS_CONSTRAINT_BYTES)) {
            throw ApiError.full("constraints", "at most " + Limits.CONSTRAINT_BYTES + " bytes in use");
        }
        uses.put(compiled, new Use(caller, compiled, new AtomicInteger(1)));
        return constraint;
    }

    /** Ends a use. */
    synchronized void remove(Constraint constraint, Tokenizer tokenizer) {
        uses.computeIfPresent(
                new Compiled(constraint, tokenizer), (_, use) -> use.requests.decrementAndGet() == 0 ? null : use);
    }
}
