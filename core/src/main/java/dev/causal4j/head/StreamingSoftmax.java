package dev.causal4j.head;

import dev.causal4j.kernel.Kernels;
import dev.causal4j.kernel.Rows;
import dev.causal4j.kernel.Threads;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;

/**
 * The softmax of rows whose logits are never held at once: a tile of logits is computed, reduced to a few numbers a row
 * and forgotten (the online normaliser of Milakov and Gimelshein 2018, arXiv 1805.02867). One use by one caller; not
 * thread-safe, though its tiles run on {@link Threads}.
 *
 * <p>The order of all sums is fixed: a row's tile of {@value #TILE} outputs has a maximum m and a float sum of
 * exp(logit - m) in 16 lanes and a tree; tiles are added in double, in the order of the vocabulary. One task makes one
 * such sum whole, so the result has the same bits for every number of threads and of rows.
 */
final class StreamingSoftmax {
    /** Outputs in a tile: part of the definition of the sums. A multiple of a panel. */
    static final int TILE = 512;

    /** Rows in a tile, at most: enough to multiply at full speed; no result depends on it. */
    private static final int TILE_ROWS = 240;

    /** Bytes for the tiles of logits, all threads together. */
    private static final int TILE_BYTES = 32 << 20;

    /** Bytes for what tiles are reduced to, unless a single row needs more. */
    private static final int PARTIAL_BYTES = 16 << 20;

    private final CausalLMHead head;
    private final Rows hidden;
    private final int[] targets;
    private final int tiles;
    private final int kept; // candidates kept of each tile
    private final int k;

    private final float[] targetLogits; // [N]
    private final double[] logProbabilities; // [N]
    private final int[] ranks; // [N]
    private final double[] logNormalizers; // [N]
    private final double @Nullable [] entropies; // [N]
    private final List<List<Candidate>> alternatives;

    /** @param k candidates to keep of each row; 0 for none */
    StreamingSoftmax(CausalLMHead head, Rows hidden, int[] targets, boolean entropy, int k) {
        this.head = head;
        this.hidden = hidden;
        this.targets = targets;
        this.tiles = Math.ceilDiv(head.vocabularySize(), TILE);
        this.k = Math.min(k, head.vocabularySize());
        this.kept = Math.min(this.k, TILE);
        int n = targets.length;
        this.targetLogits = new float[n];
        this.logProbabilities = new double[n];
        this.ranks = new int[n];
        this.logNormalizers = new double[n];
        this.entropies = entropy ? new double[n] : null;
        this.alternatives = new ArrayList<>(Collections.nCopies(n, List.of()));
    }

    /** @throws ArithmeticException naming the first row whose logits have no softmax */
    LogProbabilities run() {
        long rowBytes = (long) tiles * (entropies == null ? 12 : 16) + (long) tiles * kept * 8;
        int most = Math.clamp(PARTIAL_BYTES / rowBytes, 1, 1 << 16);
        Partials partials = new Partials(Math.min(most, targets.length));
        for (int from = 0; from < targets.length; from += most) {
            chunk(from, Math.min(targets.length, from + most), partials);
        }
        return new LogProbabilities(
                logProbabilities, ranks, logNormalizers, entropies, Collections.unmodifiableList(alternatives));
    }

    /** What is kept of the tiles of a chunk of C rows: number {@code row * tiles + tile} of each array. */
    private final class Partials {
        final float[] max; // [C, tiles]
        final float[] sum; // [C, tiles]
        final float @Nullable [] moment; // [C, tiles]
        final int[] better; // [C, tiles]
        final float[] logits; // [C, tiles, kept]
        final int[] tokens; // [C, tiles, kept]

        Partials(int rows) {
            int n = rows * tiles;
            max = new float[n];
            sum = new float[n];
            moment = entropies == null ? null : new float[n];
            better = new int[n];
            logits = new float[n * kept];
            tokens = new int[n * kept];
        }
    }

