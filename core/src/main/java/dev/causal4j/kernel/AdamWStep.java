package dev.causal4j.kernel;

/**
 * One step of AdamW for numbers w with gradients g and moments m and v, elementwise and in float:
 *
 * <pre>
 *   g = g · gradientScale
 *   m = m + meanShare (g - m)        v = v · squareKept + squareShare g²
 *   w = w · weightKept - size · m / (sqrt(v) / correction + epsilon)
 * </pre>
 *
 * @param gradientScale what gradients are multiplied by first
 * @param weightKept what remains of a weight that decays; 1 if it does not
 * @param meanShare 1 - beta1
 * @param squareKept beta2
 * @param squareShare 1 - beta2
 * @param size the learning rate / (1 - beta1^t)
 * @param correction sqrt(1 - beta2^t)
 * @param epsilon added to the root
 */
public record AdamWStep(
        float gradientScale,
        float weightKept,
        float meanShare,
        float squareKept,
        float squareShare,
        float size,
        float correction,
        float epsilon) {
    /** Changes n weights and their moments: the specification of {@link Kernels#update}. */
    public void apply(float[] weights, float[] gradient, float[] first, float[] second, int n) {
        for (int i = 0; i < n; i++) {
            float g = gradient[i] * gradientScale;
            first[i] += meanShare * (g - first[i]);
            second[i] = second[i] * squareKept + squareShare * g * g;
            float divisor = (float) Math.sqrt(second[i]) / correction + epsilon;
            weights[i] = weights[i] * weightKept - size * (first[i] / divisor);
        }
    }
}
