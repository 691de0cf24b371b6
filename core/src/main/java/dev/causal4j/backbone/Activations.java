package dev.causal4j.backbone;

import dev.causal4j.kernel.Rows;

/**
 * The scratch arrays of a forward, grown by need and used again by the next one. Belongs to one caller; not thread-safe.
 */
public final class Activations {
    float[] hidden = {}; // [N, D]
    float[] normed = {}; // [N, D]
    float[] queryKeyValue = {}; // [N, 3 D]
    float[] attention = {}; // [N, D]
    float[] inner = {}; // [N, inner]
    float[] scores = {}; // [chunks · heads, rows of a tile, positions]

    /**
     * The hidden vectors: a forward reads the embedded tokens from here and leaves the last hidden vectors here.
     *
     * @return [rows, D]
     */
    public Rows hidden(int rows, int hiddenSize) {
        hidden = atLeast(hidden, (long) rows * hiddenSize);
        return Rows.of(hidden, hiddenSize, rows);
    }

    void reserve(GPT2Shape shape, int rows, long scoreSize) {
        long hiddenSize = shape.hiddenSize();
        normed = atLeast(normed, rows * hiddenSize);
        queryKeyValue = atLeast(queryKeyValue, 3L * rows * hiddenSize);
        attention = atLeast(attention, rows * hiddenSize);
        inner = atLeast(inner, (long) rows * shape.innerSize());
        scores = atLeast(scores, scoreSize);
    }

    private static float[] atLeast(float[] array, long size) {
        if (size > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException(
                    "activations: expected at most 2^31 numbers, got " + size + "; use smaller chunks of tokens");
        }
        return array.length >= size ? array : new float[(int) size];
    }
}
