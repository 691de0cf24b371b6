package dev.causal4j.head;

import dev.causal4j.compute.Rows;
import dev.causal4j.tensor.Matrix;
import java.util.stream.IntStream;

/**
 * What a head does to the gradient of a batch. With g = p - onehot the gradient by a row's logits, the decoder receives
 * E'g alone: the part of g in the D dimensions that the columns of E span (Godey and Artzi 2026, arXiv 2603.10145).
 *
 * @param keptShare g'E (E'E)⁻¹ E'g / |g|², the share of the squares in that part, the mean over rows
 * @param keptNorm the share of the norm, the mean over rows of the roots
 * @param logNormalizer the mean of ln sum exp(logit), which z-loss keeps small
 * @param inputShare the share of the embedded tokens in the squares of both parts of the vocabulary's gradient; not a
 *     number without a training step
 */
public record HeadReport(double keptShare, double keptNorm, double logNormalizer, double inputShare) {
    /** Most rows to measure. */
    private static final int ROWS = 256;

    /**
     * Measures rows that have a target, at most {@value #ROWS}, spread evenly. Takes V · D doubles; equal bits on every
     * machine.
     *
     * @param hidden [N, D]
     * @param targets [N], or {@link CausalLMHead#IGNORED}
     * @throws IllegalArgumentException if the projection's columns are linearly dependent
     */
    public static HeadReport of(CausalLMHead head, Rows hidden, int[] targets, double inputShare) {
        double[][] e = numbers(head.projection());
        double[][] factor = cholesky(gram(e));
        int[] counted = IntStream.range(0, targets.length)
                .filter(r -> targets[r] != CausalLMHead.IGNORED)
                .toArray();
        int rows = Math.min(ROWS, counted.length);
        double[] sums = new double[3];
        for (int i = 0; i < rows; i++) {
            int row = counted[(int) ((long) i * counted.length / rows)];
            float[] logits = head.logits(hidden, row);
            double normalizer = CausalLMHead.logNormalizer(logits, 0, logits.length);
            double squares = 0;
            double[] passed = new double[head.hiddenSize()];
            for (int v = 0; v < logits.length; v++) {
                double g = StrictMath.exp(logits[v] - normalizer) - (v == targets[row] ? 1 : 0);
                double ratio = head.softCap > 0 ? logits[v] / head.softCap : 0;
                g *= 1 - ratio * ratio;
                squares += g * g;
                for (int k = 0; k < passed.length; k++) {
                    passed[k] += g * e[v][k];
                }
            }
            double kept = squaredSolution(factor, passed) / squares;
            sums[0] += kept;
            sums[1] += Math.sqrt(kept);
            sums[2] += normalizer;
        }
        return new HeadReport(sums[0] / rows, sums[1] / rows, sums[2] / rows, inputShare);
    }

    /** The mean row of a matrix. */
    public static double[] mean(Matrix matrix) {
        double[] mean = new double[matrix.cols()];
        float[] row = new float[matrix.cols()];
        for (int n = 0; n < matrix.rows(); n++) {
            matrix.row(n, row, 0);
            for (int k = 0; k < row.length; k++) {
                mean[k] += (double) row[k] / matrix.rows();
            }
        }
        return mean;
    }

    /** All numbers of a matrix. */
    static double[][] numbers(Matrix matrix) {
        float[] row = new float[matrix.cols()];
        double[][] numbers = new double[matrix.rows()][row.length];
        for (int n = 0; n < numbers.length; n++) {
            matrix.row(n, row, 0);
            for (int k = 0; k < row.length; k++) {
                numbers[n][k] = row[k];
            }
        }
        return numbers;
    }

    /** E'E, its lower half. */
    static double[][] gram(double[][] e) {
        int d = e[0].length;
        double[][] gram = new double[d][d];
        for (double[] row : e) {
            for (int i = 0; i < d; i++) {
                for (int k = 0; k <= i; k++) {
                    gram[i][k] += row[i] * row[k];
                }
            }
        }
        return gram;
    }

    /** Replaces the lower half of a positive definite matrix by its factor L, with L L' the matrix. */
    private static double[][] cholesky(double[][] a) {
        for (int i = 0; i < a.length; i++) {
            for (int j = 0; j <= i; j++) {
                double rest = a[i][j];
                for (int k = 0; k < j; k++) {
                    rest -= a[i][k] * a[j][k];
                }
                if (i == j && !(rest > 0)) {
                    throw new IllegalArgumentException("projection: expected linearly independent columns, got column "
                            + i + " of those before it; a head report needs more tokens than dimensions");
                }
                a[i][j] = i == j ? Math.sqrt(rest) : rest / a[j][j];
            }
        }
        return a;
    }

    /** |x|² of the solution of L x = b. */
    private static double squaredSolution(double[][] factor, double[] b) {
        double squares = 0;
        for (int i = 0; i < b.length; i++) {
            for (int k = 0; k < i; k++) {
                b[i] -= factor[i][k] * b[k];
            }
            b[i] /= factor[i][i];
            squares += b[i] * b[i];
        }
        return squares;
    }
}
