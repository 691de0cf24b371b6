package dev.causal4j.decoder;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.kernel.Pages;
import dev.causal4j.kernel.PanelFormat;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.RowTiles;
import dev.causal4j.tensor.Gradients;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Causal self-attention. A task is one head of one sequence, its scores are the scratch of the thread that runs it. */
final class Attention {
    private static final int WIDTH = Panels.WIDTH;

    /** Queries of a head that share one reading of its keys; a multiple of the 6 rows of a register tile. */
    private static final int QUERY_ROWS = 24;

    /** Queries of a backward computed at once; results do not depend on it. */
    private static final int BLOCK = 64;

    /** A thread's scores, [queries, positions]. */
    static final class Scores {
        private float[] numbers = {};

        Rows rows(int count, int positions) {
            int width = Panels.needed(positions) * WIDTH;
            numbers = Activations.atLeast(numbers, count, width);
            return Rows.of(numbers, width, count);
        }
    }

    private final int layer;
    private final int heads;
    private final int headSize;
    private final int width; // of all heads
    private final float[] scales; // [headSize], all the same: short plain loops use no vectors
    private final Linear queryKeyValue; // [3 width, D]
    private final Linear out; // [D, width]

    Attention(int layer, AttentionConfig config, Linear queryKeyValue, Linear out) {
        this.layer = layer;
        this.heads = config.heads();
        this.headSize = config.headSize();
        this.width = heads * headSize;
        this.scales = new float[headSize];
        Arrays.fill(scales, config.scale());
        this.queryKeyValue = queryKeyValue;
        this.out = out;
    }

    /** Reads {@code a.normed} of all rows and leaves there what attention gives the wanted ones. */
    void forward(Step step, Step wanted, Tape tape, Activations a) {
        boolean few =
                3L * wanted.rows() <= step.rows(); // then queries of the others cost more than the wanted keys again
        if (few) {
            queryKeyValue.forwardFrom(width, a.normed, tape.queryKeyValue, step.rows());
            wanted.choose(a.normed, queryKeyValue.weight().cols());
            queryKeyValue.forward(a.normed, a.queries, wanted.rows());
        } else {
            queryKeyValue.forward(a.normed, tape.queryKeyValue, step.rows()); // [N, 3 width]
        }
        step.compute.run(step.parts.size() * heads, a.scores, (scores, task) -> {
            int head = task % heads;
            Step.Part all = step.parts.get(task / heads);
            Step.Part part = wanted.parts.get(task / heads);
            for (int t = 0; t < all.count(); t++) {
                int key = start(all.first() + t, head, 1);
                int value = start(all.first() + t, head, 2);
                all.cache().store(layer, head, headSize, all.position() + t, tape.queryKeyValue, key, value);
            }
            float[] queries = few ? a.queries : tape.queryKeyValue;
            int first = few ? part.first() : all.first() + all.count() - part.count();
            attend(part, head, rowsOf(queries, first, part.count(), head, 0), wanted, scores, tape.attention);
        });
        out.forward(tape.attention, a.normed, wanted.rows()); // [N, D]
    }

    /** @param queries those of the part, which become scaled */
    private void attend(Step.Part part, int head, Rows queries, Step step, Scores scores, float[] results) {
        Pages pages = part.cache().pages(layer, head, headSize);
        for (int t = 0; t < part.count(); t += QUERY_ROWS) {
            int count = Math.min(QUERY_ROWS, part.count() - t);
            int row = part.first() + t;
            int position = part.position() + t;
            for (int r = t; r < t + count; r++) {
                Kernels.scale(scales, 0, queries.data(), queries.start(r), headSize);
            }
            Kernels.attention(
                    pages,
                    queries.rows(t, count),
                    position,
                    scores.rows(count, position + count),
                    results(results, row, count, head),
                    step.weighting(layer, heads, head, row));
        }
    }

    /** Where the part of a head begins in a row of queries (0), keys (1) and values (2). */
    private int start(int row, int head, int part) {
        return (3 * row + part) * width + head * headSize;
    }

    private Rows rowsOf(float[] queryKeyValue, int first, int count, int head, int part) {
        return new Rows(queryKeyValue, start(first, head, part), 3 * width, count);
    }

