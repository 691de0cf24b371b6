package dev.causal4j.decoder;

/** Initial values of a parameter. */
public sealed interface Initialization {
    /** Every number the same: 0 for biases, 1 for gains. */
    record Constant(float value) implements Initialization {}

    /** Draws from N(0, deviation²). */
    record Normal(double deviation) implements Initialization {}
}
