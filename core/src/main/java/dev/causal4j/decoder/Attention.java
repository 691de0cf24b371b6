package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.Values;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.Gradients;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Self-attention. A task is a {@link Tile} of queries; its scores are the scratch of the thread that runs it.
 * All threads share a tile of one token after a long context.
 *
 * <p>Comments of forward and backward number the steps. {@link PagedAttention} has steps 6 to 10, {@link
 * AttentionBackward} undoes 10 to 5.
 *
 * <pre>
 *    1  q k v g = x Wᵀ, g the gates of out
 *    2  v = k, if values are keys
 *    3  q = norm(q)       k = norm(k)       v = norm(v)
 *    4  q = rope(q)       k = rope(k)
 *    5  q = scale q, and by the factor of a position
 *    6  s = q · k         of each key that the query sees
 *    7  s = c tanh(s / c)
 *    8  p = softmax(s, sink)
 *    9  m = dropout(p)
 *   10  out = Σ m v
 *   11  out = sigmoid(g) ∘ out
 *   12  y = out Woᵀ
 * </pre>
 */
final class Attention implements Mixer {
    /** Queries of a tile: enough that reading keys no longer matters. */
    private static final int QUERY_ROWS = 24;

    /** Tiles for each thread, to even out a slow core. */
    private static final int TILES_PER_THREAD = 2;

    /** Context from which one token's attention is shared by all threads. */
    private static final int LONG = 16 * PagePool.POSITIONS;

    /** Pages of a task when threads share a tile: their keys are 0.1 MB and more. */
    private static final int PAGES = 4;

