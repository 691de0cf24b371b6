package dev.causal4j.training;

import dev.causal4j.kernel.AdamWStep;

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter 2019), with PyTorch's order of operations. Immutable. For a
 * gradient g at step t, counted from 1:
 *
 * <pre>
 *   w = w (1 - rate weightDecay)
 *   m = m + (1 - beta1) (g - m)        v = beta2 v + (1 - beta2) g²
 *   w = w - rate / (1 - beta1^t) · m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
 * </pre>
 *
 * @param beta1 decay of the mean of the gradients, from 0 to below 1
 * @param beta2 decay of the mean of their squares
 * @param epsilon added to the root
 * @param weightDecay decay of matrices, embeddings among them, and convolutions; gains and biases do not decay
 */
public record AdamW(double beta1, double beta2, double epsilon, double weightDecay) {
    /** The usual values for GPT models (Brown et al. 2020). */
    public static final AdamW DEFAULT = new AdamW(0.9, 0.95, 1e-8, 0.1);

    /** @throws IllegalArgumentException if a number is out of its range */
    public AdamW {
        boolean right = beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1;
        LearningRate.refuse(!right, "AdamW: expected betas from 0 to below 1, got " + beta1 + " and " + beta2);
        LearningRate.notNegative("epsilon of AdamW", epsilon);
        LearningRate.notNegative("weight decay", weightDecay);
    }

    /**
     * One step of a parameter, elementwise.
     *
     * @param step 1 for the first
     * @param rate the learning rate
     * @param gradientScale a factor of the gradients, applied first
     * @param decays whether the weights decay
     */
    AdamWStep step(long step, double rate, double gradientScale, boolean decays) {
        return new AdamWStep(
                (float) gradientScale,
                (float) (1 - rate * (decays ? weightDecay : 0)),
                (float) (1 - beta1),
                (float) beta2,
                (float) (1 - beta2),
                (float) (rate / (1 - StrictMath.pow(beta1, (double) step))),
                (float) Math.sqrt(1 - StrictMath.pow(beta2, (double) step)),
                (float) epsilon);
    }
}
