package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * One step of AdamW for numbers w with gradients g and moments m and v, elementwise and in float:
 *
 * <pre>
 *   g = g · gradientScale
 *   m = m + meanShare (g - m)        v = v · squareKept + squareShare g²
 *   w = w · weightKept - size · m / (sqrt(v) / correction + epsilon)
 * </pre>
 *
 * @param gradientScale factor of the gradients, applied first
 * @param weightKept factor of the weights after decay; 1 for no decay
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
    /**
     * Neighbouring f32 numbers, at the same offset of each memory.
     *
     * @param offset bytes to the first
     * @param count how many, a multiple of {@value Panels#WIDTH}
     */
    public record Numbers(
            MemorySegment weights,
            MemorySegment gradient,
            MemorySegment first,
            MemorySegment second,
            long offset,
            int count) {
        /**
         * @throws IndexOutOfBoundsException if the numbers are not inside every memory
         * @throws IllegalArgumentException if the numbers are not whole steps
         */
        public Numbers {
            if (count % Panels.WIDTH != 0) {
                throw new IllegalArgumentException("numbers: expected whole steps of 64, got " + count);
            }
            for (MemorySegment memory : new MemorySegment[] {weights, gradient, first, second}) {
                Objects.checkFromIndexSize(offset, 4L * count, memory.byteSize());
            }
        }
    }

    /** Changes n weights and their moments: the specification of {@code Kernels.adamW}. */
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
