package dev.causal4j.decoder;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.kernel.AttentionRule;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.kernel.PagedAttention;
import dev.causal4j.kernel.Pages;
import dev.causal4j.kernel.PanelFormat;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.RowTiles;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Gradients;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Causal self-attention. A task is a {@link Tile} of queries; its scores are the scratch of the thread that runs it. All
 * threads share a tile of one token after a long context.
 */
final class Attention {
    /** Queries that share one reading of their keys, which is then of little account. */
    private static final int QUERY_ROWS = 24;

    /** Tiles for each thread, to even out a slow core. */
    private static final int TILES_PER_THREAD = 2;

    /** Positions that are worth three jobs for the queries of one token. */
    private static final int LONG = 16 * PagePool.POSITIONS;

    /** Pages of a task of such a job: their keys are 0.1 MB and more. */
    private static final int PAGES = 4;

    /** Queries of a backward computed at once; results do not depend on it. */
    private static final int BLOCK = 64;

    private static final int WIDTH = Panels.WIDTH;

    /** The parameters besides the projections; null for those that the layer does not have. */
    record Extras(
            @Nullable Rope rope,
            @Nullable Norm queryNorm,
            @Nullable Norm keyNorm,
            float @Nullable [] sinks) {}

    /** A thread's scratch. */
    static final class Scores {
        private float[] numbers = {}; // [queries, positions]
        private float[] queries = {}; // [queries, headSize]
        private float[] results = {}; // [queries, headSize]
    }

    /**
     * Queries of neighbouring positions and key heads.
     *
     * @param part the sequence among the wanted rows
     * @param query number of the first query in the part
     * @param row of the first query among all rows
     */
    private record Tile(Step.Part part, int query, int row, int count, int kvHead, int kvHeads) {
        int position() {
            return part.position() + query;
        }
    }

    private final int layer;
    private final int heads;
    private final int kvHeads;
    private final int group;
    private final int headSize;
    private final int queryWidth; // numbers of all query heads in a row
    private final int keyWidth; // numbers of all key heads in a row
    private final int width; // numbers of a row: queries, keys and values
    private final float[] scales; // [headSize], all the same: short plain loops use no vectors
    private final AttentionConfig config;
    private final Extras extras;
    private final Linear queryKeyValue; // [width, D]
    private final Linear out; // [D, queryWidth]

    Attention(int layer, AttentionConfig config, Linear queryKeyValue, Linear out, Extras extras) {
        this.layer = layer;
        this.config = config;
        this.heads = config.heads();
        this.kvHeads = config.kvHeads();
        this.group = heads / kvHeads;
        this.headSize = config.headSize();
        this.queryWidth = heads * headSize;
        this.keyWidth = kvHeads * headSize;
        this.width = queryWidth + 2 * keyWidth;
        this.scales = new float[headSize];
        Arrays.fill(scales, config.scale());
        this.queryKeyValue = queryKeyValue;
        this.out = out;
        this.extras = extras;
    }

    /** The positions that the queries of some key heads see, and their sinks. */
    private AttentionRule rule(int kvHead, int count) {
        float[] sinks = extras.sinks;
        float[] own = sinks == null ? null : Arrays.copyOfRange(sinks, kvHead * group, (kvHead + count) * group);
        return new AttentionRule(group, config.window(), config.softCap(), own);
    }

    /** Reads {@code a.normed} of all rows and writes the results of the wanted ones there. */
    void forward(Step step, Step wanted, Tape tape, Activations a) {
        tape.queryKeyValue = Activations.atLeast(tape.queryKeyValue, step.rows(), width);
        tape.attention = Activations.atLeast(tape.attention, wanted.rows(), queryWidth);
        queryKeyValue.forward(a.normed, tape.queryKeyValue, step.rows()); // [N, width]
        float[] prepared = toPrepare(step, tape);
        step.compute.each(step.rows(), row -> {
            turn(prepared, row * width, heads, extras.queryNorm, step, row);
            turn(prepared, row * width + queryWidth, kvHeads, extras.keyNorm, step, row);
            for (int head = 0; head < heads; head++) {
                Kernels.scale(scales, 0, prepared, row * width + head * headSize, headSize);
            }
            store(step, row, prepared);
        });
        attend(step, wanted, prepared, tape.attention, a);
        out.forward(tape.attention, a.normed, wanted.rows()); // [N, D]
    }