    private Rows results(float[] attention, int first, int count, int head) {
        return new Rows(attention, first * width + head * headSize, width, count);
    }

    /** Adds the gradients, and writes {@code a.dNormed} from {@code a.dOut}; {@code a.normed} is what entered. */
    void backward(Step step, Tape tape, Activations a, Gradients gradients) {
        out.backward(tape.attention, a.dOut, a.dAttention, step.rows(), gradients);
        int longest = step.parts.stream().mapToInt(Step.Part::count).max().orElse(0);
        try (Arena arena = Arena.ofShared()) {
            Compute.Scratch<Backward> scratch = new Compute.Scratch<>(() -> new Backward(longest, arena));
            step.compute.run(step.parts.size() * heads, scratch, (mine, task) -> {
                Step.Part part = step.parts.get(task / heads);
                mine.run(step, part, task % heads, tape, a);
            });
        }
        queryKeyValue.backward(a.normed, a.dQueryKeyValue, a.dNormed, step.rows(), gradients);
    }

    /**
     * Backward for one head in one sequence, with its scratch. Used by one thread at a time.
     *
     * <p>With weights P = softmax(Q · Kᵀ), dropped weights M P and out = M P · V:
     *
     * <pre>
     *   dV = (M P)ᵀ · dOut        dS = P ∘ (M (dOut · Vᵀ) - rowSum(dOut ∘ out))
     *   dQ = dS · K               dK = dSᵀ · Q
     * </pre>
     *
     * <p>The weights are recomputed for 64 queries at a time, with the bits of the forward. Each number of dK and dV is
     * one chain over the queries, each of dQ one over the keys. Columns beyond the head or the last position are
     * multiplied too; nothing reads the results.
     */
    private final class Backward {
        private final int parts = Panels.needed(headSize); // panels that hold the numbers of a head
        private final long blockBytes = PanelFormat.F32.bytes(BLOCK);
        private final long valueBytes = PanelFormat.F32.bytes(headSize);
        private final long partBytes; // of all positions
        private final MemorySegment queries; // [parts][64 queries][64]
        private final MemorySegment dOuts; // the same
        private final MemorySegment values; // [T / 64][headSize][64], lanes over positions
        private final MemorySegment keys; // [parts][T][64], lanes over the head
        private final MemorySegment dKeys; // the same
        private final MemorySegment dValues; // the same
        private final float[] weights; // [64, T]
        private final float[] dScores; // [64, T]
        private final float[] factors; // [T], what dropout multiplied the weights of a query by
        private final float[] across; // weights or dScores [T, 64], in tiles
        private final float[] dQueries = new float[BLOCK * parts * WIDTH]; // [64, parts · 64]

        /** @param longest positions of the longest sequence */
        Backward(int longest, Arena arena) {
            int panels = Panels.needed(longest);
            int positions = panels * WIDTH;
            partBytes = PanelFormat.F32.bytes(positions);
            queries = arena.allocate(parts * blockBytes, 64);
            dOuts = arena.allocate(parts * blockBytes, 64);
            values = arena.allocate(panels * valueBytes, 64);
            keys = arena.allocate(parts * partBytes, 64);
            dKeys = arena.allocate(parts * partBytes, 64);
            dValues = arena.allocate(parts * partBytes, 64);
            weights = new float[BLOCK * positions];
            dScores = new float[BLOCK * positions];
            factors = new float[positions];
            across = new float[RowTiles.size(positions, BLOCK)];
        }