    private void chunk(int from, int to, Partials partials) {
        int rows = to - from;
        int tileRows = Math.clamp(TILE_BYTES / (4L * TILE * Threads.count()), 1, TILE_ROWS);
        Threads.run(Math.ceilDiv(rows, tileRows), task -> {
            for (int r = from + task * tileRows; r < Math.min(to, from + (task + 1) * tileRows); r++) {
                targetLogits[r] = head.logit(targets[r], hidden.data(), hidden.start(r));
            }
        });
        int rowTiles = Math.ceilDiv(rows, tileRows);
        ConcurrentLinkedQueue<float[]> scratch = new ConcurrentLinkedQueue<>();
        // Neighbouring tasks share their weights, so that these are read once a chunk.
        Threads.run(tiles * rowTiles, task -> {
            float[] free = scratch.poll();
            float[] logits = free == null ? new float[Math.min(rows, tileRows) * TILE] : free;
            int first = from + task % rowTiles * tileRows;
            tile(task / rowTiles, first, Math.min(to, first + tileRows), from, logits, partials);
            scratch.add(logits);
        });
        Threads.run(Math.ceilDiv(rows, tileRows), task -> {
            for (int r = from + task * tileRows; r < Math.min(to, from + (task + 1) * tileRows); r++) {
                merge(r, (r - from) * tiles, partials);
            }
        });
        for (int r = from; r < to; r++) {
            if (!Double.isFinite(logNormalizers[r])) {
                throw head.withoutSoftmax(hidden, r);
            }
        }
    }

    /** One tile of logits for rows {@code first} to {@code last - 1}, and what is kept of it. */
    private void tile(int tile, int first, int last, int from, float[] logits, Partials partials) {
        int start = tile * TILE;
        int width = Math.min(TILE, head.vocabularySize() - start);
        Rows x = new Rows(hidden.data(), hidden.start(first), hidden.stride(), last - first);
        head.projection().multiplyOutputs(start, start + width, x, Rows.of(logits, TILE, last - first));
        TopCandidates best = kept == 0 ? null : new TopCandidates(kept);
        for (int r = first; r < last; r++) {
            int row = (r - first) * TILE;
            int i = (r - from) * tiles + tile;
            head.cap(logits, row, width);
            float max = Kernels.max(logits, row, width);
            partials.max[i] = max;
            // All of them -infinity: they add nothing, and the maximum cannot be subtracted.
            boolean empty = max == Float.NEGATIVE_INFINITY;
            partials.sum[i] = empty ? 0 : Kernels.expSum(logits, row, width, max);
            if (partials.moment != null) {
                partials.moment[i] = empty ? 0 : Kernels.expMoment(logits, row, width, max);
            }
            partials.better[i] = better(logits, row, width, targetLogits[r], targets[r] - start);
            if (best != null && !Float.isNaN(max)) {
                best.clear();
                best.offerAll(logits, row, width, start);
                best.copyTo(partials.tokens, partials.logits, i * kept);
            }
        }
    }

    /** Logits above the target's, and those equal to it with lower ids; the target is number {@code at} of the tile. */
    private static int better(float[] logits, int row, int width, float target, int at) {
        int before = Math.clamp(at, 0, width);
        return Kernels.countAtLeast(logits, row, before, target)
                + Kernels.countAtLeast(logits, row + before, width - before, Math.nextUp(target));
    }

    private void merge(int row, int start, Partials partials) {
        float max = Kernels.max(partials.max, start, tiles);
        double sum = 0;
        double moment = 0; // of p (logit - max), before it is divided by the sum
        for (int i = start; i < start + tiles; i++) {
            if (partials.max[i] != Float.NEGATIVE_INFINITY) {
                double distance = (double) partials.max[i] - max;
                double weight = StrictMath.exp(distance);
                sum += weight * partials.sum[i];
                moment += partials.moment == null ? 0 : weight * (partials.moment[i] + distance * partials.sum[i]);
            }
            ranks[row] += partials.better[i];
        }
        double log = StrictMath.log(sum);
        logNormalizers[row] = max + log;
        logProbabilities[row] = targetLogits[row] - logNormalizers[row];
        if (entropies != null) {
            entropies[row] = log - moment / sum;
        }
        if (k > 0 && Double.isFinite(logNormalizers[row])) {
            alternatives.set(row, best(start, partials));
        }
    }

    private List<Candidate> best(int start, Partials partials) {
        TopCandidates best = new TopCandidates(k);
        for (int tile = 0; tile < tiles; tile++) {
            int count = Math.min(kept, head.vocabularySize() - tile * TILE);
            for (int i = (start + tile) * kept; i < (start + tile) * kept + count; i++) {
                best.offer(partials.tokens[i], partials.logits[i]);
            }
        }
        return best.takeSorted();
    }
}