    /** The projections to be normed and rotated: a copy if the backward of a norm reads them as they were. */
    private float[] toPrepare(Step step, Tape tape) {
        if (!tape.keeps || extras.queryNorm == null) {
            return tape.queryKeyValue;
        }
        tape.prepared = Activations.atLeast(tape.prepared, step.rows(), width);
        System.arraycopy(tape.queryKeyValue, 0, tape.prepared, 0, step.rows() * width);
        return tape.prepared;
    }

    /** Norms and rotates some heads of a row. */
    private void turn(float[] x, int at, int count, @Nullable Norm norm, Step step, int row) {
        if (norm != null) {
            norm.forward(x, at, count * headSize);
        }
        if (extras.rope != null) {
            Rope.Table table = extras.rope.table(step.cache(row).capacity());
            for (int head = 0; head < count; head++) {
                table.forward(x, at + head * headSize, step.position(row));
            }
        }
    }

    /** Stores a row's keys and values in its cache. */
    private void store(Step step, int row, float[] prepared) {
        Pages pages = step.cache(row).pages(layer, 0, kvHeads, headSize);
        for (int head = 0; head < kvHeads; head++) {
            int key = row * width + queryWidth + head * headSize;
            pages.store(head, step.position(row), prepared, key, key + keyWidth);
        }
    }

    private void attend(Step step, Step wanted, float[] prepared, float[] results, Activations a) {
        int most = Math.max(1, QUERY_ROWS / group);
        int enough = TILES_PER_THREAD * step.compute.threads();
        List<Tile> tiles = new ArrayList<>();
        for (int i = 0; i < wanted.parts.size(); i++) {
            Step.Part part = wanted.parts.get(i);
            int row = step.parts.get(i).first() + step.parts.get(i).count() - part.count();
            int seen = part.position() - rule(0, kvHeads).first(part.position());
            if (part.count() == 1 && wanted.parts.size() < enough && seen >= LONG) {
                together(new Tile(part, 0, row, 1, 0, kvHeads), wanted, prepared, results, a);
                continue;
            }
            int run = Math.clamp(
                    kvHeads * wanted.parts.size() / enough, 1, Math.max(1, most / Math.max(1, part.count())));
            for (int head = 0; head < kvHeads; head += run) {
                for (int t = 0; t < part.count(); t += most) {
                    int count = Math.min(most, part.count() - t);
                    tiles.add(new Tile(part, t, row + t, count, head, Math.min(run, kvHeads - head)));
                }
            }
        }
        step.compute.run(tiles.size(), a.scores, (scores, i) -> {
            attention(tiles.get(i), wanted, prepared, scores).attend();
            take(tiles.get(i), scores, results);
        });
    }

    /** Attention by all threads: they divide the pages of scores, the rows of weights and the columns of values. */
    private void together(Tile tile, Step wanted, float[] prepared, float[] results, Activations a) {
        Scores scores = a.scores.take();
        PagedAttention attention = attention(tile, wanted, prepared, scores);
        int tasks = Math.ceilDiv(attention.count(), PAGES);
        wanted.compute.run(tasks, i -> attention.scores(i * PAGES, Math.min((i + 1) * PAGES, attention.count())));
        wanted.compute.run(heads, attention::weights);
        int parts = attention.parts();
        int runs = Math.min(parts, TILES_PER_THREAD * wanted.compute.threads());
        wanted.compute.run(runs, i -> attention.means(i * parts / runs, (i + 1) * parts / runs));
        take(tile, scores, results);
        a.scores.give(scores);
    }

