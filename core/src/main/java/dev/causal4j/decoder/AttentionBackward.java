package dev.causal4j.decoder;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.PanelFormat;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.RowTiles;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.Device;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The backward of {@link Attention} between its projections: the gradients of normed and rotated queries and keys, and
 * of values. Single use. Beside each step of the forward are the lines that undo it, to be read from the last step to
 * the first. s are the scores, p the weights, M the factors of dropout:
 *
 * <pre>
 *    5  q = scale q                dq = scale dq
 *    6  s = q · k                  dq = Σ ds k        dk = Σ ds q
 *    7  s = c tanh(s / c)          ds = ds (1 - (s / c)²)
 *    8  p = softmax(s, sink)       ds = p (dp - δ)  dSink = -p(sink) δ    with δ = Σ p dp = out · dOut
 *    9  m = M p                    dp = M dm
 *   10  out = Σ m v                dm = v · dOut      dv = Σ m dOut
 * </pre>
 *
 * <p>The weights are recomputed for 64 queries at a time, with the bits of the forward. Each number of dK and dV is one
 * chain over the heads of the group and their queries, each number of dQ one chain over the keys. Columns past the head
 * or the last position are multiplied, too; nothing reads the results.
 *
 * @param gradients [N, width], written: the gradients by the queries, and by the layer's own keys and values
 * @param keyGradients the same array; if keys and values are another layer's, [N, 2 G n], written
 * @param sinkGradients scratch: [parts, heads], zeros
 */
