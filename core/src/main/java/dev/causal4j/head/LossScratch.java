package dev.causal4j.head;

/**
 * The memory of a loss with gradients, at most 64 MB of logits or one row of them, for a caller who computes one after the
 * other: an array of that size made anew for each batch would be most of what a collector has to do. Belongs to one caller, not
 * thread-safe.
 */
public final class LossScratch {
    private float[] logits = {};

    /** At least so many numbers, which hold anything. */
    float[] logits(int count) {
        if (logits.length < count) {
            logits = new float[count];
        }
        return logits;
    }
}