    /** The parameters besides the projections; null where the layer has none. */
    record Extras(
            @Nullable Rope rope,
            @Nullable Norm queryNorm,
            @Nullable Norm keyNorm,
            @Nullable Norm valueNorm,
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
     * @param query the number of the first query in the part
     * @param row the first query's number among all rows
     */
    private record Tile(Step.Part part, int query, int row, int count, int kvHead, int kvHeads) {
        int position() {
            return part.position() + query;
        }
    }

    final int layer;
    final int heads;
    final int kvHeads;
    final int group;
    final int headSize;
    final int queryWidth; // numbers of all query heads in a row
    final int keyWidth; // numbers of the layer's own keys in a row
    final int width; // numbers of a row: queries, keys, values, and gates if there are any
    final float[] scales; // [headSize], all the same: short plain loops use no vectors
    private final AttentionConfig config;
    private final Extras extras;
    private final Linear queryKeyValue; // [width, D]; without values if these are the keys
    private final Linear out; // [D, queryWidth]

    Attention(int layer, AttentionConfig config, Linear queryKeyValue, Linear out, Extras extras) {
        this.layer = layer;
        this.config = config;
        this.heads = config.heads();
        this.kvHeads = config.kvHeads();
        this.group = heads / kvHeads;
        this.headSize = config.headSize();
        this.queryWidth = heads * headSize;
        this.keyWidth = readsOwn() ? kvHeads * headSize : 0;
        this.width = queryWidth + 2 * keyWidth + (config.gated() ? queryWidth : 0);
        this.scales = new float[headSize];
        Arrays.fill(scales, config.scale());
        this.queryKeyValue = queryKeyValue;
        this.out = out;
        this.extras = extras;
    }

    /** Whether keys and values are the layer's own. */
    boolean readsOwn() {
        return config.keysOf() == AttentionConfig.OWN;
    }

    /**
     * The rule of some key heads' queries, with their sinks.
     *
     * @param length of the sequence, which matters if tokens see those after them
     */
    AttentionRule rule(int kvHead, int count, int length) {
        float[] sinks = extras.sinks;
        float[] own = sinks == null ? null : Arrays.copyOfRange(sinks, kvHead * group, (kvHead + count) * group);
        int seen = config.bidirectional() ? length : 0;
        return new AttentionRule(group, config.window(), seen, config.softCap(), own);
    }

    @Override
    public void forward(Step step, Step wanted, Tape tape, Activations a) {
        tape.projected = Activations.atLeast(tape.projected, step.rows(), width);
        tape.mixed = Activations.atLeast(tape.mixed, wanted.rows(), queryWidth);
        project(step, tape.projected, a); // 1, 2: q k v g    [N, width]
        float[] prepared = toPrepare(step, tape);
        int parts = config.queryKeyNorm() == QueryKeyNorm.ALL ? 1 : kvHeads; // ALL normalizes whole rows
        // 3, 4, 5: q k v    [N, width]
        step.compute.each(step.rows() * parts, i -> prepare(prepared, step, i / parts, i % parts, kvHeads / parts));
        attend(step, wanted, prepared, tape.mixed, a); // 6 to 10: out    [N, queryWidth]
        if (config.gated()) {
            gate(wanted, tape); // 11: out = sigmoid(g) ∘ out    [N, queryWidth]
        }
        out.forward(tape.mixed, a.normed, wanted.rows()); // 12: y = out Woᵀ    [N, D]
    }

    @Override
    public void backward(Step step, Tape tape, Activations a, Gradients gradients) {
        a.dMixed = Activations.atLeast(a.dMixed, step.rows(), queryWidth);
        a.dProjected = Activations.atLeast(a.dProjected, step.rows(), width);
        a.dPrepared = Activations.atLeast(a.dPrepared, extras.queryNorm == null ? 0 : step.rows(), width);
        out.backward(tape.mixed, a.dOut, a.dMixed, step.rows(), gradients); // 12: dOut = dy Wo    dWo += dyᵀ out
        if (config.gated()) {
            gateBackward(step, tape, a); // 11: dg, dOut
        }
        float[] dPrepared = extras.queryNorm == null ? a.dProjected : a.dPrepared;
        float[] dSinks = extras.sinks == null ? null : gradients.of(extras.sinks);
        float[] dKeys = readsOwn() ? dPrepared : new float[step.rows() * 2 * kvHeads * headSize];
        // 10 to 5: dq dk dv
        new AttentionBackward(this, step, tape, a, dPrepared, dKeys, new float[step.parts.size() * heads]).run(dSinks);
        if (readsOwn()) {
            addReaders(step, dPrepared, a); // 10, 6: dv, dk of their readers
        } else {
            a.addKeys(config.keysOf(), dKeys);
        }
        Rope rope = extras.rope;
        if (rope != null) {
            step.compute.each(step.rows(), row -> {
                Rope.Table table = rope.table(step.cache(row).capacity());
                scaleByPosition(dPrepared, row * width, queryWidth, step, row); // 5: dq = factor dq
                for (int head = 0; head < (queryWidth + keyWidth) / headSize; head++) { // 4: dq dk = turned back
                    table.backward(dPrepared, row * width + head * headSize, step.position(row));
                }
            });
        }
        if (extras.queryNorm != null) {
            normsBackward(step, tape, a, gradients); // 3: dq dk dv, dGains
        }
        if (config.values() == Values.KEYS) {
            step.compute.each(
                    step.rows(),
                    row -> { // 2: dk += dv
                        int keys = row * width + queryWidth;
                        Kernels.add(a.dProjected, keys + keyWidth, a.dProjected, keys, keyWidth);
                    });
        }
        int d = queryKeyValue.weight().cols();
        // 1: dx = d(q k v g) W    dW += d(q k v g)ᵀ x
        queryKeyValue.backward(
                rows(a.normed, d, step), rows(a.dProjected, width, step), rows(a.dNormed, d, step), gradients);
    }

    /** 11: multiplies the heads' results by the sigmoids of their gates, which follow the values in a row. */
    private void gate(Step wanted, Tape tape) {
        if (tape.keeps) {
            tape.attended = Activations.copied(tape.mixed, tape.attended, wanted.rows(), queryWidth);
        }
        wanted.compute.each(wanted.rows(), row -> {
            int gates = (wanted.source(row) + 1) * width - queryWidth;
            Kernels.sigmoid(tape.projected, gates, queryWidth);
            Kernels.scale(tape.projected, gates, tape.mixed, row * queryWidth, queryWidth);
        });
    }

    /** 11: with s = sigmoid(g) and out after the gate, dg = dOut ∘ out ∘ (1 - s), then dOut = s ∘ dOut. */
    private void gateBackward(Step step, Tape tape, Activations a) {
        step.compute.each(step.rows(), row -> {
            int gates = (row + 1) * width - queryWidth;
            int at = row * queryWidth;
            for (int i = 0; i < queryWidth; i++) {
                float s = tape.projected[gates + i];
                a.dProjected[gates + i] = a.dMixed[at + i] * tape.mixed[at + i] * (1 - s); // dg
                a.dMixed[at + i] *= s; // dOut
            }
        });
    }

    /** The outputs of the heads before their gates, [N, queryWidth], of a tape that keeps. */
    float[] attended(Tape tape) {
        return config.gated() ? tape.attended : tape.mixed;
    }

    /** The normed, rotated and scaled queries, keys and values of a tape that keeps. */
    float[] prepared(Tape tape) { // [N, width]
        return extras.queryNorm == null ? tape.projected : tape.prepared;
    }

    private void project(Step step, float[] x, Activations a) {
        // 1: q k v g = x Wᵀ
        queryKeyValue.forward(rows(a.normed, queryKeyValue.weight().cols(), step), rows(x, width, step));
        for (int row = 0; config.values() == Values.KEYS && row < step.rows(); row++) {
            int keys = row * width + queryWidth;
            System.arraycopy(x, keys, x, keys + keyWidth, keyWidth); // 2: v = k
        }
    }

    private static Rows rows(float[] x, int stride, Step step) {
        return Rows.of(x, stride, step.rows());
    }

    /** The projections to be normed and rotated: a copy if the backward of a norm reads the unnormed ones. */
    private float[] toPrepare(Step step, Tape tape) {
        if (!tape.keeps || extras.queryNorm == null) {
            return tape.projected;
        }
        tape.prepared = Activations.copied(tape.projected, tape.prepared, step.rows(), width);
        return tape.prepared;
    }

    /** Norms and rotates some heads of a row. */
    private void turn(float[] x, int at, int count, @Nullable Norm norm, Step step, int row) {
        if (norm != null) {
            norm.forward(x, at, count * headSize); // 3
        }
        if (extras.rope != null) {
            Rope.Table table = extras.rope.table(step.cache(row).capacity());
            for (int head = 0; head < count; head++) {
                table.forward(x, at + head * headSize, step.position(row)); // 4
            }
        }
    }

    /** Multiplies some queries of a row, or their gradients, by the factor of the row's position. */
    private void scaleByPosition(float[] x, int from, int n, Step step, int row) {
        float factor = extras.rope == null ? 1 : extras.rope.queryFactor(step.position(row));
        for (int i = from; factor != 1 && i < from + n; i++) {
            x[i] *= factor;
        }
    }

    /**
     * Norms, rotates and scales the queries of some key heads of a row, and stores their keys and values in its cache.
     */
    private void prepare(float[] x, Step step, int row, int part, int count) {
        int queries = row * width + part * count * group * headSize;
        int n = count * group * headSize;
        turn(x, queries, count * group, extras.queryNorm, step, row);
        scaleByPosition(x, queries, n, step, row);
        for (int i = queries; i < queries + n; i += headSize) {
            Kernels.scale(scales, 0, x, i, headSize);
        }
        if (!readsOwn()) {
            return;
        }
        int keys = row * width + queryWidth + part * count * headSize;
        turn(x, keys, count, extras.keyNorm, step, row); // 3, 4
        if (extras.valueNorm != null) {
            extras.valueNorm.forward(x, keys + keyWidth, count * headSize); // 3
        }
        Pages pages = step.cache(row).pages(layer, part * count, count, headSize);
        for (int head = 0; head < count; head++) {
            int key = keys + head * headSize;
            pages.store(head, step.position(row), x, key, key + keyWidth);
        }
    }

    /** 3: the gradients by the numbers before their norms, and by the norms' gains. */
    private void normsBackward(Step step, Tape tape, Activations a, Gradients gradients) {
        for (int row = 0; row < step.rows(); row++) {
            int values = row * width + queryWidth + keyWidth;
            int passed = extras.valueNorm == null ? keyWidth : 0; // numbers without a norm
            Arrays.fill(a.dProjected, row * width, values + keyWidth, 0f);
            System.arraycopy(a.dPrepared, values, a.dProjected, values, passed);
        }
        backward(extras.queryNorm, 0, queryWidth, step, tape, a, gradients);
        backward(extras.keyNorm, queryWidth, keyWidth, step, tape, a, gradients);
        backward(extras.valueNorm, queryWidth + keyWidth, keyWidth, step, tape, a, gradients);
    }

    private void backward(
            @Nullable Norm norm, int offset, int size, Step step, Tape tape, Activations a, Gradients gradients) {
        if (norm != null) {
            Norm.Heads heads = new Norm.Heads(width, offset, size / norm.gain().length);
            norm.backward(step, heads, tape.projected, a.dPrepared, a.dProjected, a, gradients);
        }
    }

    private void attend(Step step, Step wanted, float[] prepared, float[] results, Activations a) {
        int most = Math.max(1, QUERY_ROWS / group);
        int enough = TILES_PER_THREAD * step.compute.threads();
        List<Tile> tiles = new ArrayList<>();
        for (int i = 0; i < wanted.parts.size(); i++) {
            Step.Part part = wanted.parts.get(i);
            int row = step.parts.get(i).first() + step.parts.get(i).count() - part.count();
            int seen = part.position() - rule(0, kvHeads, 0).first(part.position());
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

    /**
     * The attention of a tile by all threads, which divide the pages of scores, the rows of weights and the columns of
     * values.
     */
    private void together(Tile tile, Step wanted, float[] prepared, float[] results, Activations a) {
        Scores scores = a.scores.take();
        PagedAttention attention = attention(tile, wanted, prepared, scores);
        int tasks = Math.ceilDiv(attention.count(), PAGES);
        wanted.compute.run(tasks, i -> attention.scores(i * PAGES, Math.min((i + 1) * PAGES, attention.count())));
        wanted.compute.run(heads, attention::weights);
        int parts = attention.parts();
        // runs of neighbouring columns: memory is read in long runs
        int runs = Math.min(parts, wanted.compute.threads());
        wanted.compute.run(runs, i -> attention.means(i * parts / runs, (i + 1) * parts / runs));
        take(tile, scores, results);
        a.scores.give(scores);
    }

    /** Gathers the queries of a tile for its attention. */
    private PagedAttention attention(Tile tile, Step wanted, float[] prepared, Scores scores) {
        int rows = tile.kvHeads * tile.count * group;
        AttentionRule rule = rule(tile.kvHead, tile.kvHeads, tile.part.position() + tile.part.count());
        int positions = rule.end(tile.position() + tile.count - 1) - rule.base(tile.position());
        int stride = Panels.needed(positions) * Panels.WIDTH;
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

    /** Copies a tile's results to their rows. */
    private void take(Tile tile, Scores scores, float[] results) {
        int size = group * headSize;
        for (int i = 0; i < tile.kvHeads * tile.count; i++) {
            int row = tile.part.first() + tile.query + i % tile.count;
            int to = row * queryWidth + (tile.kvHead + i / tile.count) * size;
            System.arraycopy(scores.results, i * size, results, to, size);
        }
    }

    /** Adds the gradients of these keys and values from other layers that read them. */
    private void addReaders(Step step, float[] dPrepared, Activations a) {
        float[] sums = a.takeKeys(layer);
        for (int row = 0; sums != null && row < step.rows(); row++) {
            Kernels.add(sums, row * 2 * keyWidth, dPrepared, row * width + queryWidth, 2 * keyWidth);
        }
    }
}
