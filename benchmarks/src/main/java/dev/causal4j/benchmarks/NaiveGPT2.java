package dev.causal4j.benchmarks;

import java.util.Arrays;

/**
 * GPT-2 from the {@link Naive} loops: one token at a time, weights as arrays of rows, no biases. Holds keys and values of
 * one sequence; not thread-safe.
 */
final class NaiveGPT2 {
    private final GPT2Shape shape;
    private final RandomGPT2.Weights<float[][]> weights;
    private final float[] gain; // of every norm
    private final float[] zeros; // the biases
    private final float[][][] keys; // [L, T, D]
    private final float[][][] values;
    private int length;

    NaiveGPT2(GPT2Shape shape, RandomGPT2.Weights<float[][]> weights) {
        this.shape = shape;
        this.weights = weights;
        this.gain = new float[shape.hiddenSize()];
        Arrays.fill(gain, 1f);
        this.zeros = new float[shape.hiddenSize()];
        this.keys = new float[shape.layers()][shape.contextLength()][shape.hiddenSize()];
        this.values = new float[shape.layers()][shape.contextLength()][shape.hiddenSize()];
    }

    int length() {
        return length;
    }

    /** Clears the cache. */
    void clear() {
        length = 0;
    }

    /** The hidden vector [D] of the next token. */
    float[] forward(int token) {
        int d = shape.hiddenSize();
        float[] hidden = weights.embedding()[token].clone();
        add(weights.positions()[length], hidden);
        float[] normed = new float[d];
        float[] queryKeyValue = new float[3 * d];
        float[] inner = new float[shape.innerSize()];
        for (int layer = 0; layer < shape.layers(); layer++) {
            RandomGPT2.Block<float[][]> block = weights.blocks().get(layer);
            norm(hidden, normed);
            Naive.multiply(block.queryKeyValue(), normed, 1, queryKeyValue);
            System.arraycopy(queryKeyValue, d, keys[layer][length], 0, d);
            System.arraycopy(queryKeyValue, 2 * d, values[layer][length], 0, d);
            float[] attention = attention(layer, queryKeyValue);
            Naive.multiply(block.attentionOut(), attention, 1, normed);
            add(normed, hidden);
            norm(hidden, normed);
            Naive.multiply(block.up(), normed, 1, inner);
            Naive.gelu(inner);
            Naive.multiply(block.down(), inner, 1, normed);
            add(normed, hidden);
        }
        norm(hidden, normed);
        length++;
        return normed;
    }

    /** Logits [V] of a hidden vector. */
    float[] logits(float[] hidden) {
        float[] logits = new float[weights.embedding().length];
        Naive.multiply(weights.embedding(), hidden, 1, logits);
        return logits;
    }

    private float[] attention(int layer, float[] query) {
        int headSize = shape.headSize();
        float[] out = new float[shape.hiddenSize()];
        for (int i = 0; i < out.length; i++) {
            query[i] /= (float) Math.sqrt(headSize);
        }
        for (int head = 0; head < shape.heads(); head++) {
            Naive.attention(query, keys[layer], values[layer], length + 1, head * headSize, headSize, out);
        }
        return out;
    }

    private void norm(float[] x, float[] y) {
        Naive.layerNorm(x, gain, zeros, shape.layerNormEpsilon(), y);
    }

    private static void add(float[] x, float[] sum) {
        for (int i = 0; i < sum.length; i++) {
            sum[i] += x[i];
        }
    }
}