    /** The attention of a tile, whose queries it gathers. */
    private PagedAttention attention(Tile tile, Step wanted, float[] prepared, Scores scores) {
        int rows = tile.kvHeads * tile.count * group;
        AttentionRule rule = rule(tile.kvHead, tile.kvHeads);
        int positions = tile.position() + tile.count - rule.base(tile.position());
        int stride = Panels.needed(positions) * WIDTH;
        scores.numbers = Activations.atLeast(scores.numbers, rows, stride);
        scores.queries = Activations.atLeast(scores.queries, rows, headSize);
        scores.results = Activations.atLeast(scores.results, rows, headSize);
        int size = group * headSize;
        for (int i = 0; i < rows / group; i++) {
            int from = (tile.row + i % tile.count) * width + (tile.kvHead + i / tile.count) * size;
            System.arraycopy(prepared, from, scores.queries, i * size, size);
        }
        return new PagedAttention(
                tile.part.cache().pages(layer, tile.kvHead, tile.kvHeads, headSize),
                Rows.of(scores.queries, headSize, rows),
                tile.position(),
                rule,
                Rows.of(scores.numbers, stride, rows),
                new float[rows],
                Rows.of(scores.results, headSize, rows),
                wanted.weighting(layer, heads, tile.kvHead * group, tile.part.first() + tile.query));
    }

    /** Copies a tile's results to where they belong. */
    private void take(Tile tile, Scores scores, float[] results) {
        int size = group * headSize;
        for (int i = 0; i < tile.kvHeads * tile.count; i++) {
            int row = tile.part.first() + tile.query + i % tile.count;
            int to = row * queryWidth + (tile.kvHead + i / tile.count) * size;
            System.arraycopy(scores.results, i * size, results, to, size);
        }
    }

    /** Adds the gradients, and writes {@code a.dNormed} from {@code a.dOut}; {@code a.normed} is what entered. */
    void backward(Step step, Tape tape, Activations a, Gradients gradients) {
        a.dAttention = Activations.atLeast(a.dAttention, step.rows(), queryWidth);
        a.dQueryKeyValue = Activations.atLeast(a.dQueryKeyValue, step.rows(), width);
        a.dPrepared = Activations.atLeast(a.dPrepared, extras.queryNorm == null ? 0 : step.rows(), width);
        out.backward(tape.attention, a.dOut, a.dAttention, step.rows(), gradients);
        float[] dPrepared = extras.queryNorm == null ? a.dQueryKeyValue : a.dPrepared;
        float[] dSinks = extras.sinks == null ? null : gradients.of(extras.sinks);
        new Backward(step, tape, a, dPrepared).run(dSinks);
        Rope rope = extras.rope;
        if (rope != null) {
            step.compute.each(step.rows(), row -> {
                Rope.Table table = rope.table(step.cache(row).capacity());
                for (int head = 0; head < heads + kvHeads; head++) {
                    table.backward(dPrepared, row * width + head * headSize, step.position(row));
                }
            });
        }
        if (extras.queryNorm != null && extras.keyNorm != null) {
            for (int row = 0; row < step.rows(); row++) {
                int keys = row * width + queryWidth;
                Arrays.fill(a.dQueryKeyValue, row * width, keys + keyWidth, 0f);
                System.arraycopy(dPrepared, keys + keyWidth, a.dQueryKeyValue, keys + keyWidth, keyWidth);
            }
            backward(extras.queryNorm, 0, queryWidth, step, tape, a, gradients);
            backward(extras.keyNorm, queryWidth, keyWidth, step, tape, a, gradients);
        }
        queryKeyValue.backward(a.normed, a.dQueryKeyValue, a.dNormed, step.rows(), gradients);
    }

    private void backward(Norm norm, int offset, int size, Step step, Tape tape, Activations a, Gradients gradients) {
        int n = norm.gain().length;
        int count = size / n;
        norm.backward(
                step.compute,
                step.rows() * count,
                i -> i / count * width + offset + i % count * n,
                tape.queryKeyValue,
                a.dPrepared,
                a.dQueryKeyValue,
                a,
                gradients);
    }

