package dev.causal4j.head;

import dev.causal4j.kernel.choice.Kernels;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import org.jspecify.annotations.Nullable;

/**
 * Sums over tiles of logits, from which a softmax and a ranking follow. A row's tile of {@value #TILE} outputs is
 * reduced to its maximum m and the float sums of exp(logit - m) and of the logits, each in 16 lanes and a tree; tiles
 * are added in double, in the order of the vocabulary. Threads may add different tiles at once.
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
    private final int[] better; // [C, tiles], tokens before the target
    private final int k;
    private final int kept; // of each tile
    private final long[] best; // [C, tiles, kept], keys of candidates

    /** @param k candidates wanted of each row, at most V */
    TileSums(int rows, int vocabularySize, boolean moments, int k) {
        this.vocabularySize = vocabularySize;
        this.tiles = tiles(vocabularySize);
        this.max = new float[rows * tiles];
        this.sum = new float[rows * tiles];
        this.logits = new float[rows * tiles];
        this.moment = moments ? new float[rows * tiles] : null;
        this.better = new int[rows * tiles];
        this.k = k;
        this.kept = Math.min(k, TILE);
        this.best = new long[rows * tiles * kept];
        Arrays.fill(best, Long.MIN_VALUE); // a narrow last tile leaves some
    }

    static int tiles(int vocabularySize) {
        return Math.ceilDiv(vocabularySize, TILE);
    }

    /** Outputs of a tile; the last tile may have fewer. */
    static int width(int tile, int vocabularySize) {
        return Math.min(TILE, vocabularySize - tile * TILE);
    }

    /** Reduces one tile of a row's logits, which start at {@code offset}. */
    void take(int row, int tile, float[] numbers, int offset) {
        int width = width(tile, vocabularySize);
        int i = row * tiles + tile;
        max[i] = Kernels.max(numbers, offset, width);
        logits[i] = Kernels.sum(numbers, offset, width);
        if (max[i] == Float.NEGATIVE_INFINITY) {
            return; // all are -infinity: they add nothing, and m cannot be subtracted
        }
        sum[i] = Kernels.expSum(numbers, offset, width, max[i]);
        if (moment != null) {
            moment[i] = Kernels.expMoment(numbers, offset, width, max[i]);
        }
    }

    /** Reduces a tile, counts the tokens that rank before the target and keeps the tile's best candidates. */
    void take(int row, int tile, float[] numbers, int offset, int target, float targetLogit) {
        take(row, tile, numbers, offset);
        int width = width(tile, vocabularySize);
        int i = row * tiles + tile;
        int before = Math.clamp(target - tile * TILE, 0, width); // of equal logits the lower id comes first
        better[i] = Kernels.countAtLeast(numbers, offset, before, targetLogit)
                + Kernels.countAtLeast(numbers, offset + before, width - before, Math.nextUp(targetLogit));
        if (kept > 0) {
            keep(i * kept, tile * TILE, numbers, offset, width);
        }
    }

    /** Keeps the best of a tile's logits, of the tokens from {@code first} on, in {@link #best} from {@code at} on. */
    private void keep(int at, int first, float[] numbers, int offset, int width) {
        PriorityQueue<Long> top = new PriorityQueue<>();
        float least = Float.NEGATIVE_INFINITY;
        for (int n = 0; n < width; n++) {
            if (numbers[offset + n] >= least) {
                offer(top, kept, Candidate.key(first + n, numbers[offset + n]));
                least = top.size() < kept ? least : Candidate.logitOf(top.element());
            }
        }
        for (long key : top) {
            best[at++] = key;
        }
    }

    /** Adds a key if it is among the {@code most} best; the worst of them comes first. */
    private static void offer(PriorityQueue<Long> top, int most, long key) {
        if (top.size() < most) {
            top.add(key);
        } else if (key > top.element()) {
            top.remove();
            top.add(key);
        }
    }

    /** The number of tokens that rank before the row's target. */
    int rank(int row) {
        return Arrays.stream(better, row * tiles, (row + 1) * tiles).sum();
    }

    /** The row's k best candidates, best first. */
    List<Candidate> best(int row, double logNormalizer) {
        PriorityQueue<Long> top = new PriorityQueue<>();
        for (int i = row * tiles * kept; i < (row + 1) * tiles * kept; i++) {
            offer(top, k, best[i]);
        }
        return top.stream()
                .sorted(Comparator.reverseOrder())
                .map(key -> Candidate.of(key, logNormalizer))
                .toList();
    }

    float max(int row, int tile) {
        return max[row * tiles + tile];
    }

    /** ln of the sum of exp(logit); not finite if a logit is NaN or +infinity, or if all are -infinity. */
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
