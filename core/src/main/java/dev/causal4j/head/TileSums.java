package dev.causal4j.head;

import dev.causal4j.kernel.Kernels;
import org.jspecify.annotations.Nullable;

/**
 * Sums that a softmax needs of each tile of logits. A row's tile of {@value #TILE} outputs is reduced to its maximum m
 * and the float sums of exp(logit - m) and of the logits, each in 16 lanes and a tree; tiles are added in double, in
 * the order of the vocabulary. Threads may add different tiles at once.
 */
final class TileSums {
    /** Outputs in a tile: part of the definition of the sums. A multiple of a panel. */
    static final int TILE = 512;

    private final int vocabularySize;
    private final int tiles;
    private final float[] max; // [C, tiles]
    private final float[] sum; // [C, tiles]
    private final float[] logits; // [C, tiles], the sums of the logits themselves
    private final float @Nullable [] moment; // [C, tiles], sums of (logit - m) exp(logit - m)

    TileSums(int rows, int vocabularySize, boolean moments) {
        this.vocabularySize = vocabularySize;
        this.tiles = tiles(vocabularySize);
        this.max = new float[rows * tiles];
        this.sum = new float[rows * tiles];
        this.logits = new float[rows * tiles];
        this.moment = moments ? new float[rows * tiles] : null;
    }

    static int tiles(int vocabularySize) {
        return Math.ceilDiv(vocabularySize, TILE);
    }

    /** Outputs of a tile: the last may have fewer. */
    static int width(int tile, int vocabularySize) {
        return Math.min(TILE, vocabularySize - tile * TILE);
    }

    /** Adds the logits of a row's tile, which start at {@code offset}. */
    void take(int row, int tile, float[] numbers, int offset) {
        int width = width(tile, vocabularySize);
        int i = row * tiles + tile;
        max[i] = Kernels.max(numbers, offset, width);
        logits[i] = Kernels.sum(numbers, offset, width);
        if (max[i] == Float.NEGATIVE_INFINITY) {
            return; // all -infinity: they add nothing, and m cannot be subtracted
        }
        sum[i] = Kernels.expSum(numbers, offset, width, max[i]);
        if (moment != null) {
            moment[i] = Kernels.expMoment(numbers, offset, width, max[i]);
        }
    }

    float max(int row, int tile) {
        return max[row * tiles + tile];
    }

    /** ln of the sum of exp(logit); not finite if a logit is NaN or +infinity, or all are -infinity. */
    double logNormalizer(int row) {
        float largest = Kernels.max(max, row * tiles, tiles);
        double total = 0;
        for (int i = row * tiles; i < (row + 1) * tiles; i++) {
            if (max[i] != Float.NEGATIVE_INFINITY) {
                total += sum[i] * StrictMath.exp((double) max[i] - largest);
            }
        }
        return largest + StrictMath.log(total);
    }

    /** The mean of the row's logits. */
    double meanLogit(int row) {
        double total = 0;
        for (int i = row * tiles; i < (row + 1) * tiles; i++) {
            total += logits[i];
        }
        return total / vocabularySize;
    }

    /** -sum of p ln p: ln p = (logit - m) + (m - Z), and no term of the sum is positive. */
    double entropy(int row, double logNormalizer) {
        double total = 0;
        for (int i = row * tiles; moment != null && i < (row + 1) * tiles; i++) {
            if (max[i] != Float.NEGATIVE_INFINITY) {
                double distance = max[i] - logNormalizer;
                total += StrictMath.exp(distance) * (moment[i] + distance * sum[i]);
            }
        }
        return -total;
    }
}
