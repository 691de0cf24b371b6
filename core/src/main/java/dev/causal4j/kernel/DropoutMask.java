package dev.causal4j.kernel;

import java.util.Objects;

/**
 * Dropout by address (Srivastava et al. 2014, scaled in training): number p of a mask is kept, and divided by 1 - rate, or
 * becomes 0, as word p mod 4 of Philox block p / 4 says. Nothing is stored: a backward pass asks again. Immutable and
 * thread-safe.
 *
 * @param rate the share that becomes 0, from 0 to below 1
 * @param seed the key
 * @param stream what this mask has for itself among all uses of the seed
 */
public record DropoutMask(double rate, long seed, long stream) {
    /** @throws IllegalArgumentException if the rate is not 0 to below 1 */
    public DropoutMask {
        if (!(rate >= 0 && rate < 1)) {
            throw new IllegalArgumentException("dropout: expected a rate from 0 to below 1, got " + rate);
        }
    }

    /** Applies numbers {@code position} and after of the mask to {@code x[offset .. offset + n)}. */
    public void apply(float[] x, int offset, int n, long position) {
        Objects.checkFromIndexSize(offset, n, x.length);
        if (rate == 0) {
            return;
        }
        long threshold = (long) (rate * 0x1p32);
        float scale = (float) (1 / (1 - rate));
        long[] halves = new long[2];
        for (int i = 0; i < n; i++) {
            int word = (int) (position + i) & 3;
            if (i == 0 || word == 0) {
                CounterRandom.philox((position + i) >>> 2, stream, seed, halves);
            }
            long number = halves[word >> 1] >>> (32 - 32 * (word & 1)) & 0xFFFFFFFFL;
            x[offset + i] = number < threshold ? 0f : x[offset + i] * scale;
        }
    }
}
