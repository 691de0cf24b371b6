package dev.causal4j.decoder;

/** Intermediate results of a block, read by its backward. In inference all blocks share one. */
final class Tape {
    float[] input = {}; // [N, D], the stream before the block; not of a shared one
    float[] queryKeyValue = {}; // [N, 3 D], the queries scaled
    float[] attention = {}; // [N, D]
    float[] middle = {}; // [N, D], the stream between attention and feed-forward layer
    float[] inner = {}; // [N, inner], before the activation

    final boolean keeps;

    /** @param keeps whether a backward will read it */
    Tape(boolean keeps) {
        this.keeps = keeps;
    }

    void reserve(Activations.Widths widths, int rows) {
        queryKeyValue = Activations.atLeast(queryKeyValue, rows, widths.queryKeyValue());
        attention = Activations.atLeast(attention, rows, widths.heads());
        middle = Activations.atLeast(middle, keeps ? rows : 0, widths.hidden());
        inner = Activations.atLeast(inner, rows, widths.inner());
    }
}
