package dev.causal4j.decoder;

import dev.causal4j.kernel.PhiloxBlocks;
import dev.causal4j.kernel.choice.Kernels;
import java.util.Objects;

/**
 * Dropout by address (Srivastava et al. 2014, scaled in training): number p is multiplied by 1 / (1 - rate) or by 0,
 * decided by word p mod 4 of Philox block p / 4. Masks are not stored; a backward pass computes them again. Immutable
 * and thread-safe.
 *
 * @param rate the share that is dropped, from 0 to below 1
 * @param seed the key
 * @param stream the random stream reserved for this mask
 */
record DropoutMask(double rate, long seed, long stream) {
    private static final int WORDS = 4 * PhiloxBlocks.MOST;

    /** Applies the mask's numbers from {@code position} on to {@code x[offset .. offset + n)}. */
    void apply(float[] x, int offset, int n, long position) {
        Objects.checkFromIndexSize(offset, n, x.length);
        if (rate == 0) {
            return;
        }
        long threshold = (long) (rate * 0x1p32); // words below it drop their number
        float kept = (float) (1 / (1 - rate)); // the factor of the others
        int skipped = (int) position & 3; // words of the first block
        PhiloxBlocks blocks = new PhiloxBlocks(Math.min(PhiloxBlocks.MOST, Math.ceilDiv(skipped + n, 4)));
        float[] factors = new float[4 * blocks.size()];
        for (int from = -skipped; from < n; from += WORDS) {
            int words = Math.min(WORDS, n - from);
            blocks.fill(seed, stream, (position + from) >>> 2, Math.ceilDiv(words, 4));
            blocks.choose(Math.ceilDiv(words, 4), threshold, kept, factors);
            int begin = Math.max(0, -from);
            Kernels.scale(factors, begin, x, offset + from + begin, words - begin);
        }
    }
}
