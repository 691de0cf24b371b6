package dev.causal4j.training;

/**
 * A training row. Immutable while its arrays are not modified.
 *
 * @param x [T] token ids
 * @param y [T] targets: the token that follows each of x
 * @param weight [T] 1 where the target counts, 0 where it does not
 */
public record Example(int[] x, int[] y, float[] weight) {
    /** @throws IllegalArgumentException if the lengths differ, or a weight is neither 0 nor 1 */
    public Example {
        if (y.length != x.length || weight.length != x.length) {
            throw new IllegalArgumentException("example: expected x, y and weight of one length, got " + x.length + ", "
                    + y.length + " and " + weight.length);
        }
        for (float w : weight) {
            if (w != 0 && w != 1) {
                throw new IllegalArgumentException("weight: expected 0 or 1, got " + w);
            }
        }
    }

    /**
     * The example of T + 1 tokens: the first T are x, the last T are y.
     *
     * @param real tokens before the padding, which is no target
     */
    static Example of(int[] tokens, int real) {
        int length = tokens.length - 1;
        int[] x = new int[length];
        int[] y = new int[length];
        float[] weight = new float[length];
        for (int i = 0; i < length; i++) {
            x[i] = tokens[i];
            y[i] = tokens[i + 1];
            weight[i] = i + 1 < real ? 1 : 0;
        }
        return new Example(x, y, weight);
    }
}
