package dev.causal4j.decoder;

/** What a block computes and its backward needs, but for what costs little to compute again. */
final class BlockActivations {
    float[] queryKeyValue = {}; // [N, 3 D], the queries scaled
    float[] attention = {}; // [N, D]
    float[] middle = {}; // [N, D], the residual stream between attention and feed-forward layer
    float[] inner = {}; // [N, inner], before GELU

    void reserve(GPT2Shape shape, int rows, boolean keepsMiddle) {
        long hiddenSize = shape.hiddenSize();
        queryKeyValue = Activations.atLeast(queryKeyValue, 3L * rows * hiddenSize);
        attention = Activations.atLeast(attention, rows * hiddenSize);
        middle = Activations.atLeast(middle, keepsMiddle ? rows * hiddenSize : 0);
        inner = Activations.atLeast(inner, (long) rows * shape.innerSize());
    }
}
