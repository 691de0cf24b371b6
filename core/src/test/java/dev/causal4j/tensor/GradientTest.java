package dev.causal4j.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The two products of a backward pass against the loops that define them, bit for bit. */
class GradientTest {
    private final int threads = Compute.shared().threads();
    private final Random random = new Random(1);

    @AfterEach
    void restoreThreads() {
        Compute.shared().use(threads);
    }

    @ParameterizedTest
    @CsvSource({"1,1,1", "2,64,7", "7,65,3", "64,200,35", "255,130,9", "256,64,6", "600,67,13"})
    void eachNumberIsOneChainOverTheRows(int count, int outputs, int inputs) {
        Rows dy = new Rows(numbers(3 + count * (outputs + 2)), 3, outputs + 2, count);
        Rows x = new Rows(numbers(1 + count * (inputs + 5)), 1, inputs + 5, count);
        float[] expected = new float[outputs * inputs];
        for (int pass = 0; pass < 2; pass++) {
            for (int n = 0; n < outputs; n++) {
                for (int k = 0; k < inputs; k++) {
                    for (int r = 0; r < count; r++) {
                        expected[n * inputs + k] = Math.fma(
                                dy.data()[dy.start(r) + n], x.data()[x.start(r) + k], expected[n * inputs + k]);
                    }
                }
            }
        }
        Matrix matrix = matrix(DType.F32, outputs, inputs);
        for (int share = 1; share <= 3; share++) {
            Compute.shared().use(share);
            Gradient gradient = Gradient.of(Device.shared(), matrix);
            gradient.add(dy, x);
            gradient.add(dy, x);
            assertThat(numbers(gradient)).isEqualTo(expected);
            gradient.clear();
            gradient.add(dy, x);
            gradient.add(dy, x);
            assertThat(numbers(gradient)).isEqualTo(expected); // nothing of the earlier numbers is left
            gradient.clear();
            assertThat(gradient.squaredNorm()).isZero();
            assertThat(numbers(gradient)).containsOnly(0f);
        }
    }

    @Test
    void rowsAddedAfterClearingBeginAtZero() {
        Gradient gradient = Gradient.of(Device.shared(), matrix(DType.F32, 70, 3));
        gradient.add(Rows.of(numbers(2 * 70), 70, 2), Rows.of(numbers(2 * 3), 3, 2));
        gradient.clear();
        gradient.addRows(new int[] {5}, Rows.of(new float[] {1, 2, 3}, 3, 1));
        float[] row = new float[3];
        gradient.row(5, row, 0);
        assertThat(row).containsExactly(1, 2, 3);
        gradient.row(6, row, 0);
        assertThat(row).containsOnly(0f);
    }

    @Test
    void aBatchInPiecesGivesTheBitsOfTheWhole() {
        Matrix matrix = matrix(DType.F32, 130, 11);
        Rows dy = Rows.of(numbers(700 * 130), 130, 700);
        Rows x = Rows.of(numbers(700 * 11), 11, 700);
        Gradient whole = Gradient.of(Device.shared(), matrix);
        whole.add(dy, x);
        Gradient pieces = Gradient.of(Device.shared(), matrix);
        for (int r = 0; r < 700; r += 70) {
            pieces.add(new Rows(dy.data(), dy.start(r), 130, 70), new Rows(x.data(), x.start(r), 11, 70));
        }
        assertThat(numbers(pieces)).isEqualTo(numbers(whole));
    }

    @Test
    void rowsAreAddedByNumberAndRepeatedOnesAccumulate() {
        Gradient gradient = Gradient.of(Device.shared(), matrix(DType.F32, 70, 3));
        gradient.addRows(new int[] {69, 0, 69}, Rows.of(new float[] {1, 2, 3, 4, 5, 6, 10, 20, 30}, 3, 3));
        float[] row = new float[4];
        gradient.row(69, row, 1);
        assertThat(row).containsExactly(0, 11, 22, 33);
        gradient.row(0, row, 1);
        assertThat(row).containsExactly(0, 4, 5, 6);
        Rows one = Rows.of(new float[] {1, 1, 1, 1, 1, 1}, 3, 2);
        assertThatThrownBy(() -> gradient.addRows(new int[] {0, 70}, one))
                .isInstanceOf(IndexOutOfBoundsException.class);
        gradient.row(0, row, 1);
        assertThat(row).as("nothing is added then").containsExactly(0, 4, 5, 6);
    }

    @ParameterizedTest
    @CsvSource({
        "F32,1,1,1",
        "F32,2,64,7",
        "F32,65,1025,3",
        "F32,300,1100,61",
        "F32,70,2100,130",
        "F32,3,4200,5",
        "BF16,67,1100,70",
        "INT8,67,1100,96"
    })
    void theTransposedProductAddsChainsOf1024Outputs(DType dtype, int count, int outputs, int inputs) {
        Matrix matrix = matrix(dtype, outputs, inputs);
        Rows dy = new Rows(numbers(3 + count * (outputs + 2)), 3, outputs + 2, count);
        float[] expected = new float[2 + count * (inputs + 1)];
        Rows target = new Rows(expected, 2, inputs + 1, count);
        float[] weights = new float[outputs * inputs];
        for (int n = 0; n < outputs; n++) {
            matrix.row(n, weights, n * inputs);
        }
        for (int r = 0; r < count; r++) {
            for (int k = 0; k < inputs; k++) {
                float sum = 0;
                for (int group = 0; group < outputs; group += 1024) {
                    float chain = 0;
                    for (int n = group; n < Math.min(outputs, group + 1024); n++) {
                        chain = Math.fma(dy.data()[dy.start(r) + n], weights[n * inputs + k], chain);
                    }
                    sum = group == 0 ? chain : sum + chain;
                }
                expected[target.start(r) + k] = sum;
            }
        }
        for (int share = 1; share <= 3; share++) {
            Compute.shared().use(share);
            float[] actual = new float[expected.length];
            matrix.multiplyTransposed(dy, new Rows(actual, 2, inputs + 1, count));
            assertThat(actual).isEqualTo(expected);
        }
    }

    @Test
    void rowsThatDoNotFitAreRefused() {
        Matrix matrix = matrix(DType.F32, 5, 3);
        Rows two = Rows.of(new float[10], 5, 2);
        Rows one = Rows.of(new float[5], 5, 1);
        assertThatThrownBy(() -> Gradient.of(Device.shared(), matrix).add(two, one))
                .hasMessage("rows: expected as many outputs as inputs, got 2 and 1");
        assertThatThrownBy(() -> matrix.multiplyTransposed(two, one))
                .hasMessage("rows: expected as many in as out, got 2 and 1");
        assertThatThrownBy(() -> Gradient.of(Device.shared(), matrix).addRows(new int[] {1}, two))
                .hasMessage("rows: expected one for each of 1 numbers, got 2");
    }

    private Matrix matrix(DType dtype, int rows, int cols) {
        float[] numbers = numbers(rows * cols);
        return Matrix.of(
                Device.shared(), dtype, rows, cols, (n, row) -> System.arraycopy(numbers, n * cols, row, 0, cols));
    }

    private static float[] numbers(Gradient gradient) {
        float[] numbers = new float[gradient.rows() * gradient.cols()];
        for (int n = 0; n < gradient.rows(); n++) {
            gradient.row(n, numbers, n * gradient.cols());
        }
        return numbers;
    }

    private float[] numbers(int n) {
        float[] x = new float[n];
        for (int i = 0; i < n; i++) {
            x[i] = (float) random.nextGaussian();
        }
        return x;
    }
}
