package dev.causal4j.head;

/**
 * Scratch of a loss with gradients, at most 64 MB of logits or one row, reused from batch to batch so that no large
 * array becomes garbage. Not thread-safe.
 */
public final class LossScratch {
    private float[] logits = {};

    /** At least this many floats, with undefined content. */
    float[] logits(int count) {
        if (logits.length < count) {
            logits = new float[count];
        }
        return logits;
    }
}
