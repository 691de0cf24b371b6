package dev.causal4j.head;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.compute.Rows;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.util.Random;
import org.junit.jupiter.api.Test;

class HeadReportTest {
    private static CausalLMHead head(int v, int d) {
        Random random = new Random(v);
        return CausalLMHead.tied(Matrix.of(Device.shared(), DType.F32, v, d, (_, row) -> {
            for (int k = 0; k < d; k++) {
                row[k] = (float) random.nextGaussian();
            }
        }));
    }

    private static Rows hidden(int rows, int d) {
        Random random = new Random(rows);
        float[] numbers = new float[rows * d];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = (float) random.nextGaussian();
        }
        return Rows.of(numbers, d, rows);
    }

    /** As many dimensions as tokens: nothing is lost. */
    @Test
    void aSquareHeadKeepsAllOfTheGradient() {
        HeadReport report = HeadReport.of(head(12, 12), hidden(5, 12), new int[] {3, -100, 0, 11, 7}, 0.5);
        assertThat(report.keptShare()).isCloseTo(1, within(1e-9));
        assertThat(report.keptNorm()).isCloseTo(1, within(1e-9));
        assertThat(report.inputShare()).isEqualTo(0.5);
    }

    /** Against the projection on an orthonormal base of the columns, by Gram and Schmidt. */
    @Test
    void theKeptShareIsThatOfTheProjectionOnTheColumns() {
        int v = 40;
        int d = 6;
        CausalLMHead head = head(v, d).withSoftCap(4);
        int[] targets = {1, 39, 20};
        Rows hidden = hidden(3, d);
        float[] e = new float[v * d];
        for (int n = 0; n < v; n++) {
            head.projection().row(n, e, n * d);
        }
        double[][] base = new double[d][v];
        for (int k = 0; k < d; k++) {
            for (int n = 0; n < v; n++) {
                base[k][n] = e[n * d + k];
            }
            for (int other = 0; other < k; other++) {
                double product = dot(base[k], base[other]);
                for (int n = 0; n < v; n++) {
                    base[k][n] -= product * base[other][n];
                }
            }
            double norm = Math.sqrt(dot(base[k], base[k]));
            for (int n = 0; n < v; n++) {
                base[k][n] /= norm;
            }
        }
        double share = 0;
        double norm = 0;
        double normalizers = 0;
        for (int r = 0; r < 3; r++) {
            float[] logits = head.logits(hidden, r);
            double sum = 0;
            for (float logit : logits) {
                sum += Math.exp(logit);
            }
            double[] g = new double[v];
            for (int n = 0; n < v; n++) {
                double uncapped = 1 - logits[n] * logits[n] / 16;
                g[n] = (Math.exp(logits[n]) / sum - (n == targets[r] ? 1 : 0)) * uncapped;
            }
            double kept = 0;
            for (double[] direction : base) {
                kept += dot(g, direction) * dot(g, direction);
            }
            share += kept / dot(g, g) / 3;
            norm += Math.sqrt(kept / dot(g, g)) / 3;
            normalizers += Math.log(sum) / 3;
        }
        HeadReport report = HeadReport.of(head, hidden, targets, 0);
        assertThat(report.keptShare()).isCloseTo(share, within(1e-5)).isBetween(0.01, 0.9);
        assertThat(report.keptNorm()).isCloseTo(norm, within(1e-5));
        assertThat(report.logNormalizer()).isCloseTo(normalizers, within(1e-5));
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    @Test
    void dependentColumnsCountOnce() {
        HeadReport report = HeadReport.of(head(3, 5), hidden(2, 5), new int[] {0, 2}, 0);
        assertThat(report.keptShare()).isCloseTo(1, within(1e-5));
    }
}
