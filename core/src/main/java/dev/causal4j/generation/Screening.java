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
     * What screening did for one call: for as many steps (tokens of a sequence that ran alone) the certificate held or was
     * refused, the others took the whole product unasked.
     *
     * @param steps tokens chosen while one sequence ran
     * @param screened of which the screen chose, computing some rows
     * @param rows logits computed in full by screened steps
     * @param refused steps that were screened first and then took the whole product
     */
    public record Counts(long steps, long screened, long rows, long refused) {}
}