record AttentionBackward(
        Attention attention,
        Step step,
        Tape tape,
        Activations a,
        float[] gradients,
        float[] keyGradients,
        float[] sinkGradients) {
    /** Queries computed at once; results do not depend on it. */
    private static final int BLOCK = 64;

    private static final int WIDTH = Panels.WIDTH;

    /** @param dSinks [heads] added to, or null */
    void run(float @Nullable [] dSinks) {
        int longest = step.parts.stream().mapToInt(Step.Part::count).max().orElse(0);
        int tasks = step.parts.size() * attention.kvHeads;
        try (Arena arena = Device.scratch()) {
            Compute.Scratch<Head> scratch = new Compute.Scratch<>(() -> new Head(longest, arena));
            step.compute.run(tasks, scratch, (mine, task) -> {
                mine.run(task / attention.kvHeads, task % attention.kvHeads);
            });
        }
        for (int i = 0; i < sinkGradients.length && dSinks != null; i++) {
            dSinks[i % attention.heads] += sinkGradients[i];
        }
    }

    private Rows rows(float[] x, int first, int count, int offset) {
        return new Rows(x, first * attention.width + offset, attention.width, count);
    }

    /** The backward of a key head in one sequence, with its scratch. Used by one thread at a time. */
    private final class Head {
        private final int headSize = attention.headSize;
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
        private final float[] factors; // [T], dropout's factors for the weights of a query
        private final float[] slopes; // [T], slopes of the cap
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
            load(part, kvHead);
            dKeys.fill((byte) 0);
            dValues.fill((byte) 0);
            AttentionRule rule = attention.rule(kvHead, 1, 0);
            for (int i = 0; i < attention.group; i++) {
                int head = kvHead * attention.group + i;
                for (int from = 0; from < part.count(); from += BLOCK) {
                    float dSink = queries(part, kvHead, head, from, rule, rule.sink(i));
                    sinkGradients[partNumber * attention.heads + head] += dSink;
                }
            }
            int size = attention.kvHeads * headSize;
            boolean own = attention.readsOwn();
            int stride = own ? attention.width : 2 * size;
            int at = part.first() * stride + (own ? attention.queryWidth : 0) + kvHead * headSize;
            unpack(dKeys, new Rows(keyGradients, at, stride, part.count()));
            unpack(dValues, new Rows(keyGradients, at + size, stride, part.count()));
        }

        /** Reads the head's keys and values, which may be another layer's, from the cache. */
        private void load(Step.Part part, int kvHead) {
            Pages pages = part.cache().pages(attention.layer, kvHead, 1, headSize);
            Rows both = Rows.of(new float[part.count() * 2 * headSize], 2 * headSize, part.count());
            for (int t = 0; t < part.count(); t++) {
                int value = both.start(t) + headSize;
                pages.load(0, t, both.data(), both.start(t), value);
                long to = t / WIDTH * valueBytes + t % WIDTH * 4L;
                for (int i = 0; i < headSize; i++) {
                    values.set(Panels.FLOAT, to + PanelFormat.F32.bytes(i), both.data()[value + i]);
                }
            }
            pack(both, keys, partBytes);
        }

        /**
         * A block of queries of one head: computes steps 6 to 9 again, then undoes 10 to 5. Returns the gradient of the
         * sink.
         */
        private float queries(Step.Part part, int kvHead, int head, int from, AttentionRule rule, float sink) {
            int first = part.first() + from;
            int count = Math.min(BLOCK, part.count() - from);
            int seen = from + count;
            Rows q = rows(attention.prepared(tape), first, count, head * headSize); // scaled
            Rows dq = rows(gradients, first, count, head * headSize);
            Rows dOut = new Rows(a.dMixed, first * attention.queryWidth + head * headSize, attention.queryWidth, count);
            Rows out = new Rows(attention.attended(tape), dOut.offset(), attention.queryWidth, count);
            Rows m = Rows.of(weights, Panels.needed(seen) * WIDTH, count);
            Rows ds = Rows.of(dScores, m.stride(), count);
            Rows sums = Rows.of(dQueries, parts * WIDTH, count);
            Pages pages = part.cache().pages(attention.layer, kvHead, 1, headSize);
            PagedAttention.Weighting dropout = step.weighting(attention.layer, attention.heads, head, first);

            pages.scores(q, 0, seen, m); // 6: s = q · k    [64, T], where m will be
            Panels v = new Panels(values, 0, valueBytes, Panels.needed(seen), headSize);
            Kernels.multiply(v, dOut, ds); // 10: dm = v · dOut    [64, T], where ds will be
            float dSink = 0;
            for (int r = 0; r < count; r++) { // 7, 8, 9: m    9, 8, 7: ds
                dSink += scores(m, r, from + r, delta(out, dOut, r), rule, sink, dropout);
            }
            addAcross(dOut, seen, dOuts, m, dValues); // 10: dv = Σ m dOut    [T, n]
            addAcross(q, seen, queries, ds, dKeys); // 6: dk = Σ ds q    [T, n]
            Kernels.multiply(new Panels(keys, 0, partBytes, parts, seen), ds, sums); // 6: dq = Σ ds k    [64, n]
            for (int r = 0; r < count; r++) {
                for (int i = 0; i < headSize; i++) { // 5: dq = scale dq
                    dq.data()[dq.start(r) + i] = dQueries[sums.start(r) + i] * attention.scales[i];
                }
            }
            return dSink;
        }

        /** One query: its scores become m, its dm becomes ds, 0 for masked positions. Returns the sink's gradient. */
        private float scores(
                Rows m,
                int r,
                int position,
                float delta,
                AttentionRule rule,
                float sink,
                PagedAttention.Weighting dropout) {
            int from = rule.first(position);
            int seen = position + 1 - from;
            int row = m.start(r);
            int at = row + from;
            if (rule.cap() != 0) {
                Kernels.cap(weights, at, seen, rule.cap()); // 7: s = c tanh(s / c)
                for (int i = 0; i < seen; i++) { // its slope 1 - (s / c)²
                    float ratio = weights[at + i] / rule.cap();
                    slopes[i] = Math.fma(-ratio, ratio, 1f);
                }
            }
            float sinkWeight = Kernels.softmax(weights, at, seen, sink); // 8: p = softmax(s, sink)
            Arrays.fill(factors, 0, seen, 1f);
            dropout.apply(factors, 0, r, 0, from, seen); // 9: M; m = M p follows, as 8 reads p

            Kernels.scale(factors, 0, dScores, at, seen); // 9: dp = M dm
            for (int i = at; i < at + seen; i++) {
                dScores[i] = weights[i] * (dScores[i] - delta); // 8: ds = p (dp - δ)
            }
            if (rule.cap() != 0) {
                Kernels.scale(slopes, 0, dScores, at, seen); // 7: ds = ds (1 - (s / c)²)
            }

            Kernels.scale(factors, 0, weights, at, seen); // 9: m = M p
            for (float[] masked : new float[][] {weights, dScores}) {
                Arrays.fill(masked, row, at, 0f);
                Arrays.fill(masked, at + seen, row + m.stride(), 0f);
            }
            return -sinkWeight * delta; // 8: dSink = -p(sink) δ
        }

        /** 8: δ = Σ p dp, which is out · dOut; one chain. */
        private float delta(Rows out, Rows dOut, int row) {
            float sum = 0;
            for (int i = 0; i < headSize; i++) {
                sum = Math.fma(dOut.data()[dOut.start(row) + i], out.data()[out.start(row) + i], sum);
            }
            return sum;
        }

        /** sums[s] += numbers[r][s] · x[r] for all seen positions s, in the order of r. */
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
