package dev.causal4j.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.Whole;
import dev.causal4j.compute.Rows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.assertj.core.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The vector kernels of this JVM against their specification, bit for bit, and the specification against double. */
class KernelSetTest {
    /** Rows of the tiles that vectors have loops for. */
    private static final int[] HEIGHTS = {4, 6};

    private static final int[] DEPTHS = {1, 2, 3, 7, 16, 17, 64, 65, 131, 768};
    static final int[] LENGTHS = {1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 100, 127, 257, 768, 1000};
    static final float[] SPECIAL = {
        0f,
        -0f,
        1f,
        -1f,
        Float.MIN_VALUE,
        -Float.MIN_VALUE,
        Float.MIN_NORMAL,
        1e-20f,
        -1e-20f,
        0.625f,
        Math.nextDown(0.625f),
        9.5f,
        -9.5f,
        87.5f,
        88.7f,
        88.8f,
        -87.4f,
        -103.9f,
        -104.5f,
        1e30f,
        -1e30f,
        Float.MAX_VALUE,
        -Float.MAX_VALUE,
        Float.POSITIVE_INFINITY,
        Float.NEGATIVE_INFINITY,
        Float.NaN
    };

    private final JavaKernels scalar = JavaKernels.scalar();
    private final JavaKernels vector = JavaKernels.vector();
    private final SplittableRandom random = new SplittableRandom(1);
    private final RandomPanels panels = new RandomPanels(random);

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13})
    void productsHaveTheBitsOfTheSpecification(int rows) {
        for (int depth : DEPTHS) {
            // The longest depths with one count of panels: only depth decides there.
            for (int count : Whole.RUN || depth < 768 ? new int[] {1, 2, 3, 4, 5, 6, 10} : new int[] {5}) {
                float[] x = numbers(rows * (depth + 3) + 5);
                Rows in = new Rows(x, 5, depth + 3, rows);
                for (WeightFormat format : RandomPanels.formats(depth)) {
                    Panels w = panels.of(format, count, depth);
                    float[] expected = new float[7 + rows * (count * 64 + 1)];
                    float[] actual = expected.clone();
                    multiply(scalar, w, in, new Rows(expected, 7, count * 64 + 1, rows));
                    multiply(vector, w, in, new Rows(actual, 7, count * 64 + 1, rows));
                    assertThat(actual)
                            .as("depth %d, panels %d, %s", depth, count, format)
                            .isEqualTo(expected);
                }
            }
        }
    }

    /** One special number in each row and in each output, so that most sums stay finite for a while. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 8, 17, 49})
    void productsOfSpecialNumbersHaveTheBitsOfTheSpecification(int rows) {
        int depth = 131;
        float[] x = numbers(rows * depth);
        for (int r = 0; r < rows; r++) {
            x[r * depth + 7 * r % depth] = SPECIAL[(r + rows) % SPECIAL.length];
        }
        Panels w = panels.of(PanelFormat.F32, 5, depth);
        for (int n = 0; n < 5 * 64; n++) {
            long number = w.start(n / 64) + (n % depth * 64L + n % 64) * 4;
            w.memory().set(Panels.FLOAT, number, SPECIAL[n % SPECIAL.length]);
        }
        float[] expected = new float[rows * 320];
        float[] actual = new float[rows * 320];
        multiply(scalar, w, Rows.of(x, depth, rows), Rows.of(expected, 320, rows));
        multiply(vector, w, Rows.of(x, depth, rows), Rows.of(actual, 320, rows));
        assertThat(actual).isEqualTo(expected);
        for (int r = 0; r < rows; r++) {
            for (int n = 0; n < 320; n++) {
                float sum = 0;
                for (int k = 0; k < depth; k++) {
                    float weight = w.memory().get(Panels.FLOAT, w.start(n / 64) + (k * 64L + n % 64) * 4);
                    sum = Math.fma(x[r * depth + k], weight, sum);
                }
                assertThat(Float.floatToIntBits(expected[r * 320 + n]))
                        .as("row %d, output %d", r, n)
                        .isEqualTo(Float.floatToIntBits(sum));
            }
        }
    }

    static void multiply(JavaKernels set, Panels w, Rows x, Rows y) {
        if (w.format() instanceof GroupFormat format) {
            RoundedRows rounded = RoundedRows.of(format, w.depth(), x.count());
            for (int tile = 0; tile < rounded.tiles(); tile++) {
                set.products().round(x, rounded, tile);
            }
            set.products().multiply(w, rounded, y);
            return;
        }
        set.products().multiply(w, x.count() == 1 ? RowTiles.row(x) : tiles(x, w, RowTiles.height(x.count())), y);
    }

    /** A processor chooses one way; both are tested on each. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void fewRowsHaveTheBitsOfTheSpecificationHoweverPanelsAreRead(boolean ahead) {
        Assumptions.assumeThat(Lanes.W)
                .as("few rows are served apart only with 16 lanes")
                .isEqualTo(16);
        for (int rows = 2; rows <= 8; rows++) {
            for (int depth : DEPTHS) {
                Rows x = new Rows(numbers(5 + rows * (depth + 3)), 5, depth + 3, rows);
                for (WeightFormat format : PanelFormat.values()) {
                    Panels w = panels.of(format, 3, depth);
                    RowTiles tiles = tiles(x, w, 8);
                    float[] expected = new float[7 + rows * 193];
                    float[] actual = expected.clone();
                    multiply(scalar, w, x, new Rows(expected, 7, 193, rows));
                    Rows y = new Rows(actual, 7, 193, rows);
                    VectorProducts.multiply(w, tiles, y, ahead);
                    assertThat(actual)
                            .as("rows %d, depth %d, %s", rows, depth, format)
                            .isEqualTo(expected);
                }
            }
        }
    }

    /**
     * Tiles of the given height, whichever these kernels choose. They begin after the start of their array, with gaps
     * between them.
     */
    static RowTiles tiles(Rows x, Panels w, int height) {
        int step = height == 1 ? 1 : height == 4 ? 4 : 8;
        int stride = w.depth() * step + 3;
        int count = Math.ceilDiv(x.count(), height);
        RowTiles tiles = new RowTiles(new float[2 + count * stride], 2, stride, height, step, x.count());
        float[] data = tiles.data();
        for (int r = 0; r < count * height; r++) {
            int first = tiles.start(r);
            for (int k = 0; k < w.depth(); k++) {
                data[first + k * step] = x.data()[x.start(Math.min(r, x.count() - 1)) + k];
            }
        }
        return tiles;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4, 5, 6, 7, 13})
    void aProductOfTilesHasTheBitsOfTheProductOfTheirRows(int rows) {
        for (int depth : new int[] {96, Math.min(Lanes.STEPS, 512) + 96}) { // in one part and, below 512 bits, in two
            productOfTiles(rows, depth);
        }
    }

    private void productOfTiles(int rows, int depth) {
        Rows x = new Rows(numbers(5 + rows * (depth + 3)), 5, depth + 3, rows);
        for (WeightFormat format : PanelFormat.values()) {
            Panels w = panels.of(format, 2, depth);
            float[] expected = new float[rows * 128];
            multiply(scalar, w, x, Rows.of(expected, 128, rows));
            for (int height : HEIGHTS) {
                for (JavaKernels set : new JavaKernels[] {scalar, vector}) {
                    float[] actual = new float[rows * 128];
                    set.products().multiply(w, tiles(x, w, height), Rows.of(actual, 128, rows));
                    assertThat(actual).as("%s, height %d", format, height).isEqualTo(expected);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4, 5, 6, 7, 13})
    void continuedChainsHaveTheBitsOfTheSpecification(int rows) {
        for (int depth : DEPTHS) {
            Panels w = panels.of(PanelFormat.F32, 1, depth);
            int height = HEIGHTS[depth % 2];
            RowTiles x = tiles(new Rows(numbers(5 + rows * (depth + 3)), 5, depth + 3, rows), w, height);
            MemorySegment expected = panels.memory(rows * 256L + 8);
            for (int i = 0; i < SPECIAL.length; i++) {
                expected.set(Panels.FLOAT, 4 + i * 4L, SPECIAL[i]);
            }
            MemorySegment actual = Arena.ofAuto().allocate(rows * 256L + 8, 64).copyFrom(expected);
            scalar.products().addProduct(w, x, expected, 4);
            vector.products().addProduct(w, x, actual, 4);
            assertThat(actual.mismatch(expected)).as("depth %d", depth).isEqualTo(-1);
        }
    }

    /** One number of some outputs is not finite, as in a damaged file whose panels are mapped. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 8, 17})
    void numbersInF16ThatAreNotFiniteAreTheSameInAllKernels(int rows) {
        int depth = 96;
        short[] bad = {0x7c00, (short) 0xfc00, 0x7e01, (short) 0xfc01};
        for (WeightFormat format : RandomPanels.formats(depth)) {
            Panels w = panels.of(format, 3, depth);
            for (int n = 0; n < 3 * 64; n += 5) {
                long at = format instanceof GroupFormat groups
                        ? (groups.headBytes() > 0 ? groups.headAt(n % groups.groups(depth)) : groups.numbersAt(n % 3))
                        : format.bytes(n % depth);
                if (!(format instanceof PanelFormat) || format == PanelFormat.F16) {
                    w.memory().set(Panels.SHORT, w.start(n / 64) + at + 2L * (n % 64), bad[n % bad.length]);
                }
            }
            float[] x = numbers(rows * depth);
            float[] expected = new float[rows * 192];
            float[] actual = new float[rows * 192];
            multiply(scalar, w, Rows.of(x, depth, rows), Rows.of(expected, 192, rows));
            multiply(vector, w, Rows.of(x, depth, rows), Rows.of(actual, 192, rows));
            assertThat(actual).as(format.toString()).isEqualTo(expected);
        }
    }

    @Test
    void aStepOfAdamWHasTheBitsOfTheSpecification() {
        AdamWStep step = new AdamWStep(0.7f, 0.999f, 0.1f, 0.95f, 0.05f, 3e-4f, 0.3f, 1e-8f);
        int count = 192;
        float[][] numbers = {numbers(count), numbers(count), numbers(count), numbers(count)};
        for (int i = 0; i < count; i++) {
            numbers[3][i] = i % 7 == 0 ? 0f : Math.abs(numbers[3][i]); // a sum of squares
        }
        MemorySegment[] scalars = new MemorySegment[4];
        MemorySegment[] vectors = new MemorySegment[4];
        for (int i = 0; i < 4; i++) {
            scalars[i] = panels.memory(count * 4L + 8);
            MemorySegment.copy(numbers[i], 0, scalars[i], Panels.FLOAT, 8, count);
            vectors[i] = Arena.ofAuto().allocate(count * 4L + 8, 64).copyFrom(scalars[i]);
        }
        step.apply(numbers[0], numbers[1], numbers[2], numbers[3], count);
        scalar.elementwise()
                .adamW(step, new AdamWStep.Numbers(scalars[0], scalars[1], scalars[2], scalars[3], 8, count));
        vector.elementwise()
                .adamW(step, new AdamWStep.Numbers(vectors[0], vectors[1], vectors[2], vectors[3], 8, count));
        for (int i = 0; i < 4; i++) {
            assertThat(vectors[i].mismatch(scalars[i])).as("memory %d", i).isEqualTo(-1);
            float[] stored = new float[count];
            MemorySegment.copy(scalars[i], Panels.FLOAT, 8, stored, 0, count);
            assertThat(stored).as("memory %d", i).isEqualTo(numbers[i]);
        }
    }

    @Test
    void sumsOfSquaresHaveTheBitsOfTheSpecification() {
        for (int depth : DEPTHS) {
            Panels w = panels.of(PanelFormat.F32, 1, depth);
            double[] expected = new double[64];
            Arrays.setAll(expected, j -> j / 7.0);
            double[] actual = expected.clone();
            scalar.reductions().addSquares(w, expected);
            vector.reductions().addSquares(w, actual);
            assertThat(actual).as("depth %d", depth).isEqualTo(expected);
        }
    }

    @Test
    void aProductIsOneChainOfMultiplyAddsForEachOutput() {
        int depth = 37;
        Panels w = panels.of(PanelFormat.F32, 2, depth);
        float[] x = numbers(depth);
        float[] y = new float[128];
        scalar.products().multiply(w, RowTiles.row(Rows.of(x, depth, 1)), Rows.of(y, 128, 1));
        for (int n = 0; n < 128; n++) {
            float sum = 0;
            for (int k = 0; k < depth; k++) {
                long at = w.offset() + n / 64 * w.stride() + (k * 64L + n % 64) * 4;
                sum = Math.fma(x[k], w.memory().get(Panels.FLOAT, at), sum);
            }
            assertThat(y[n]).isEqualTo(sum);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16"})
    void productsWithKeysAndValuesHaveTheBitsOfTheSpecification(PanelFormat format) {
        int depth = 7;
        for (int n : new int[] {1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64}) {
            MemorySegment w = panels.memory(depth * format.rowBytes(n) + 12);
            float[] numbers = numbers(depth * n);
            for (int i = 0; i < numbers.length; i++) {
                format.put(numbers[i], w, 12 + i / n * format.rowBytes(n), i % n);
            }
            for (int rows : new int[] {1, 2, 3, 24}) {
                float[] x = numbers(rows * 9 + 2);
                float[] expected = numbers(rows * (n + 3));
                float[] actual = expected.clone();
                float[] chains = expected.clone();
                Rows in = new Rows(x, 2, 9, rows);
                scalar.reductions().addWeightedRows(format, w, 12, depth, in, new Rows(expected, 3, n + 3, rows), 0, n);
                vector.reductions().addWeightedRows(format, w, 12, depth, in, new Rows(actual, 3, n + 3, rows), 0, n);
                for (int i = 0; i < rows * n; i++) {
                    int at = 3 + i / n * (n + 3) + i % n;
                    for (int k = 0; k < depth; k++) {
                        float number = format.code(w, 12 + k * format.rowBytes(n), i % n);
                        chains[at] = Math.fma(x[in.start(i / n) + k], number, chains[at]);
                    }
                }
                assertThat(expected).as("n %d, rows %d", n, rows).isEqualTo(chains);
                assertThat(actual).as("n %d, rows %d", n, rows).isEqualTo(chains);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void normHasTheBitsOfTheSpecification(boolean centered) {
        for (int n : LENGTHS) {
            float[] x = numbers(n + 4);
            NormRule rule = new NormRule(numbers(n), numbers(n), 1e-5f, centered);
            float[] expected = new float[n + 2];
            float[] actual = expected.clone();
            scalar.reductions().norm(rule, x, 4, expected, 2);
            vector.reductions().norm(rule, x, 4, actual, 2);
            assertThat(actual).as("n %d", n).isEqualTo(expected);
        }
    }

    @Test
    void sumsAndProductsOfNumbersHaveTheBitsOfTheSpecification() {
        for (int n : LENGTHS) {
            float[] x = numbers(n + 2);
            float[] expected = numbers(n + 3);
            float[] actual = expected.clone();
            scalar.elementwise().add(x, 2, expected, 3, n);
            scalar.elementwise().scale(x, 1, expected, 2, n);
            vector.elementwise().add(x, 2, actual, 3, n);
            vector.elementwise().scale(x, 1, actual, 2, n);
            assertThat(actual).as("n %d", n).isEqualTo(expected);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void normBackwardHasTheBitsOfTheSpecification(boolean centered) {
        for (int n : LENGTHS) {
            float[] x = numbers(n + 4);
            float[] dy = numbers(n + 4);
            NormRule rule = new NormRule(numbers(n), new float[n], 1e-5f, centered);
            float[] expected = numbers(n + 4);
            float[] actual = expected.clone();
            float[] moments = new float[3];
            float[] sameMoments = new float[3];
            scalar.reductions().normBackward(rule, x, dy, expected, 4, moments, 1);
            vector.reductions().normBackward(rule, x, dy, actual, 4, sameMoments, 1);
            assertThat(actual).as("n %d", n).isEqualTo(expected);
            assertThat(sameMoments).isEqualTo(moments);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void normIsCloseToDouble(boolean centered) {
        for (int n : new int[] {2, 35, 768}) {
            float[] x = numbers(n);
            float[] gain = numbers(n);
            float[] bias = numbers(n);
            float[] y = new float[n];
            scalar.reductions().norm(new NormRule(gain, bias, 1e-5f, centered), x, 0, y, 0);
            double mean = 0;
            double variance = 0;
            for (float value : x) {
                mean += centered ? value / (double) n : 0;
            }
            for (float value : x) {
                variance += (value - mean) * (value - mean) / n;
            }
            for (int i = 0; i < n; i++) {
                double expected = (x[i] - mean) / Math.sqrt(variance + 1e-5f) * gain[i] + bias[i];
                assertThat((double) y[i]).isCloseTo(expected, org.assertj.core.data.Offset.offset(2e-5));
            }
        }
    }

    @Test
    void reductionsHaveTheBitsOfTheSpecification() {
        for (int n : LENGTHS) {
            float[] x = numbers(n + 3);
            x[3] = 0f;
            x[3 + n / 2] = Float.NEGATIVE_INFINITY;
            float max = scalar.reductions().max(x, 3, n);
            assertThat(vector.reductions().max(x, 3, n)).as("n %d", n).isEqualTo(max);
            if (n > 1) {
                float sum = scalar.reductions().expSum(x, 3, n, max, false);
                assertThat(vector.reductions().expSum(x, 3, n, max, false)).isEqualTo(sum);
                assertThat(vector.reductions().expMoment(x, 3, n, max))
                        .isEqualTo(scalar.reductions().expMoment(x, 3, n, max));
                float[] exponentials = x.clone();
                assertThat(vector.reductions().expSum(exponentials, 3, n, max, true))
                        .isEqualTo(sum);
                assertThat(vector.reductions().sum(exponentials, 3, n)).isEqualTo(sum);
            }
            assertThat(vector.reductions().sum(x, 3, n))
                    .isEqualTo(scalar.reductions().sum(x, 3, n));
            float[] expected = x.clone();
            float[] actual = x.clone();
            scalar.elementwise().softmaxBackward(expected, 3, n, max, 0.3f, -1e-4f, 0.1f);
            vector.elementwise().softmaxBackward(actual, 3, n, max, 0.3f, -1e-4f, 0.1f);
            assertThat(actual).isEqualTo(expected);
            for (float threshold : new float[] {-0f, 0f, max, Math.nextUp(max), x[n + 2], Float.NaN}) {
                assertThat(vector.reductions().countAtLeast(x, 3, n, threshold))
                        .as("n %d, threshold %s", n, threshold)
                        .isEqualTo(scalar.reductions().countAtLeast(x, 3, n, threshold));
            }
            x[n + 2] = Float.NaN;
            assertThat(vector.reductions().max(x, 3, n)).isNaN();
            assertThat(scalar.reductions().max(x, 3, n)).isNaN();
        }
    }

    private float[] numbers(int n) {
        return numbers(random, n);
    }

    /** Normal numbers of different scales. */
    static float[] numbers(SplittableRandom random, int n) {
        float[] x = new float[n];
        for (int i = 0; i < n; i++) {
            x[i] = (float) (random.nextGaussian() * Math.exp(random.nextGaussian()));
        }
        return x;
    }
}
