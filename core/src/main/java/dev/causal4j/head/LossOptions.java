package dev.causal4j.head;

/**
 * Options of the loss. Immutable. For one target with logits z, Z = ln sum exp(z) and smoothing e, the loss is
 *
 * <pre>{@code Z - (1 - e) z[target] - e mean(z) + zLoss Z²}</pre>
 *
 * @param labelSmoothing e, from 0 to below 1: the share of the target that is spread over all V tokens, the target
 *     among them (Szegedy et al. 2016; PyTorch and Keras define it so)
 * @param zLoss at least 0: keeps the normaliser near 1 (Chowdhery et al. 2022, "PaLM", use 1e-4)
 * @param denominator the divisor of the sum over the targets. {@link #MEAN} is the number of targets that are not
 *     ignored; 1 leaves the sum. For a batch in parts it is the number of targets in all parts: their gradients then
 *     add up to the whole batch's
 * @param before the number that the sum over the targets begins with. For a batch in parts it is the sum of the parts
 *     before: all targets are then added in one chain, with the same bits however the batch is cut
 */
public record LossOptions(double labelSmoothing, double zLoss, long denominator, double before) {
    /** The denominator of a mean: the number of targets. */
    public static final long MEAN = 0;

    /** The mean of plain cross-entropies. */
    public static final LossOptions DEFAULT = new LossOptions(0, 0, MEAN);

    /** Checks the ranges. */
    public LossOptions {
        if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
            throw new IllegalArgumentException(
                    "label smoothing: expected a number from 0 to below 1, got " + labelSmoothing);
        }
        if (!(zLoss >= 0) || Double.isInfinite(zLoss)) {
            throw new IllegalArgumentException("z-loss: expected a finite number of at least 0, got " + zLoss);
        }
        if (denominator < 0) {
            throw new IllegalArgumentException("loss denominator: expected at least 1, got " + denominator);
        }
    }

    /** Options of a whole batch. */
    public LossOptions(double labelSmoothing, double zLoss, long denominator) {
        this(labelSmoothing, zLoss, denominator, 0);
    }

    /** These options with another denominator. */
    public LossOptions withDenominator(long other) {
        return new LossOptions(labelSmoothing, zLoss, other, before);
    }

    /** These options for a further part of a batch. */
    public LossOptions after(double sum) {
        return new LossOptions(labelSmoothing, zLoss, denominator, sum);
    }

    /** The divisor for this many targets. */
    double divisor(int targets) {
        return denominator == MEAN ? Math.max(1, targets) : (double) denominator;
    }
}
