package dev.causal4j.head;

/**
 * The cross-entropy of a head on the targets of a batch, in nats.
 *
 * @param loss the sum divided by {@link LossOptions#denominator}; 0 without targets
 * @param sum {@link LossOptions#before} plus the losses of all targets that are not ignored, with smoothing and zLoss
 * @param targets how many targets are not ignored
 */
public record Loss(double loss, double sum, int targets) {
    /**
     * Scratch of a loss with gradients, at most 64 MB of logits or one row, reused from batch to batch so that no large
     * array becomes garbage. Not thread-safe.
     */
    public static final class Scratch {
        private float[] logits = {};

        /** At least this many floats, with undefined content. */
        float[] logits(int count) {
            if (logits.length < count) {
                logits = new float[count];
            }
            return logits;
        }
    }
}
