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
    public static final LossOptions DEFAULT = new LossOptions(0, 0, MEAN, 0);

    /** Checks the ranges. */
    public LossOptions {
        require(
                labelSmoothing >= 0 && labelSmoothing < 1,
                "label smoothing",
                "a number from 0 to below 1",
                labelSmoothing);
        require(zLoss >= 0 && zLoss < Double.POSITIVE_INFINITY, "z-loss", "a finite number of at least 0", zLoss);
        require(denominator >= 0, "loss denominator", "at least 1", denominator);
    }

    private static void require(boolean holds, String subject, String expected, Number got) {
        if (!holds) {
            throw new IllegalArgumentException(subject + ": expected " + expected + ", got " + got);
        }
    }

    /** These options with another label smoothing. */
    public LossOptions withLabelSmoothing(double share) {
        return new LossOptions(share, zLoss, denominator, before);
    }

    /** These options with another weight of the normaliser. */
    public LossOptions withZLoss(double weight) {
        return new LossOptions(labelSmoothing, weight, denominator, before);
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
