package dev.causal4j.head;

import dev.causal4j.compute.Rows;
import dev.causal4j.tensor.Matrix;

/**
 * How much of a batch's gradient a head passes on. With g = p - onehot, the gradient by a row's logits, the decoder
 * receives E'g: it sees g's part in the space that the D columns of E span, and nothing of the rest (arXiv 2603.10145).
 *
 * @param keptShare the share of that part in |g|², the mean over rows
 * @param keptNorm the share in |g|, the mean over rows
 * @param logNormalizer the mean of ln sum exp(logit), whose square z-loss keeps small
 * @param inputShare the share of the embedded tokens in the squares of both parts of the vocabulary's gradient
 */
public record HeadReport(double keptShare, double keptNorm, double logNormalizer, double inputShare) {
    private static final double DEPENDENT = 1e-6; // of a column's norm: single precision has no more

    /**
     * Measures the rows that have a target. Takes V · D doubles on the heap, and about V · D (D + rows) products; equal
     * bits on every machine.
     *
     * @param hidden [N, D]
     * @param targets [N], or {@link CausalLMHead#IGNORED}
     */
    public static HeadReport of(CausalLMHead head, Rows hidden, int[] targets, double inputShare) {
        double[][] base = orthonormal(head.projection());
        double[] sums = new double[4];
        for (int row = 0; row < targets.length; row++) {
            if (targets[row] != CausalLMHead.IGNORED) {
                float[] logits = head.logits(hidden, row);
                double normalizer = CausalLMHead.logNormalizer(logits, 0, logits.length);
                double[] g = new double[logits.length];
                for (int v = 0; v < g.length; v++) {
                    double ratio = head.softCap > 0 ? logits[v] / head.softCap : 0;
                    g[v] = (StrictMath.exp(logits[v] - normalizer) - (v == targets[row] ? 1 : 0)) * (1 - ratio * ratio);
                }
                double kept = 0;
                for (double[] column : base) {
                    double product = dot(column, g);
                    kept += product * product;
                }
                sums[0] += kept / dot(g, g);
                sums[1] += Math.sqrt(kept / dot(g, g));
                sums[2] += normalizer;
                sums[3]++;
            }
        }
        return new HeadReport(sums[0] / sums[3], sums[1] / sums[3], sums[2] / sums[3], inputShare);
    }

    /** Orthonormal columns of the same span, by Gram and Schmidt; zeros for a column that depends on those before it. */
    private static double[][] orthonormal(Matrix e) {
        double[][] columns = new double[e.cols()][e.rows()];
        float[] row = new float[e.cols()];
        for (int v = 0; v < e.rows(); v++) {
            e.row(v, row, 0);
            for (int k = 0; k < row.length; k++) {
                columns[k][v] = row[k];
            }
        }
        for (int k = 0; k < columns.length; k++) {
            double norm = Math.sqrt(dot(columns[k], columns[k]));
            for (int other = 0; other < k; other++) {
                subtract(columns[k], dot(columns[k], columns[other]), columns[other]);
            }
            double left = Math.sqrt(dot(columns[k], columns[k]));
            subtract(columns[k], left > DEPENDENT * norm ? 1 - 1 / left : 1, columns[k]);
        }
        return columns;
    }

    private static void subtract(double[] from, double factor, double[] column) {
        for (int v = 0; v < from.length; v++) {
            from[v] -= factor * column[v];
        }
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int v = 0; v < a.length; v++) {
            sum += a[v] * b[v];
        }
        return sum;
    }
}