    /**
     * The backward between the projections: the gradients of normed, rotated and scaled queries and keys, and of
     * values. Single use.
     *
     * <p>With scores S = cap(Q · Kᵀ), weights P = softmax(S), dropped weights M P and out = M P · V:
     *
     * <pre>
     *   dV = (M P)ᵀ · dOut        dS = P ∘ (M (dOut · Vᵀ) - rowSum(dOut ∘ out)) ∘ (1 - (S / c)²)
     *   dQ = dS · K               dK = dSᵀ · Q
     * </pre>
     *
     * <p>The weights are recomputed for 64 queries at a time, with the bits of the forward. Each number of dK and dV is one
     * chain over the heads of the group and their queries, each of dQ one over the keys. Columns beyond the head or the last
     * position are multiplied too; nothing reads the results.
     */
    private final class Backward {
        private final Step step;
        private final Tape tape;
        private final Activations a;
        private final float[] queriesAndKeys; // [N, width]
        private final float[] gradients; // [N, width]
        private final float[] sinkGradients; // [parts, heads]

        /** @param gradients [N, width], written */
        Backward(Step step, Tape tape, Activations a, float[] gradients) {
            this.step = step;
            this.tape = tape;
            this.a = a;
            this.queriesAndKeys = tape.queriesAndKeys();
            this.gradients = gradients;
            this.sinkGradients = new float[step.parts.size() * heads];
        }

        /** @param dSinks [heads] added to, or null */
        void run(float @Nullable [] dSinks) {
            int longest = step.parts.stream().mapToInt(Step.Part::count).max().orElse(0);
            int tasks = step.parts.size() * kvHeads;
            try (Arena arena = Device.scratch()) {
                Compute.Scratch<Head> scratch = new Compute.Scratch<>(() -> new Head(longest, arena));
                step.compute.run(tasks, scratch, (mine, task) -> {
                    int kvHead = task % kvHeads;
                    mine.run(task / kvHeads, kvHead);
                });
            }
            for (int i = 0; i < sinkGradients.length && dSinks != null; i++) {
                dSinks[i % heads] += sinkGradients[i];
            }
        }

        private Rows rows(float[] x, int first, int count, int offset) {
            return new Rows(x, first * width + offset, width, count);
        }

        /** The backward of a key head in one sequence, with its scratch. Used by one thread at a time. */
        private final class Head {
            private final int parts = Panels.needed(headSize); // panels that hold the numbers of a head
            private final long blockBytes = PanelFormat.F32.bytes(BLOCK);
            private final long valueBytes = PanelFormat.F32.bytes(headSize);
            private final long partBytes; // bytes of a panel of all positions
            private final MemorySegment queries; // [parts][64 queries][64]
            private final MemorySegment dOuts; // [parts][64 queries][64]
            private final MemorySegment values; // [T / 64][headSize][64], lanes over positions
            private final MemorySegment keys; // [parts][T][64], lanes over the head
            private final MemorySegment dKeys; // [parts][T][64]
            private final MemorySegment dValues; // [parts][T][64]
            private final float[] weights; // [64, T]
            private final float[] dScores; // [64, T]
            private final float[] factors; // [T], dropout's factors of the weights of a query
            private final float[] slopes; // [T], of the cap
            private final float[] across; // weights or dScores [T, 64], in tiles
            private final float[] dQueries = new float[BLOCK * parts * WIDTH]; // [64, parts · 64]

            /** @param longest positions of the longest sequence */
            Head(int longest, Arena arena) {
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
                slopes = new float[positions];
                across = new float[RowTiles.size(positions, BLOCK)];
            }

            /** Writes the gradients of one head's keys and values, and of its group's queries. */
            void run(int partNumber, int kvHead) {
                Step.Part part = step.parts.get(partNumber);
                int key = queryWidth + kvHead * headSize;
                int value = key + keyWidth;
                Rows v = rows(tape.queryKeyValue, part.first(), part.count(), value); // [T, headSize]
                for (int t = 0; t < part.count(); t++) {
                    long to = t / WIDTH * valueBytes + t % WIDTH * 4L;
                    for (int i = 0; i < headSize; i++) {
                        values.set(Panels.FLOAT, to + PanelFormat.F32.bytes(i), v.data()[v.start(t) + i]);
                    }
                }
                pack(rows(queriesAndKeys, part.first(), part.count(), key), keys, partBytes);
                dKeys.fill((byte) 0);
                dValues.fill((byte) 0);
                AttentionRule rule = rule(kvHead, 1);
                for (int i = 0; i < group; i++) {
                    int head = kvHead * group + i;
                    for (int from = 0; from < part.count(); from += BLOCK) {
                        float dSink = queries(part, kvHead, head, from, rule, rule.sink(i));
                        sinkGradients[partNumber * heads + head] += dSink;
                    }
                }
                unpack(dKeys, rows(gradients, part.first(), part.count(), key));
                unpack(dValues, rows(gradients, part.first(), part.count(), value));
            }

