package dev.causal4j.head;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.tensor.PackedRows;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * The softmax of rows without holding all their logits: a tile of logits is computed, reduced to a few numbers a row
 * and dropped (the online normaliser of Milakov and Gimelshein 2018, arXiv 1805.02867). Single use; not thread-safe,
 * though its tiles run on {@link Compute}.
 *
 * <p>One task computes all sums of a row's tile ({@link TileSums}), so results have the same bits for every number of
 * threads and rows, and also if the logits are given.
 */
final class StreamingSoftmax {
    private static final int TILE = TileSums.TILE;

    /** Rows in a tile, at most: enough to multiply at full speed, and whole register tiles; no result depends on it. */
    static final int TILE_ROWS = 240;

    /**
     * Bytes for the tiles of logits of all threads: with 12 MB of packed rows and the sums, the total is below 64 MB.
     */
    private static final int TILE_BYTES = 28 << 20;

    /** Bytes for the sums of tiles, unless a single row needs more. */
    private static final int PARTIAL_BYTES = 16 << 20;

    private final CausalLMHead head;
    private final int[] targets;
    private final int tiles;
    private final int k;
    private final float[] targetLogits; // [N]
    private final List<List<Candidate>> alternatives;
    private final LogProbabilities scores;
    final double[] meanLogits; // [N]

    /** @param k candidates to keep of each row; 0 for none */
    StreamingSoftmax(CausalLMHead head, int[] targets, boolean entropy, int k) {
        int n = targets.length;
        this.head = head;
        this.targets = targets;
        this.tiles = TileSums.tiles(head.vocabularySize());
        this.k = Math.min(k, head.vocabularySize());
        this.targetLogits = new float[n];
        this.alternatives = new ArrayList<>(Collections.nCopies(n, List.of()));
        this.scores = new LogProbabilities(
                targets,
                new double[n],
                new int[n],
                new double[n],
                entropy ? new double[n] : null,
                Collections.unmodifiableList(alternatives));
        this.meanLogits = new double[n];
    }

    /** Scores all rows from their hidden vectors; one without a softmax has a normaliser that is not finite. */
    LogProbabilities run(Rows hidden) {
        long rowBytes = (long) tiles * (20 + 8 * Math.min(k, TILE));
        int prepared = PackedRows.most(hidden.count(), head.hiddenSize());
        int most = Math.clamp(PARTIAL_BYTES / rowBytes, 1, prepared);
        TileSums sums = sums(Math.min(most, hidden.count()));
        PackedRows packed = new PackedRows();
        for (int from = 0; from < hidden.count(); from += most) {
            chunk(from, hidden.rows(from, Math.min(most, hidden.count() - from)), sums, packed);
        }
        return scores;
    }

    /** Scores the targets from given logits, [N, V]. */
    LogProbabilities runOn(Rows logits) {
        TileSums sums = sums(logits.count());
        head.compute().run(logits.count(), r -> {
            targetLogits[r] = logits.data()[logits.start(r) + targets[r]];
            for (int tile = 0; tile < tiles; tile++) {
                sums.take(r, tile, logits.data(), logits.start(r) + tile * TILE, targets[r], targetLogits[r]);
            }
            merge(r, r, sums);
        });
        return scores;
    }

    private TileSums sums(int rows) {
        return new TileSums(rows, head.vocabularySize(), scores.entropies() != null, k);
    }

    /** @param x hidden vectors of rows {@code from} and on */
    private void chunk(int from, Rows x, TileSums sums, PackedRows packed) {
        Compute compute = head.compute();
        int rows = x.count();
        long tilesOfRows = TILE_BYTES / (4L * TILE * compute.threads()) / PackedRows.TILE;
        int tileRows = Math.clamp(tilesOfRows, 2, TILE_ROWS / PackedRows.TILE) * PackedRows.TILE;
        packed.pack(compute, x, head.projection());
        compute.each(
                rows, i -> targetLogits[from + i] = head.projection().output(targets[from + i], x.data(), x.start(i)));
        head.cap(targetLogits, from, rows);
        int rowTiles = Math.ceilDiv(rows, tileRows);
        // Neighbouring tasks share their weights, so that these are read once a chunk.
        Compute.Scratch<float[]> scratch = new Compute.Scratch<>(() -> new float[Math.min(rows, tileRows) * TILE]);
        compute.run(tiles * rowTiles, scratch, (logits, task) -> {
            int first = task % rowTiles * tileRows;
            int last = Math.min(rows, first + tileRows);
            tile(task / rowTiles, first, last - first, from, packed, logits, sums);
        });
        compute.each(rows, i -> merge(from + i, i, sums));
    }

    /** One tile of logits for {@code count} rows from {@code first} on of the chunk that begins at {@code from}. */
    private void tile(int tile, int first, int count, int from, PackedRows x, float[] logits, TileSums sums) {
        int start = tile * TILE;
        int width = TileSums.width(tile, head.vocabularySize());
        head.projection().multiplyOutputs(start, start + width, x, first, Rows.of(logits, TILE, count));
        for (int i = 0; i < count; i++) {
            head.cap(logits, i * TILE, width);
            int row = from + first + i;
            sums.take(first + i, tile, logits, i * TILE, targets[row], targetLogits[row]);
        }
    }

    /** Adds the tiles of a row, which is number {@code i} of its chunk. */
    private void merge(int row, int i, TileSums sums) {
        double normalizer = sums.logNormalizer(i);
        scores.logNormalizers()[row] = normalizer;
        scores.logProbabilities()[row] = targetLogits[row] - normalizer;
        scores.ranks()[row] = sums.rank(i);
        meanLogits[row] = sums.meanLogit(i);
        if (scores.entropies() != null) {
            scores.entropies()[row] = sums.entropy(i, normalizer);
        }
        alternatives.set(row, sums.best(i, normalizer));
    }
}
