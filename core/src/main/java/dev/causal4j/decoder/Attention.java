package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.kernel.AttentionRule;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.kernel.PagedAttention;
import dev.causal4j.kernel.Pages;
import dev.causal4j.kernel.Panels;
import dev.causal4j.tensor.Gradients;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Causal self-attention. A task is one key head of one sequence with the group of query heads that share it; its scores
 * are the scratch of the thread that runs it.
 */
final class Attention {
    /** Queries that share one reading of their keys; a multiple of the 4 or 6 rows of a register tile. */
    private static final int QUERY_ROWS = 24;

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
        private float[] results = {}; // the same

        Rows rows(int count, int positions) {
            int width = Panels.needed(positions) * Panels.WIDTH;
            numbers = Activations.atLeast(numbers, count, width);
            return Rows.of(numbers, width, count);
        }
    }

    final int layer;
    final int heads;
    final int kvHeads;
    final int group;
    final int headSize;
    final int queryWidth; // of all query heads
    final int keyWidth; // of all key heads
    final int width; // of a row of queries, keys and values
    final float[] scales; // [headSize], all the same: short plain loops use no vectors
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

    /** What the queries of a key head see. */
    AttentionRule rule(int kvHead) {
        float[] sinks = extras.sinks;
        float[] own = sinks == null ? null : Arrays.copyOfRange(sinks, kvHead * group, (kvHead + 1) * group);
        return new AttentionRule(group, config.window(), config.softCap(), own);
    }

    /** Reads {@code a.normed} of all rows and leaves there what attention gives the wanted ones. */
    void forward(Step step, Step wanted, Tape tape, Activations a) {
        boolean few =
                3L * wanted.rows() <= step.rows(); // then queries of the others cost more than the wanted keys again
        tape.queryKeyValue = Activations.atLeast(tape.queryKeyValue, step.rows(), width);
        tape.attention = Activations.atLeast(tape.attention, wanted.rows(), queryWidth);
        if (few) {
            a.queries = Activations.atLeast(a.queries, wanted.rows(), width);
            queryKeyValue.forwardFrom(queryWidth, a.normed, tape.queryKeyValue, step.rows());
            wanted.choose(a.normed, queryKeyValue.weight().cols());
            queryKeyValue.forward(a.normed, a.queries, wanted.rows());
            prepare(wanted, a.queries, true, false);
        } else {
            queryKeyValue.forward(a.normed, tape.queryKeyValue, step.rows()); // [N, width]
        }
        float[] prepared = prepare(step, tape, !few);
        step.compute.run(step.parts.size() * kvHeads, a.scores, (scores, task) -> {
            int kvHead = task % kvHeads;
            Step.Part all = step.parts.get(task / kvHeads);
            Step.Part part = wanted.parts.get(task / kvHeads);
            for (int t = 0; t < all.count(); t++) {
                int key = (all.first() + t) * width + queryWidth + kvHead * headSize;
                all.cache().store(layer, kvHead, headSize, all.position() + t, prepared, key, key + keyWidth);
            }
            float[] queries = few ? a.queries : prepared;
            int first = few ? part.first() : all.first() + all.count() - part.count();
            attend(part, kvHead, queries, first, wanted, scores, tape.attention);
        });
        out.forward(tape.attention, a.normed, wanted.rows()); // [N, D]
    }

    /** Norms, rotates and scales queries and keys; the tape keeps what the projection gave if a norm needs it. */
    float[] prepare(Step step, Tape tape, boolean queries) {
        float[] prepared = tape.queryKeyValue;
        if (tape.keeps && extras.queryNorm != null) {
            tape.prepared = Activations.atLeast(tape.prepared, step.rows(), width);
            System.arraycopy(tape.queryKeyValue, 0, tape.prepared, 0, step.rows() * width);
            prepared = tape.prepared;
        }
        prepare(step, prepared, queries, true);
        return prepared;
    }

    private void prepare(Step step, float[] x, boolean queries, boolean keys) {
        step.compute.each(step.rows(), row -> {
            int at = row * width;
            if (queries) {
                turn(x, at, heads, extras.queryNorm, step, row);
                for (int head = 0; head < heads; head++) {
                    Kernels.scale(scales, 0, x, at + head * headSize, headSize);
                }
            }
            if (keys) {
                turn(x, at + queryWidth, kvHeads, extras.keyNorm, step, row);
            }
        });
    }

    private void turn(float[] x, int at, int count, @Nullable Norm norm, Step step, int row) {
        if (norm != null) {
            norm.forward(x, at, count * headSize);
        }
        if (extras.rope != null) {
            Rope.Table table = extras.rope.table(step.capacity(row));
            for (int head = 0; head < count; head++) {
                table.forward(x, at + head * headSize, step.position(row));
            }
        }
    }

    /** @param first row of the part's first query */
    private void attend(
            Step.Part part, int kvHead, float[] queries, int first, Step step, Scores scores, float[] results) {
        Pages pages = part.cache().pages(layer, kvHead, headSize);
        AttentionRule rule = rule(kvHead);
        int most = Math.max(1, QUERY_ROWS / group);
        scores.queries = Activations.atLeast(scores.queries, most * group, headSize);
        scores.results = Activations.atLeast(scores.results, most * group, headSize);
        for (int t = 0; t < part.count(); t += most) {
            int count = Math.min(most, part.count() - t);
            int position = part.position() + t;
            int row = part.first() + t;
            int head = kvHead * group * headSize;
            for (int i = 0; i < count; i++) {
                int from = (first + t + i) * width + head;
                System.arraycopy(queries, from, scores.queries, i * group * headSize, group * headSize);
            }
            PagedAttention.attend(
                    pages,
                    Rows.of(scores.queries, headSize, count * group),
                    position,
                    rule,
                    scores.rows(count * group, position + count - rule.base(position)),
                    Rows.of(scores.results, headSize, count * group),
                    step.weighting(layer, heads, kvHead * group, group, row));
            for (int i = 0; i < count; i++) {
                int to = (row + i) * queryWidth + head;
                System.arraycopy(scores.results, i * group * headSize, results, to, group * headSize);
            }
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
        new AttentionBackward(this, step, tape, a, dPrepared).run(dSinks);
        Rope rope = extras.rope;
        if (rope != null) {
            step.compute.each(step.rows(), row -> {
                Rope.Table table = rope.table(step.capacity(row));
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
}
