package dev.causal4j.head;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.kernel.RowTiles;
import dev.causal4j.tensor.Operand;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;

/**
 * The softmax of rows without holding all their logits: a tile of logits is computed, reduced to a few numbers a row
 * and dropped (the online normaliser of Milakov and Gimelshein 2018, arXiv 1805.02867). Single use; not thread-safe,
 * though its tiles run on {@link Compute}.
 *
 * <p>One task computes all sums of a row's tile ({@link TileSums}), so results have the same bits for every number of
 * threads and rows.
 */
final class StreamingSoftmax {
    private static final int TILE = TileSums.TILE;

    /** Rows in a tile, at most: enough to multiply at full speed, and whole register tiles; no result depends on it. */
    static final int TILE_ROWS = 240;

    /** Bytes for the tiles of logits, all threads together: with an operand's 12 MB, all is within 64. */
    private static final int TILE_BYTES = 28 << 20;

    /** Bytes of the reduced tiles, unless a single row needs more. */
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
    private final double[] meanLogits; // [N]
    private final double @Nullable [] entropies; // [N]
    private final List<List<Candidate>> alternatives;
    private final Operand.Memory memory = new Operand.Memory();

    /** @param k candidates to keep for each row; 0 for none */
    StreamingSoftmax(CausalLMHead head, Rows hidden, int[] targets, boolean entropy, int k) {
        this.head = head;
        this.hidden = hidden;
        this.targets = targets;
        this.tiles = TileSums.tiles(head.vocabularySize());
        this.k = Math.min(k, head.vocabularySize());
        this.kept = Math.min(this.k, TILE);
        int n = targets.length;
        this.targetLogits = new float[n];
        this.logProbabilities = new double[n];
        this.ranks = new int[n];
        this.logNormalizers = new double[n];
        this.meanLogits = new double[n];
        this.entropies = entropy ? new double[n] : null;
        this.alternatives = new ArrayList<>(Collections.nCopies(n, List.of()));
    }

    /** Scores all rows; a row without a softmax gets a normaliser that is not finite. */
    LogProbabilities run() {
        long rowBytes = (long) tiles * (20 + 8 * kept);
        int prepared = Operand.most(targets.length, head.hiddenSize());
        int most = Math.clamp(PARTIAL_BYTES / rowBytes, 1, prepared);
        Partials partials = new Partials(Math.min(most, targets.length));
        for (int from = 0; from < targets.length; from += most) {
            chunk(from, Math.min(targets.length, from + most), partials);
        }
        return new LogProbabilities(
                logProbabilities, ranks, logNormalizers, entropies, Collections.unmodifiableList(alternatives));
    }

    /** The mean logit of a row, once all are scored. */
    double meanLogit(int row) {
        return meanLogits[row];
    }

    /** Reduced tiles of a chunk of C rows, at index {@code row * tiles + tile}. */
    private final class Partials {
        final TileSums sums;
        final int[] better; // [C, tiles]
        final float[] logits; // [C, tiles, kept]
        final int[] tokens; // [C, tiles, kept]

        Partials(int rows) {
            sums = new TileSums(rows, head.vocabularySize(), entropies != null);
            better = new int[rows * tiles];
            logits = new float[rows * tiles * kept];
            tokens = new int[rows * tiles * kept];
        }
    }

    private void chunk(int from, int to, Partials partials) {
        int rows = to - from;
        int tileRows = Math.clamp(
                        TILE_BYTES / (4L * TILE * Compute.shared().threads()) / RowTiles.ROWS,
                        2,
                        TILE_ROWS / RowTiles.ROWS)
                * RowTiles.ROWS;
        Operand operand = Operand.of(
                head.projection().device(),
                new Rows(hidden.data(), hidden.start(from), hidden.stride(), rows),
                head.hiddenSize(),
                memory);
        Compute.shared()
                .each(
                        rows,
                        i -> targetLogits[from + i] =
                                head.projection().output(targets[from + i], hidden.data(), hidden.start(from + i)));
        head.cap(targetLogits, from, rows);
        int rowTiles = Math.ceilDiv(rows, tileRows);
        ConcurrentLinkedQueue<float[]> scratch = new ConcurrentLinkedQueue<>();
        // Neighbouring tasks share weights, which are so read once a chunk.
        Compute.shared().run(tiles * rowTiles, task -> {
            float[] free = scratch.poll();
            float[] logits = free == null ? new float[Math.min(rows, tileRows) * TILE] : free;
            int first = from + task % rowTiles * tileRows;
            int last = Math.min(to, first + tileRows);
            tile(task / rowTiles, first, last, from, operand.slice(first - from, last - first), logits, partials);
            scratch.add(logits);
        });
        Compute.shared().run(Math.ceilDiv(rows, tileRows), task -> {
            for (int r = from + task * tileRows; r < Math.min(to, from + (task + 1) * tileRows); r++) {
                merge(r, r - from, partials);
            }
        });
    }

    /** Computes and reduces one tile of logits for rows {@code first} to {@code last - 1}. */
    private void tile(int tile, int first, int last, int from, Operand x, float[] logits, Partials partials) {
        int start = tile * TILE;
        int width = TileSums.width(tile, head.vocabularySize());
        head.projection().multiplyOutputs(start, start + width, x, Rows.of(logits, TILE, last - first));
        TopCandidates best = kept == 0 ? null : new TopCandidates(kept);
        for (int r = first; r < last; r++) {
            int row = (r - first) * TILE;
            int i = (r - from) * tiles + tile;
            head.cap(logits, row, width);
            partials.sums.take(r - from, tile, logits, row);
            partials.better[i] = better(logits, row, width, targetLogits[r], targets[r] - start);
            if (best != null && !Float.isNaN(partials.sums.max(r - from, tile))) {
                best.clear();
                best.offerAll(logits, row, width, start);
                best.copyTo(partials.tokens, partials.logits, i * kept);
            }
        }
    }

    /** Counts logits above the target's, or equal with a lower id; the target is number {@code at} of the tile. */
    private static int better(float[] logits, int row, int width, float target, int at) {
        int before = Math.clamp(at, 0, width);
        return Kernels.countAtLeast(logits, row, before, target)
                + Kernels.countAtLeast(logits, row + before, width - before, Math.nextUp(target));
    }

    /** Adds the tiles of a row, which is number {@code i} of its chunk. */
    private void merge(int row, int i, Partials partials) {
        logNormalizers[row] = partials.sums.logNormalizer(i);
        logProbabilities[row] = targetLogits[row] - logNormalizers[row];
        meanLogits[row] = partials.sums.meanLogit(i);
        if (entropies != null) {
            entropies[row] = partials.sums.entropy(i, logNormalizers[row]);
        }
        for (int tile = i * tiles; tile < (i + 1) * tiles; tile++) {
            ranks[row] += partials.better[tile];
        }
        if (k > 0 && Double.isFinite(logNormalizers[row])) {
            alternatives.set(row, best(i * tiles, partials));
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
