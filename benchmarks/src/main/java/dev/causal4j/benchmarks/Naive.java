package dev.causal4j.benchmarks;

import java.util.Arrays;

/**
 * Textbook loops on arrays, by one thread. Stateless and thread-safe. Not bit-exact: it uses {@code Math.exp} and
 * {@code Math.tanh}.
 */
final class Naive {
    /** Most rows of a naive twin; its rate does not depend on them. */
    static final int ROWS = 16;

    private Naive() {}

    /** y[r][n] = sum over k of x[r][k] · w[n][k]: the chain of {@code Matrix.multiply}, so the bits are the same. */
    static void multiply(float[][] w, float[] x, int rows, float[] y) {
        int cols = w[0].length;
        for (int r = 0; r < rows; r++) {
            for (int n = 0; n < w.length; n++) {
                float sum = 0;
                for (int k = 0; k < cols; k++) {
                    sum = Math.fma(x[r * cols + k], w[n][k], sum);
                }
                y[r * w.length + n] = sum;
            }
        }
    }

    /** Attention of one query over the first {@code positions} keys and values [positions, headSize], from {@code offset}. */
    static void attention(
            float[] query, float[][] keys, float[][] values, int positions, int offset, int headSize, float[] out) {
        float[] scores = new float[positions];
        for (int t = 0; t < positions; t++) {
            for (int i = offset; i < offset + headSize; i++) {
                scores[t] += query[i] * keys[t][i];
            }
        }
        softmax(scores);
        Arrays.fill(out, offset, offset + headSize, 0f);
        for (int t = 0; t < positions; t++) {
            for (int i = offset; i < offset + headSize; i++) {
                out[i] += scores[t] * values[t][i];
            }
        }
    }

    static void layerNorm(float[] x, float[] gain, float[] bias, float epsilon, float[] y) {
        float mean = 0;
        for (float value : x) {
            mean += value;
        }
        mean /= x.length;
        float variance = 0;
        for (float value : x) {
            variance += (value - mean) * (value - mean);
        }
        variance /= x.length;
        float deviation = (float) Math.sqrt(variance + epsilon);
        for (int i = 0; i < x.length; i++) {
            y[i] = (x[i] - mean) / deviation * gain[i] + bias[i];
        }
    }

    static void softmax(float[] x) {
        float max = Float.NEGATIVE_INFINITY;
        for (float value : x) {
            max = Math.max(max, value);
        }
        float sum = 0;
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) Math.exp(x[i] - max);
            sum += x[i];
        }
        for (int i = 0; i < x.length; i++) {
            x[i] /= sum;
        }
    }

    /** GELU in the tanh form. */
    static void gelu(float[] x) {
        for (int i = 0; i < x.length; i++) {
            float cube = x[i] * x[i] * x[i];
            x[i] = 0.5f * x[i] * (1 + (float) Math.tanh(0.7978845608f * (x[i] + 0.044715f * cube)));
        }
    }
}
