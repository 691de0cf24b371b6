package dev.causal4j.decoder;

import java.util.concurrent.ConcurrentLinkedQueue;

/** The arrays of a backward, used again by every block. */
final class BackwardScratch {
    float[] dOut = {}; // [N, D], the gradient of what a half of a block adds to the residual stream
    float[] dNormed = {}; // [N, D]
    float[] dInner = {}; // [N, inner]
    float[] dAttention = {}; // [N, D]
    float[] dQueryKeyValue = {}; // [N, 3 D]
    float[] moments = {}; // [N, 2], of a layer norm
    final ConcurrentLinkedQueue<AttentionBackward> attention = new ConcurrentLinkedQueue<>();

    void reserve(GPT2Shape shape, int rows) {
        long hiddenSize = shape.hiddenSize();
        dOut = Activations.atLeast(dOut, rows * hiddenSize);
        dNormed = Activations.atLeast(dNormed, rows * hiddenSize);
        dInner = Activations.atLeast(dInner, (long) rows * shape.innerSize());
        dAttention = Activations.atLeast(dAttention, rows * hiddenSize);
        dQueryKeyValue = Activations.atLeast(dQueryKeyValue, 3L * rows * hiddenSize);
        moments = Activations.atLeast(moments, 2L * rows);
    }
}
