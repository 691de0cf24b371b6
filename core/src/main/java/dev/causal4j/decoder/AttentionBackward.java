package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.kernel.Pages;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.RowTiles;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * Backward of attention for one head in one sequence, with its scratch. Used by one thread at a time.
 *
 * <p>With weights P = softmax(Q · Kᵀ), dropped weights M P and out = M P · V:
 *
 * <pre>
 *   dV = (M P)ᵀ · dOut        dS = P ∘ (M (dOut · Vᵀ) - rowSum(dOut ∘ out))
 *   dQ = dS · K               dK = dSᵀ · Q
 * </pre>
 *
 * <p>The weights are recomputed for 64 queries at a time, with the bits of the forward. Each number of dK and dV is one
 * chain over the queries, each of dQ one over the keys.
 */
final class AttentionBackward {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int WIDTH = Panels.WIDTH;

    /** Queries computed at once; results do not depend on it. */
    private static final int BLOCK = 64;

    private final int headSize;
    private final Arena arena;
    private final int parts; // panels that hold the numbers of a head
    private final long blockBytes = (long) BLOCK * WIDTH * Float.BYTES;
    private final MemorySegment queries; // [parts][64 queries][64]
    private final MemorySegment dOuts; // the same
    private int capacity; // positions
    private MemorySegment values = MemorySegment.NULL; // [T / 64][headSize][64], lanes over positions
    private MemorySegment keys = MemorySegment.NULL; // [parts][T][64], lanes over the head
    private MemorySegment dKeys = MemorySegment.NULL; // the same
    private MemorySegment dValues = MemorySegment.NULL; // the same
    private float[] weights = {}; // [64, T]
    private float[] dScores = {}; // [64, T]
    private float[] factors = {}; // [T], what dropout multiplied the weights of a query by
    private float[] across = {}; // weights or dScores [T, 64], in tiles
    private final float[] dQueries; // [64, parts · 64]
    private final float[] row; // one row of a panel

    /** @param arena memory of the panels */
    AttentionBackward(int headSize, Arena arena) {
        this.headSize = headSize;
        this.arena = arena;
        this.parts = Panels.needed(headSize);
        this.queries = arena.allocate(parts * blockBytes, 64);
        this.dOuts = arena.allocate(parts * blockBytes, 64);
        this.dQueries = new float[BLOCK * parts * WIDTH];
        this.row = new float[WIDTH];
    }

    /**
     * Computes the gradients of one head of one sequence of T positions.
     *
     * @param pages the forward's keys and values
     * @param q queries [T, headSize], scaled
     * @param k keys [T, headSize]
     * @param v values [T, headSize]
     * @param out output of attention [T, headSize]
     * @param dOut its gradient
     * @param dropout the forward's factors of the weights
     * @param scale the forward's factor of the queries
     * @param dq gradient of the unscaled queries [T, headSize], written; those of keys and values follow it at the same
     *     distances as in q, k and v
     */
    void run(
            Pages pages, Rows q, Rows k, Rows v, Rows out, Rows dOut, Kernels.Weighting dropout, float scale, Rows dq) {
        int length = q.count();
        reserve(length);
        packAcross(v);
        packRows(k, 0, length, keys, (long) capacity * WIDTH * Float.BYTES);
        dKeys.fill((byte) 0);
        dValues.fill((byte) 0);
        for (int from = 0; from < length; from += BLOCK) {
            int count = Math.min(BLOCK, length - from);
            int seen = from + count;
            int stride = Panels.needed(seen) * WIDTH;
            Rows p = Rows.of(weights, stride, count);
            Rows ds = Rows.of(dScores, stride, count);
            Kernels.scores(pages, slice(q, from, count), seen, p);
            Kernels.multiply(
                    new Panels(values, 0, (long) headSize * WIDTH * Float.BYTES, Panels.needed(seen), headSize),
                    slice(dOut, from, count),
                    ds);
            for (int r = 0; r < count; r++) {
                scores(p, ds, r, from + r, delta(out, dOut, from + r), dropout);
            }
            Kernels.multiply(
                    new Panels(keys, 0, (long) capacity * WIDTH * Float.BYTES, parts, seen),
                    Rows.of(dScores, stride, count),
                    Rows.of(dQueries, parts * WIDTH, count));
            for (int r = 0; r < count; r++) {
                for (int i = 0; i < headSize; i++) {
                    dq.data()[dq.start(from + r) + i] = dQueries[r * parts * WIDTH + i] * scale;
                }
            }
            addAcross(q, from, seen, queries, ds, dKeys);
            addAcross(dOut, from, seen, dOuts, p, dValues);
        }
        unpack(dKeys, dq, k.offset() - q.offset());
        unpack(dValues, dq, v.offset() - q.offset());
    }

