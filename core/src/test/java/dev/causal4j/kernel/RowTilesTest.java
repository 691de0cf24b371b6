package dev.causal4j.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.compute.Rows;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class RowTilesTest {
    private static final int[] DEPTHS = {1, 7, 8, 9, 16, 67, 520};

    /** Marks places that must not be written; {@link #numbers} never gives it. */
    private static final float UNTOUCHED = -12345f;

    private final Random random = new Random(3);

    /** Heights of tiles that these kernels have. */
    private static IntStream heights() {
        return IntStream.of(RowTiles.ROWS, RowTiles.STEP).distinct();
    }

    @ParameterizedTest
    @MethodSource("heights")
    void aTileHoldsItsRowsBitByBitAndTouchesNothingElse(int height) {
        for (int count = 1; count <= height; count++) {
            for (int depth : DEPTHS) {
                Rows x = new Rows(numbers(5 + (height + count) * (depth + 3)), 5, depth + 3, height + count);
                int stride = depth * RowTiles.STEP;
                float[] data = untouched(3 + 2 * stride + 3);
                new RowTiles(data, 3, stride, height, RowTiles.STEP, x.count()).fill(1, x, depth);
                for (int k = 0; k < depth; k++) {
                    for (int r = 0; r < height; r++) {
                        float expected = x.data()[x.start(height + Math.min(r, count - 1)) + k];
                        assertThat(bits(data[3 + stride + k * RowTiles.STEP + r]))
                                .as("%d rows, step %d of %d, row %d", count, k, depth, r)
                                .isEqualTo(bits(expected));
                    }
                }
                assertThat(new float[] {data[2 + stride], data[data.length - 3]})
                        .containsOnly(UNTOUCHED);
            }
        }
    }

    @Test
    void tilesThatAreTooShortAreRefused() {
        float[] data = new float[300];
        RowTiles.of(data, 1, 96).check(96);
        assertThatThrownBy(() -> RowTiles.of(data, 2, 96).check(96)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> RowTiles.row(Rows.of(data, 301, 1)).check(301))
                .isInstanceOf(IndexOutOfBoundsException.class);
    }

    @ParameterizedTest
    @MethodSource("heights")
    void tilesFilledAcrossHoldColumnsBitByBitAndTouchNothingElse(int height) {
        for (int rows : new int[] {1, 7, 8}) {
            filledAcross(rows, height);
        }
    }

    private void filledAcross(int rows, int height) {
        for (int columns : new int[] {1, 3, 4, 5, 6, 7, 8, 9, 12, 17, 54}) {
            int tiles = Math.ceilDiv(columns, height);
            Rows x = new Rows(numbers(5 + (rows - 1) * (columns + 1) + columns), 5, columns + 1, rows);
            int stride = rows * RowTiles.STEP + 3;
            float[] actual = untouched(2 + tiles * stride);
            new RowTiles(actual, 2, stride, height, RowTiles.STEP, columns).fillAcross(0, x);
            for (int c = 0; c < tiles * height; c++) {
                int tile = 2 + c / height * stride;
                for (int k = 0; k < rows; k++) {
                    assertThat(bits(actual[tile + k * RowTiles.STEP + c % height]))
                            .as("%d columns, step %d, column %d", columns, k, c)
                            .isEqualTo(bits(x.data()[x.start(k) + Math.min(c, columns - 1)]));
                }
                assertThat(actual[tile - 1]).isEqualTo(UNTOUCHED);
                assertThat(actual[tile + stride - 3]).isEqualTo(UNTOUCHED);
            }
        }
    }

    @Test
    void runsMayBeFilledInAnyOrderAndALastTileRepeatsItsLastColumn() {
        Rows x = Rows.of(numbers(20 * 8), 8, 20); // perhaps more than one tile of columns
        RowTiles tiles = RowTiles.in(untouched(RowTiles.size(8, 20)), 8, 20);
        for (int run = RowTiles.runs(x) - 1; run >= 0; run--) {
            tiles.fillAcross(run, x);
        }
        for (int k = 0; k < 20; k++) {
            for (int r = 0; r < RowTiles.needed(8) * RowTiles.ROWS; r++) {
                assertThat(bits(tiles.data()[tiles.start(r) + k * RowTiles.STEP]))
                        .as("step %d, row %d", k, r)
                        .isEqualTo(bits(x.data()[x.start(k) + Math.min(r, 7)]));
            }
        }
    }

    private static int bits(float x) {
        return Float.floatToRawIntBits(x);
    }

    private static float[] untouched(int n) {
        float[] x = new float[n];
        Arrays.fill(x, UNTOUCHED);
        return x;
    }

    /** Any bits, NaNs with a payload among them. */
    private float[] numbers(int n) {
        float[] x = new float[n];
        for (int i = 0; i < n; i++) {
            x[i] = Float.intBitsToFloat(i % 5 == 0 ? 0x7f800001 + random.nextInt(1 << 22) : random.nextInt());
        }
        return x;
    }
}
