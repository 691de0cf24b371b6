package dev.causal4j.decoder;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.DropoutMask;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.Gradients;
import java.util.Arrays;

/**
 * The mirror of {@link GPT2Backbone#forward}: the same lines from the last to the first, each with its gradient. One use by
 * one caller; not thread-safe, though its parts run on {@link Compute}.
 */
final class GPT2Backward {
    private final GPT2Backbone backbone;
    private final GPT2Shape shape;
    private final Batch batch;
    private final int rows;
    private final int d;
    private final Activations a;
    private final BackwardScratch s;
    private final Gradients gradients;

    GPT2Backward(GPT2Backbone backbone, Batch batch, Activations activations, Gradients gradients) {
        this.backbone = backbone;
        this.shape = backbone.shape();
        this.batch = batch;
        this.rows = batch.rows();
        this.d = shape.hiddenSize();
        this.a = activations;
        this.s = activations.backward();
        this.gradients = gradients;
    }

    void run(Rows dHidden, boolean embedding) {
        if (dHidden.count() != rows || dHidden.offset() != 0 || dHidden.stride() != d) {
            throw new IllegalArgumentException("dHidden: expected [" + rows + ", " + d + "] without gaps, got "
                    + dHidden.count() + " rows of " + dHidden.stride());
        }
        for (Batch.Chunk chunk : batch.chunks()) {
            if (chunk.cache().length() != chunk.tokens().length) {
                throw new IllegalArgumentException("backward: expected sequences that begin in the batch, got one of "
                        + chunk.cache().length() + " tokens of which " + chunk.tokens().length + " are in it");
            }
        }
        int lowest = backbone.lowestTrained(embedding, gradients);
        boolean nothing = lowest == shape.layers() && !backbone.lastNorm().trained(gradients);
        if (!nothing && !a.keeps(lowest)) {
            throw new IllegalArgumentException("activations: expected layers from " + lowest
                    + " on to be kept, got fewer; keep from a lower layer");
        }
        for (Batch.Chunk chunk : batch.chunks()) {
            chunk.cache().truncate(0); // as before the forward, which a block may have to repeat
        }
        float[] dStream = dHidden.data(); // [N, D], the gradient by the residual stream
        s.reserve(shape, rows);
        System.arraycopy(dStream, 0, s.dOut, 0, rows * d);
        Arrays.fill(dStream, 0, rows * d, 0f);
        if (nothing) {
            return;
        }
        float[] last = a.input(shape.layers());
        backbone.lastNorm().backward(shape.layerNormEpsilon(), last, s.dOut, dStream, rows, s.moments, gradients);
        for (int layer = shape.layers() - 1; layer >= lowest; layer--) {
            if (a.recomputes()) {
                backbone.forwardToInner(layer, batch, rows, a);
            }
            feedForward(layer, dStream);
            attention(layer, dStream);
        }
        if (embedding || gradients.of(backbone.positions()) != null) {
            positions(dStream);
        }
    }

    private void feedForward(int layer, float[] dStream) {
        GPT2Block block = backbone.blocks().get(layer);
        BlockActivations b = a.block(layer);
        float epsilon = shape.layerNormEpsilon();
        int inner = shape.innerSize();

        dropped(a.dropout.ofFeedForward(layer), dStream); // [N, D]
        backbone.activate(layer, rows, a);
        block.down().backward(a.activated(layer), s.dOut, s.dInner, rows, gradients); // [N, inner]
        Compute.shared().each(rows, r -> Kernels.geluBackward(b.inner, s.dInner, r * inner, inner));
        Compute.shared().each(rows, r -> block.norm2().forward(epsilon, b.middle, a.normed, r * d));
        block.up().backward(a.normed, s.dInner, s.dNormed, rows, gradients);
        block.norm2().backward(epsilon, b.middle, s.dNormed, dStream, rows, s.moments, gradients);
    }

    private void attention(int layer, float[] dStream) {
        GPT2Block block = backbone.blocks().get(layer);
        BlockActivations b = a.block(layer);
        float[] input = a.input(layer);
        float epsilon = shape.layerNormEpsilon();

        dropped(a.dropout.ofAttentionOut(layer), dStream); // [N, D]
        block.attentionOut().backward(b.attention, s.dOut, s.dAttention, rows, gradients);
        heads(layer, b); // [N, 3 D]
        Compute.shared().each(rows, r -> block.norm1().forward(epsilon, input, a.normed, r * d));
        block.queryKeyValue().backward(a.normed, s.dQueryKeyValue, s.dNormed, rows, gradients);
        block.norm1().backward(epsilon, input, s.dNormed, dStream, rows, s.moments, gradients);
    }

    /** dOut = the gradient by what a half of a block adds, before its dropout. */
    private void dropped(DropoutMask mask, float[] dStream) {
        Compute.shared().each(rows, r -> {
            System.arraycopy(dStream, r * d, s.dOut, r * d, d);
            mask.apply(s.dOut, r * d, d, a.addresses[r] * d);
        });
    }

    /** One task for each head of each sequence. */
    private void heads(int layer, BlockActivations b) {
        int heads = shape.heads();
        int[] firstRows = batch.firstRows();
        DropoutMask mask = a.dropout.ofAttention(layer);
        Compute.shared().run(firstRows.length * heads, task -> {
            int c = task / heads;
            int head = task % heads;
            Batch.Chunk chunk = batch.chunks().get(c);
            int length = chunk.tokens().length;
            AttentionBackward free = s.attention.poll();
            AttentionBackward scratch = free == null ? new AttentionBackward(shape) : free;
            int start = firstRows[c];
            scratch.run(
                    chunk.cache().keys(layer, head, length),
                    rowsOf(b.queryKeyValue, 3 * d, start, length, head, 0),
                    rowsOf(b.queryKeyValue, 3 * d, start, length, head, 1),
                    rowsOf(b.queryKeyValue, 3 * d, start, length, head, 2),
                    rowsOf(b.attention, d, start, length, head, 0),
                    rowsOf(s.dAttention, d, start, length, head, 0),
                    (weights, offset, t, n) ->
                            mask.apply(weights, offset, n, backbone.weightAddress(a, start + t, head)),
                    shape.queryScale(layer),
                    rowsOf(s.dQueryKeyValue, 3 * d, start, length, head, 0));
            s.attention.add(scratch);
        });
    }

    /** The part of a head: {@code part} 0 to 2 are queries, keys and values. */
    private Rows rowsOf(float[] data, int stride, int firstRow, int count, int head, int part) {
        return new Rows(data, firstRow * stride + part * d + head * shape.headSize(), stride, count);
    }

    /** dStream becomes the gradient by the embedded tokens; the positions get theirs. */
    private void positions(float[] dStream) {
        DropoutMask mask = a.dropout.ofEmbedding();
        Compute.shared().each(rows, r -> mask.apply(dStream, r * d, d, a.addresses[r] * d));
        Gradient dPositions = gradients.of(backbone.positions());
        if (dPositions == null) {
            return;
        }
        int[] numbers = new int[rows];
        Arrays.setAll(numbers, row -> backbone.position(a, row));
        dPositions.addRows(numbers, Rows.of(dStream, d, rows));
    }
}
