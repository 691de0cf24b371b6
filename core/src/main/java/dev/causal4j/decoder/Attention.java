package dev.causal4j.decoder;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.Dropout.Place;
import dev.causal4j.kernel.DropoutMask;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.kernel.Pages;
import dev.causal4j.kernel.Panels;
import dev.causal4j.tensor.Gradients;
import java.util.Arrays;

/** Causal self-attention. A task is one head of one sequence, its scores are the scratch of the thread that runs it. */
final class Attention {
    /** Queries of a head that share one reading of its keys; a multiple of the 6 rows of a register tile. */
    private static final int QUERY_ROWS = 24;

    /** A thread's scores, [queries, positions]. */
    static final class Scores {
        private float[] numbers = {};

        Rows rows(int count, int positions) {
            int width = Panels.needed(positions) * Panels.WIDTH;
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
    private final Compute.Scratch<AttentionBackward> scratch;

    Attention(
            int layer,
            AttentionConfig config,
            Linear queryKeyValue,
            Linear out,
            Compute.Scratch<AttentionBackward> scratch) {
        this.layer = layer;
        this.heads = config.heads();
        this.headSize = config.headSize();
        this.width = heads * headSize;
        this.scales = new float[headSize];
        Arrays.fill(scales, config.scale());
        this.queryKeyValue = queryKeyValue;
        this.out = out;
        this.scratch = scratch;
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
        step.compute().run(step.parts().size() * heads, a.scores, (scores, task) -> {
            int head = task % heads;
            Step.Part all = step.parts().get(task / heads);
            Step.Part part = wanted.parts().get(task / heads);
            store(all, head, tape.queryKeyValue);
            float[] queries = few ? a.queries : tape.queryKeyValue;
            int first = few ? part.first() : all.first() + all.count() - part.count();
            attend(part, head, queries, first, wanted, scores, tape.attention);
        });
        out.forward(tape.attention, a.normed, wanted.rows()); // [N, D]
    }

    private void store(Step.Part part, int head, float[] queryKeyValue) {
        for (int t = 0; t < part.count(); t++) {
            int key = start(part.first() + t, head, 1);
            int value = start(part.first() + t, head, 2);
            part.cache().store(layer, head, headSize, part.position() + t, queryKeyValue, key, value);
        }
    }

    /** @param first the row of the part's first query */
    private void attend(
            Step.Part part, int head, float[] queries, int first, Step step, Scores scores, float[] results) {
        Pages pages = part.cache().pages(layer, head, headSize);
        DropoutMask mask = step.mask(Place.ATTENTION, layer);
        for (int t = 0; t < part.count(); t += QUERY_ROWS) {
            int count = Math.min(QUERY_ROWS, part.count() - t);
            int row = part.first() + t;
            int position = part.position() + t;
            int query = first + t;
            for (int r = query; r < query + count; r++) {
                Kernels.scale(scales, 0, queries, start(r, head, 0), headSize);
            }
            Kernels.attention(
                    pages,
                    rowsOf(queries, query, count, head, 0),
                    position,
                    scores.rows(count, position + count),
                    new Rows(results, row * width + head * headSize, width, count),
                    (weights, offset, r, n) ->
                            mask.apply(weights, offset, n, step.weightAddress(row + r, heads, head)));
        }
    }

    /** Where the part of a head begins in a row of queries (0), keys (1) and values (2). */
    private int start(int row, int head, int part) {
        return (3 * row + part) * width + head * headSize;
    }

    private Rows rowsOf(float[] queryKeyValue, int first, int count, int head, int part) {
        return new Rows(queryKeyValue, start(first, head, part), 3 * width, count);
    }

    /** Adds the gradients, and writes {@code a.dNormed} from {@code a.dOut}; {@code a.normed} is what entered. */
    void backward(Step step, Tape tape, Activations a, Gradients gradients) {
        out.backward(tape.attention, a.dOut, a.dAttention, step.rows(), gradients);
        DropoutMask mask = step.mask(Place.ATTENTION, layer);
        step.compute().run(step.parts().size() * heads, scratch, (s, task) -> {
            int head = task % heads;
            Step.Part part = step.parts().get(task / heads);
            int first = part.first();
            int count = part.count();
            s.run(
                    part.cache().pages(layer, head, headSize),
                    rowsOf(tape.queryKeyValue, first, count, head, 0),
                    rowsOf(tape.queryKeyValue, first, count, head, 1),
                    rowsOf(tape.queryKeyValue, first, count, head, 2),
                    new Rows(tape.attention, first * width + head * headSize, width, count),
                    new Rows(a.dAttention, first * width + head * headSize, width, count),
                    (weights, offset, t, n) ->
                            mask.apply(weights, offset, n, step.weightAddress(first + t, heads, head)),
                    scales[0],
                    rowsOf(a.dQueryKeyValue, first, count, head, 0));
        });
        queryKeyValue.backward(a.normed, a.dQueryKeyValue, a.dNormed, step.rows(), gradients);
    }
}