            /** A block of queries of one head; returns the gradient of its sink. */
            private float queries(Step.Part part, int kvHead, int head, int from, AttentionRule rule, float sink) {
                int first = part.first() + from;
                int count = Math.min(BLOCK, part.count() - from);
                int seen = from + count;
                Rows someQueries = rows(queriesAndKeys, first, count, head * headSize); // scaled
                Rows someOuts = new Rows(a.dAttention, first * queryWidth + head * headSize, queryWidth, count);
                Rows outs = new Rows(tape.attention, someOuts.offset(), queryWidth, count);
                Rows p = Rows.of(weights, Panels.needed(seen) * WIDTH, count);
                Rows ds = Rows.of(dScores, p.stride(), count);
                Rows products = Rows.of(dQueries, parts * WIDTH, count);
                Pages pages = part.cache().pages(layer, kvHead, 1, headSize);
                PagedAttention.Weighting dropout = step.weighting(layer, heads, head, first);
                Kernels.scores(pages, someQueries, 0, seen, p);
                Kernels.multiply(new Panels(values, 0, valueBytes, Panels.needed(seen), headSize), someOuts, ds);
                float dSink = 0;
                for (int r = 0; r < count; r++) {
                    dSink += scores(p, r, from + r, delta(outs, someOuts, r), rule, sink, dropout);
                }
                Kernels.multiply(new Panels(keys, 0, partBytes, parts, seen), ds, products);
                Rows dq = rows(gradients, first, count, head * headSize);
                for (int r = 0; r < count; r++) {
                    for (int i = 0; i < headSize; i++) {
                        dq.data()[dq.start(r) + i] = dQueries[products.start(r) + i] * scales[i];
                    }
                }
                addAcross(someQueries, seen, queries, ds, dKeys);
                addAcross(someOuts, seen, dOuts, p, dValues);
                return dSink;
            }

            /** One query: dropped weights and the gradient of its scores, 0 for masked positions; returns its sink's. */
            private float scores(
                    Rows p,
                    int r,
                    int position,
                    float delta,
                    AttentionRule rule,
                    float sink,
                    PagedAttention.Weighting dropout) {
                int from = rule.first(position);
                int seen = position + 1 - from;
                int row = p.start(r);
                int at = row + from;
                if (rule.cap() != 0) {
                    Kernels.cap(weights, at, seen, rule.cap());
                    for (int i = 0; i < seen; i++) {
                        float ratio = weights[at + i] / rule.cap();
                        slopes[i] = Math.fma(-ratio, ratio, 1f);
                    }
                }
                float sinkWeight = Kernels.softmax(weights, at, seen, sink);
                Arrays.fill(factors, 0, seen, 1f);
                dropout.apply(factors, 0, r, 0, from, seen);
                Kernels.scale(factors, 0, dScores, at, seen);
                for (int i = at; i < at + seen; i++) {
                    dScores[i] = weights[i] * (dScores[i] - delta);
                }
                if (rule.cap() != 0) {
                    Kernels.scale(slopes, 0, dScores, at, seen);
                }
                Kernels.scale(factors, 0, weights, at, seen);
                for (float[] masked : new float[][] {weights, dScores}) {
                    Arrays.fill(masked, row, at, 0f);
                    Arrays.fill(masked, at + seen, row + p.stride(), 0f);
                }
                return -sinkWeight * delta;
            }

            /** The sum of dOut · out, one chain. */
            private float delta(Rows out, Rows dOut, int row) {
                float sum = 0;
                for (int i = 0; i < headSize; i++) {
                    sum = Math.fma(dOut.data()[dOut.start(row) + i], out.data()[out.start(row) + i], sum);
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
}
