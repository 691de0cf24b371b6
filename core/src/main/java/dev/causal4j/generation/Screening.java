package dev.causal4j.generation;

import java.util.Locale;

/**
 * Whether a {@link Generator} that runs one sequence screens the head ({@link dev.causal4j.head.Screen}). The tokens are the
 * same in any case.
 */
public enum Screening {
    /** From some hundred tokens on, if screened steps then measure faster than whole ones. */
    AUTO,
    /** From the first token on, where the model allows it. */
    ON,
    /** Never. */
    OFF;

    /** The name in flags and JSON. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * What screening did in one call of a generator. Steps that are neither screened nor refused took the whole product
     * from the start: their rules need it, screening is off or not decided yet, or those before them were refused.
     *
     * @param steps tokens chosen while one sequence ran
     * @param screened of which as many were chosen from some of the logits
     * @param rows logits that the screened steps computed in full
     * @param refused steps that were screened and then had to take the whole product
     */
    public record Counts(long steps, long screened, long rows, long refused) {}
}
