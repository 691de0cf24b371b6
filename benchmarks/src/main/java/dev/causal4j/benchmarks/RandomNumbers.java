package dev.causal4j.benchmarks;

import dev.causal4j.kernel.CounterRandom;
import dev.causal4j.tensor.Matrix;

/** Numbers from -1 to 1 by address, so that a benchmark and its naive twin get the same. Thread-safe: stateless. */
final class RandomNumbers {
    private static final long SEED = 1;

    private RandomNumbers() {}

    private static float number(long position, int stream) {
        return (float) (2 * CounterRandom.uniform(SEED, position, stream) - 1);
    }

    /** The first n numbers of a stream. */
    static float[] array(int n, int stream) {
        float[] numbers = new float[n];
        for (int i = 0; i < n; i++) {
            numbers[i] = number(i, stream);
        }
        return numbers;
    }

    /** Rows of a stream, times a factor. */
    static Matrix.Source rows(int cols, int stream, float factor) {
        return (row, target) -> {
            for (int k = 0; k < cols; k++) {
                target[k] = factor * number((long) row * cols + k, stream);
            }
        };
    }

    /** A matrix as an array of rows, for the naive twins. */
    static float[][] rowMajor(int rows, int cols, Matrix.Source source) {
        float[][] w = new float[rows][cols];
        for (int n = 0; n < rows; n++) {
            source.row(n, w[n]);
        }
        return w;
    }
}