    /** One query: dropped weights and the gradient of its scores, 0 for masked positions. */
    private void scores(Rows p, Rows ds, int r, int position, float delta, Kernels.Weighting dropout) {
        int seen = position + 1;
        int at = p.start(r);
        Kernels.softmax(weights, at, seen);
        Arrays.fill(factors, 0, seen, 1f);
        dropout.apply(factors, 0, position, seen);
        Kernels.scale(factors, 0, dScores, at, seen);
        for (int i = at; i < at + seen; i++) {
            dScores[i] = weights[i] * (dScores[i] - delta);
        }
        Kernels.scale(factors, 0, weights, at, seen);
        Arrays.fill(weights, at + seen, at + p.stride(), 0f);
        Arrays.fill(dScores, at + seen, at + ds.stride(), 0f);
    }

    /** The sum of dOut · out, one chain. */
    private float delta(Rows out, Rows dOut, int position) {
        float sum = 0;
        for (int i = 0; i < headSize; i++) {
            sum = Math.fma(dOut.data()[dOut.start(position) + i], out.data()[out.start(position) + i], sum);
        }
        return sum;
    }

    /** sums[s] += numbers[r][s] · x[from + r] for all positions s that are seen, in the order of r. */
    private void addAcross(Rows x, int from, int seen, MemorySegment panel, Rows numbers, MemorySegment sums) {
        int count = numbers.count();
        packRows(x, from, count, panel, blockBytes);
        RowTiles tiles = RowTiles.in(across, seen, count);
        for (int run = 0; run < RowTiles.runs(numbers); run++) {
            tiles.fillAcross(run, numbers);
        }
        for (int part = 0; part < parts; part++) {
            Kernels.addProduct(
                    new Panels(panel, part * blockBytes, 0, 1, count),
                    tiles,
                    sums,
                    (long) part * capacity * WIDTH * Float.BYTES);
        }
    }

    private static Rows slice(Rows rows, int from, int count) {
        return new Rows(rows.data(), rows.start(from), rows.stride(), count);
    }

    private void reserve(int length) {
        if (length <= capacity) {
            return;
        }
        int panels =
                Panels.needed(Math.max(length, 2 * capacity)); // doubles, for the arena frees nothing before its end
        capacity = panels * WIDTH;
        long bytes = (long) parts * capacity * WIDTH * Float.BYTES;
        values = arena.allocate((long) panels * headSize * WIDTH * Float.BYTES, 64);
        keys = arena.allocate(bytes, 64);
        dKeys = arena.allocate(bytes, 64);
        dValues = arena.allocate(bytes, 64);
        weights = new float[BLOCK * capacity];
        dScores = new float[BLOCK * capacity];
        factors = new float[capacity];
        across = new float[RowTiles.size(capacity, BLOCK)];
    }

    /** Values in panels of 64 positions; those beyond the last are 0. */
    private void packAcross(Rows v) {
        float[] panel = new float[headSize * WIDTH];
        for (int p = 0; p < Panels.needed(v.count()); p++) {
            int count = Math.min(WIDTH, v.count() - p * WIDTH);
            Arrays.fill(panel, 0f);
            for (int t = 0; t < count; t++) {
                int start = v.start(p * WIDTH + t);
                for (int i = 0; i < headSize; i++) {
                    panel[i * WIDTH + t] = v.data()[start + i];
                }
            }
            MemorySegment.copy(panel, 0, values, FLOAT, (long) p * panel.length * Float.BYTES, panel.length);
        }
    }

    /** Rows as panels of the head's numbers, those beyond the last 0. */
    private void packRows(Rows x, int from, int count, MemorySegment target, long partBytes) {
        for (int part = 0; part < parts; part++) {
            int width = Math.min(WIDTH, headSize - part * WIDTH);
            Arrays.fill(row, 0f);
            for (int r = 0; r < count; r++) {
                System.arraycopy(x.data(), x.start(from + r) + part * WIDTH, row, 0, width);
                MemorySegment.copy(row, 0, target, FLOAT, part * partBytes + (long) r * WIDTH * Float.BYTES, WIDTH);
            }
        }
    }

    private void unpack(MemorySegment sums, Rows target, int distance) {
        for (int part = 0; part < parts; part++) {
            int width = Math.min(WIDTH, headSize - part * WIDTH);
            for (int r = 0; r < target.count(); r++) {
                long from = ((long) part * capacity + r) * WIDTH * Float.BYTES;
                int to = target.start(r) + distance + part * WIDTH;
                MemorySegment.copy(sums, FLOAT, from, target.data(), to, width);
            }
        }
    }
}
