package dev.causal4j.decoder;

/**
 * A norm over a row.
 *
 * @param epsilon added to the mean square, inside the root
 * @param bias whether it has one
 */
public record NormConfig(Kind kind, float epsilon, boolean bias) {
    /** The kind of norm. */
    public enum Kind {
        /** (x - mean) / sqrt(variance + epsilon), Ba et al. 2016. */
        LAYER,
        /** x / sqrt(mean of squares + epsilon), Zhang and Sennrich 2019. */
        RMS
    }
}
