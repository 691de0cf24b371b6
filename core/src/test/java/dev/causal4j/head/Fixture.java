package dev.causal4j.head;

import dev.causal4j.compute.Rows;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.util.Random;

/** Seeded numbers for the tests of the head. */
final class Fixture {
    private Fixture() {}

    static CausalLMHead head(DType dtype, int vocabularySize, int hiddenSize, long seed) {
        float[] numbers = numbers(vocabularySize * hiddenSize, seed);
        return CausalLMHead.tied(Matrix.of(
                Device.shared(),
                dtype,
                vocabularySize,
                hiddenSize,
                (n, row) -> System.arraycopy(numbers, n * hiddenSize, row, 0, hiddenSize)));
    }

    static Rows rows(int count, int width, long seed) {
        return Rows.of(numbers(count * width, seed), width, count);
    }

    static int[] tokens(int count, int vocabularySize, long seed) {
        return new Random(seed).ints(count, 0, vocabularySize).toArray();
    }

    /** Standard normal, scaled so that logits of 100 inputs have a standard deviation of about 3. */
    private static float[] numbers(int count, long seed) {
        Random random = new Random(seed);
        float[] numbers = new float[count];
        for (int i = 0; i < count; i++) {
            numbers[i] = (float) (0.55 * random.nextGaussian());
        }
        return numbers;
    }

    /** Logits [N, V] of the stored weights in double, capped if {@code cap} is not 0. */
    static double[][] logits(CausalLMHead head, Rows hidden, double cap) {
        double[][] logits = new double[hidden.count()][head.vocabularySize()];
        float[] weights = new float[head.hiddenSize()];
        for (int n = 0; n < head.vocabularySize(); n++) {
            head.projection().row(n, weights, 0);
            for (int r = 0; r < hidden.count(); r++) {
                double sum = 0;
                for (int k = 0; k < weights.length; k++) {
                    sum += (double) hidden.data()[hidden.start(r) + k] * weights[k];
                }
                logits[r][n] = cap == 0 ? sum : cap * Math.tanh(sum / cap);
            }
        }
        return logits;
    }

    static double logSumExp(double[] logits) {
        double max = Double.NEGATIVE_INFINITY;
        for (double logit : logits) {
            max = Math.max(max, logit);
        }
        double sum = 0;
        for (double logit : logits) {
            sum += Math.exp(logit - max);
        }
        return max + Math.log(sum);
    }
}
