package dev.causal4j.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.Whole;
import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class MatrixTest {
    private static final Groups INT4 = new Groups(4, false, 32, true, false, false);

    private final Random random = new Random(7);
    private final int threads = Compute.shared().threads();

    @AfterEach
    void restoreThreads() {
        Compute.shared().use(threads);
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "63, 5", "64, 64", "65, 3", "131, 35", "200, 77"})
    void aRowIsReadBackAsItWasGiven(int rows, int cols) {
        float[] numbers = bf16Numbers(rows * cols);
        for (DType dtype : List.of(DType.F32, DType.BF16)) {
            Matrix matrix = rowMajor(dtype, rows, cols, numbers);
            float[] row = new float[cols + 1];
            for (int n = 0; n < rows; n++) {
                matrix.row(n, row, 1);
                assertThat(Arrays.copyOfRange(row, 1, cols + 1))
                        .containsExactly(Arrays.copyOfRange(numbers, n * cols, (n + 1) * cols));
            }
            assertThat(matrix.parameters()).isEqualTo((long) rows * cols);
        }
    }

    @Test
    void rowsWhoseTilesTakeTooMuchAreMultipliedInPartsWithTheSameBits() {
        int cols = 100_003;
        int rows = 100;
        assertThat(PackedRows.most(rows, cols)).as("rows of a part").isLessThan(rows);
        assertThat(PackedRows.most(512, 3072))
                .as("a feed-forward layer in one part")
                .isGreaterThanOrEqualTo(512);
        Matrix matrix = Matrix.of(Device.shared(), DType.F32, 3, cols, (row, target) -> {
            for (int k = 0; k < cols; k++) {
                target[k] = (row + 1) * (k % 13 - 6) * 0.01f;
            }
        });
        float[] x = new float[rows * cols];
        for (int i = 0; i < x.length; i++) {
            x[i] = (i % 29 - 14) * 0.1f;
        }
        float[] y = new float[rows * 3];
        matrix.multiply(Rows.of(x, cols, rows), null, Rows.of(y, 3, rows));
        for (int r = 0; r < rows; r++) {
            float[] alone = new float[3];
            matrix.multiply(new Rows(x, r * cols, cols, 1), null, Rows.of(alone, 3, 1));
            assertThat(Arrays.copyOfRange(y, 3 * r, 3 * r + 3)).as("row %d", r).containsExactly(alone);
        }
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void everyOutputOfOneRowIsThereHoweverPanelsAreCutAmongThreads(DType dtype) {
        int depth = 3 * dtype.group();
        float[] x = bf16Numbers(depth);
        int apart = Whole.or(1, 3); // the numbers of threads, others for each number of panels
        for (int panels = 1; panels <= 40; panels++) {
            int outputs = panels * 64 - panels % 3 * 21; // the last panel is whole, or padded
            Matrix matrix = rowMajor(dtype, outputs, depth, bf16Numbers(outputs * depth));
            float[] expected = new float[outputs + 2];
            Arrays.fill(expected, Float.NaN);
            for (int n = 0; n < outputs; n++) {
                expected[n + 1] = matrix.output(n, x, 0);
            }
            for (int count = 1 + panels % apart; count <= 9; count += apart) {
                Compute.shared().use(count);
                float[] y = new float[outputs + 2];
                Arrays.fill(y, Float.NaN);
                matrix.multiply(Rows.of(x, depth, 1), null, new Rows(y, 1, outputs, 1));
                assertThat(y).as("%d outputs, %d threads", outputs, count).isEqualTo(expected);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 7, 1", "64, 16, 2", "131, 35, 7", "200, 50, 13", "2500, 3, 6", "2500, 3, 50"})
    void aProductIsTheSumInTheOrderOfKPlusTheBias(int outputs, int depth, int rows) {
        float[] w = bf16Numbers(outputs * depth);
        float[] bias = bf16Numbers(outputs);
        float[] x = bf16Numbers(rows * depth);
        for (DType dtype : List.of(DType.F32, DType.BF16)) {
            Matrix matrix = rowMajor(dtype, outputs, depth, w);
            for (int count = 1; count <= 3; count++) {
                Compute.shared().use(count);
                float[] y = new float[rows * (outputs + 2)];
                Arrays.fill(y, 99f);
                matrix.multiply(Rows.of(x, depth, rows), bias, new Rows(y, 1, outputs + 2, rows));
                for (int r = 0; r < rows; r++) {
                    assertThat(y[r * (outputs + 2)]).isEqualTo(99f);
                    for (int n = 0; n < outputs; n++) {
                        float sum = 0;
                        for (int k = 0; k < depth; k++) {
                            sum = Math.fma(x[r * depth + k], w[n * depth + k], sum);
                        }
                        assertThat(y[r * (outputs + 2) + 1 + n]).isEqualTo(sum + bias[n]);
                    }
                    assertThat(y[r * (outputs + 2) + outputs + 1]).as("padding").isEqualTo(99f);
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 32", "64, 64", "131, 96"})
    void int8IsTheNearestMultipleOfTheScaleOf32Inputs(int outputs, int depth) {
        float[] w = bf16Numbers(outputs * depth);
        Arrays.fill(w, 0, 32, 0f); // a group of zeros
        Matrix matrix = rowMajor(DType.INT8, outputs, depth, w);
        float[] row = new float[depth];
        for (int n = 0; n < outputs; n++) {
            matrix.row(n, row, 0);
            for (int from = 0; from < depth; from += 32) {
                float most = 0;
                for (int k = from; k < from + 32; k++) {
                    most = Math.max(most, Math.abs(w[n * depth + k]));
                }
                float scale = Float.float16ToFloat(Float.floatToFloat16(most / 127));
                scale = scale * 127 < most ? Float.float16ToFloat((short) (Float.floatToFloat16(scale) + 1)) : scale;
                for (int k = from; k < from + 32; k++) {
                    double code = scale == 0 ? 0 : Math.rint(w[n * depth + k] / scale);
                    assertThat(row[k]).isEqualTo((float) (code * scale));
                    assertThat(Math.abs(row[k] - w[n * depth + k])).isLessThanOrEqualTo(scale * 0.5001f);
                }
            }
        }
    }

    /** Products of one row, of a few, and of enough that panels are cut by rows, too. */
    @ParameterizedTest
    @EnumSource(DType.class)
    void anOutputAloneHasTheBitsOfTheProduct(DType dtype) {
        int outputs = 331;
        int depth = dtype.isQuantised() ? 96 : 35;
        Matrix matrix = rowMajor(dtype, outputs, depth, bf16Numbers(outputs * depth));
        for (int rows : new int[] {1, 5, 13, 42, 43, 258, 259}) {
            Rows in = new Rows(bf16Numbers(rows * depth + 2), 2, depth, rows);
            float[] product = new float[rows * outputs];
            matrix.multiply(in, null, Rows.of(product, outputs, rows));
            float[] alone = new float[rows * outputs];
            for (int i = 0; i < alone.length; i++) {
                alone[i] = matrix.output(i % outputs, in.data(), in.start(i / outputs));
            }
            assertThat(product).as("%d rows", rows).isEqualTo(alone);
        }
        float[] x = new float[depth + 2];
        assertThatThrownBy(() -> matrix.output(outputs, x, 2)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> matrix.output(0, x, 3)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void panelsThatExistMakeTheSameMatrix(DType dtype) {
        int cols = dtype.isQuantised() ? 64 : 35;
        Matrix matrix = rowMajor(dtype, 131, cols, bf16Numbers(131 * cols));
        MemorySegment panels = matrix.panelData();
        Matrix same = Matrix.ofPanels(Device.shared(), dtype.format, 131, cols, panels);
        MemorySegment moved = MemorySegment.ofArray(panels.toArray(ValueLayout.JAVA_BYTE));
        Matrix copied = Matrix.ofPanels(Device.shared(), dtype.format, 131, cols, moved);
        assertThat(same.panelData().address()).isEqualTo(panels.address());
        assertThat(copied.panelData().address() % 64).isZero();
        float[] x = bf16Numbers(cols);
        for (int n = 0; n < 131; n++) {
            assertThat(same.output(n, x, 0)).isEqualTo(matrix.output(n, x, 0));
            assertThat(copied.output(n, x, 0)).isEqualTo(matrix.output(n, x, 0));
        }
        assertThat(panels.isReadOnly()).isTrue();
        assertThatThrownBy(() -> Matrix.ofPanels(Device.shared(), dtype.format, 131, 2 * cols, panels))
                .hasMessageContaining("panels: expected ");
    }

    @Test
    void groupsOfTheSmallestAndTheLargestNumbersCanBeQuantised() {
        float tiny = Float.float16ToFloat((short) 1); // the least scale
        float[] numbers = new float[3 * 32];
        numbers[0] = 90 * tiny;
        numbers[1] = -40 * tiny;
        numbers[32] = Float.MIN_VALUE;
        numbers[64] = 127 * 65504;
        Matrix matrix = rowMajor(DType.INT8, 3, 32, numbers);
        float[] row = new float[32];
        for (int n = 0; n < 3; n++) {
            matrix.row(n, row, 0);
            assertThat(row).containsExactly(n == 1 ? new float[32] : Arrays.copyOfRange(numbers, n * 32, (n + 1) * 32));
        }
    }

    @Test
    void aWeightThatIsNotFiniteCannotBeQuantised() {
        float[] numbers = new float[64];
        numbers[40] = Float.NaN;
        assertThatThrownBy(() -> rowMajor(DType.INT8, 2, 32, numbers))
                .hasMessage("int8: expected finite weights below 8319008, got NaN in row 1");
        numbers[40] = 9e6f;
        assertThatThrownBy(() -> rowMajor(DType.INT8, 2, 32, numbers)).hasMessageContaining("got 9000000.0 in row 1");
    }

    @Test
    void aScaleOrMinimumThatIsNotFiniteCannotBeStored() {
        assertThatThrownBy(() -> Matrix.ofGroups(Device.shared(), INT4, 2, 64, (n, _, scales, _) -> scales[1] = n / 0f))
                .hasMessage("int4: expected finite scales and minimums, got NaN and 0.0 in row 0");
        assertThatThrownBy(() -> Matrix.ofGroups(
                        Device.shared(), INT4, 2, 64, (n, _, _, minimums) -> minimums[0] = -n * Float.MAX_VALUE * 2))
                .hasMessage("int4: expected finite scales and minimums, got 0.0 and -Infinity in row 1");
    }

    /** All of f16, subnormal numbers too, in every place of a panel and by every kernel of a product. */
    @Test
    void everyNumberOfF16IsKept() {
        float[] numbers = new float[2 * 0x7c00];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = Float.float16ToFloat((short) (i < 0x7c00 ? i : i - 0x7c00 | 0x8000));
        }
        Matrix matrix = rowMajor(DType.F16, numbers.length / 2, 2, numbers);
        float[] row = new float[2];
        for (int rows : new int[] {1, 3, 20}) {
            float[] x = new float[2 * rows]; // selects the second column
            for (int r = 0; r < rows; r++) {
                x[2 * r + 1] = 1;
            }
            float[] y = new float[rows * matrix.rows()];
            matrix.multiply(Rows.of(x, 2, rows), null, Rows.of(y, matrix.rows(), rows));
            for (int n = 0; n < matrix.rows(); n++) {
                matrix.row(n, row, 0);
                assertThat(row).containsExactly(numbers[2 * n], numbers[2 * n + 1]);
                assertThat(y[n]).isEqualTo(numbers[2 * n + 1] + 0f);
                assertThat(y[(rows - 1) * matrix.rows() + n]).isEqualTo(numbers[2 * n + 1] + 0f);
            }
        }
    }

    /** Three groups of 32 inputs. */
    @Test
    void codesOf4BitsAreNearTheirNumbers() {
        int rows = 70;
        int cols = 96;
        float[] numbers = bf16Numbers(rows * cols);
        Arrays.fill(numbers, 0, 32, 0.3f);
        Matrix matrix = rowMajor(DType.INT4, rows, cols, numbers);
        double error = 0;
        double square = 0;
        float[] row = new float[cols];
        float[] x = bf16Numbers(cols);
        float[] y = new float[rows];
        matrix.multiply(Rows.of(x, cols, 1), null, Rows.of(y, rows, 1));
        for (int n = 0; n < rows; n++) {
            matrix.row(n, row, 0);
            float sum = 0;
            for (int k = 0; k < cols; k++) {
                error += Math.pow(row[k] - numbers[n * cols + k], 2);
                square += Math.pow(numbers[n * cols + k], 2);
                sum += x[k] * row[k];
            }
            assertThat(y[n]).isCloseTo(sum, within(0.3f)).isEqualTo(matrix.output(n, x, 0));
        }
        assertThat(Math.sqrt(error / square)).isLessThan(0.075);
        matrix.row(0, row, 0);
        assertThat(row[5]).as("a group of equal numbers").isCloseTo(0.3f, within(1e-4f));
        assertThatThrownBy(() -> rowMajor(DType.INT4, 1, 33, new float[33]))
                .hasMessage("inputs: expected a multiple of 32, got 33");
        float[] broken = new float[64];
        broken[40] = Float.NaN;
        assertThatThrownBy(() -> rowMajor(DType.INT4, 2, 32, broken))
                .hasMessage("int4: expected finite weights below 65504, got NaN in row 1");
    }

    @Test
    void whatF16CannotHoldIsRefused() {
        assertThatThrownBy(() -> rowMajor(DType.F16, 2, 2, new float[] {1, 2, 3, 65520}))
                .hasMessage("f16: expected finite weights below 65520.0, got 65520.0 in row 1");
        assertThatThrownBy(() -> rowMajor(DType.F16, 1, 2, new float[] {Float.NaN, 2}))
                .hasMessageContaining("got NaN in row 0");
        float[] row = new float[2];
        rowMajor(DType.F16, 1, 2, new float[] {65519, 1 + 0x1p-11f}).row(0, row, 0);
        assertThat(row).as("to nearest, ties to even").containsExactly(65504, 1);
    }

    @Test
    void bf16RoundsToNearestTiesToEven() {
        assertThat(DType.fromBFloat16(DType.toBFloat16(1f + 1f / 256))).isEqualTo(1f);
        assertThat(DType.fromBFloat16(DType.toBFloat16(1f + 3f / 256))).isEqualTo(1f + 4f / 256);
        assertThat(DType.fromBFloat16(DType.toBFloat16(Math.nextUp(1f + 1f / 256))))
                .isEqualTo(1f + 2f / 256);
        assertThat(DType.fromBFloat16(DType.toBFloat16(Float.MAX_VALUE))).isEqualTo(Float.POSITIVE_INFINITY);
        assertThat(DType.fromBFloat16(DType.toBFloat16(Float.intBitsToFloat(0x7f800001))))
                .isNaN();
        assertThat(DType.fromBFloat16(DType.toBFloat16(-0f))).isEqualTo(-0f);
    }

    @Test
    void asManyRowsComeOutAsGoIn() {
        Matrix matrix = rowMajor(DType.F32, 2, 3, new float[6]);
        Rows x = Rows.of(new float[6], 3, 2);
        assertThatThrownBy(() -> matrix.multiply(x, null, new Rows(new float[4], 0, 2, 1)))
                .hasMessage("y: expected 2 rows as in x, got 1");
    }

    @Test
    void aShapeThatCannotBeIsRefused() {
        assertThatThrownBy(() -> Matrix.of(Device.shared(), DType.F32, 0, 2, (n, row) -> {}))
                .hasMessage("matrix: expected at least [1, 1], got [0, 2]");
        Matrix matrix = rowMajor(DType.F32, 2, 2, new float[4]);
        assertThatThrownBy(() -> matrix.row(2, new float[2], 0)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    private static Matrix rowMajor(DType dtype, int rows, int cols, float[] numbers) {
        return Matrix.of(
                Device.shared(), dtype, rows, cols, (n, row) -> System.arraycopy(numbers, n * cols, row, 0, cols));
    }

    private float[] bf16Numbers(int n) {
        float[] numbers = new float[n];
        for (int i = 0; i < n; i++) {
            numbers[i] = DType.fromBFloat16(DType.toBFloat16((float) random.nextGaussian()));
        }
        return numbers;
    }
}