        /** Writes the gradients of one head's unscaled queries, keys and values. */
        void run(Step step, Step.Part part, int head, Tape tape, Activations a) {
            int first = part.first();
            int length = part.count();
            Pages pages = part.cache().pages(layer, head, headSize);
            Rows q = rowsOf(tape.queryKeyValue, first, length, head, 0); // [T, headSize], scaled
            Rows v = rowsOf(tape.queryKeyValue, first, length, head, 2);
            Rows o = results(tape.attention, first, length, head);
            Rows dOut = results(a.dAttention, first, length, head);
            Rows dq = rowsOf(a.dQueryKeyValue, first, length, head, 0);
            Kernels.Weighting dropout = step.weighting(layer, heads, head, first);
            for (int t = 0; t < length; t++) {
                KVCache.across(v.data(), v.start(t), headSize, values, t / WIDTH * valueBytes + t % WIDTH * 4L);
            }
            pack(rowsOf(tape.queryKeyValue, first, length, head, 1), keys, partBytes);
            dKeys.fill((byte) 0);
            dValues.fill((byte) 0);
            for (int from = 0; from < length; from += BLOCK) {
                int count = Math.min(BLOCK, length - from);
                int seen = from + count;
                Rows someQueries = q.rows(from, count);
                Rows someOuts = dOut.rows(from, count);
                Rows p = Rows.of(weights, Panels.needed(seen) * WIDTH, count);
                Rows ds = Rows.of(dScores, p.stride(), count);
                Rows products = Rows.of(dQueries, parts * WIDTH, count);
                Kernels.scores(pages, someQueries, seen, p);
                Kernels.multiply(new Panels(values, 0, valueBytes, Panels.needed(seen), headSize), someOuts, ds);
                for (int r = 0; r < count; r++) {
                    scores(p, r, from + r, delta(o, dOut, from + r), dropout);
                }
                Kernels.multiply(new Panels(keys, 0, partBytes, parts, seen), ds, products);
                for (int r = 0; r < count; r++) {
                    for (int i = 0; i < headSize; i++) {
                        dq.data()[dq.start(from + r) + i] = dQueries[products.start(r) + i] * scales[i];
                    }
                }
                addAcross(someQueries, seen, queries, ds, dKeys);
                addAcross(someOuts, seen, dOuts, p, dValues);
            }
            unpack(dKeys, rowsOf(a.dQueryKeyValue, first, length, head, 1));
            unpack(dValues, rowsOf(a.dQueryKeyValue, first, length, head, 2));
        }

        /** One query: dropped weights and the gradient of its scores, 0 for masked positions. */
        private void scores(Rows p, int r, int position, float delta, Kernels.Weighting dropout) {
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
            Arrays.fill(dScores, at + seen, at + p.stride(), 0f);
        }

        /** The sum of dOut · out, one chain. */
        private float delta(Rows out, Rows dOut, int position) {
            float sum = 0;
            for (int i = 0; i < headSize; i++) {
                sum = Math.fma(dOut.data()[dOut.start(position) + i], out.data()[out.start(position) + i], sum);
            }
            return sum;
        }

        /** sums[s] += numbers[r][s] · x[r] for all positions s that are seen, in the order of r. */
        private void addAcross(Rows x, int seen, MemorySegment panel, Rows numbers, MemorySegment sums) {
            pack(x, panel, blockBytes);
            RowTiles tiles = RowTiles.in(across, seen, x.count());
            for (int run = 0; run < RowTiles.runs(numbers); run++) {
                tiles.fillAcross(run, numbers);
            }
            for (int part = 0; part < parts; part++) {
                Kernels.addProduct(
                        new Panels(panel, part * blockBytes, 0, 1, x.count()), tiles, sums, part * partBytes);
            }
        }

        /** Copies the head's numbers to panels. */
        private void pack(Rows x, MemorySegment panels, long bytes) {
            for (int part = 0; part < parts; part++) {
                int from = part * WIDTH;
                int n = Math.min(WIDTH, headSize - from);
                for (int r = 0; r < x.count(); r++) {
                    long to = part * bytes + PanelFormat.F32.bytes(r);
                    MemorySegment.copy(x.data(), x.start(r) + from, panels, Panels.FLOAT, to, n);
                }
            }
        }

        private void unpack(MemorySegment sums, Rows x) {
            for (int part = 0; part < parts; part++) {
                int to = part * WIDTH;
                int n = Math.min(WIDTH, headSize - to);
                for (int r = 0; r < x.count(); r++) {
                    long from = part * partBytes + PanelFormat.F32.bytes(r);
                    MemorySegment.copy(sums, Panels.FLOAT, from, x.data(), x.start(r) + to, n);
                }
            }
        }
    }
}
