package dev.causal4j.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.GroupFormat.Scales;
import dev.causal4j.kernel.choice.Kernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Whole-number products: the specification against a reading of the definition, and the vectors of this JVM against
 * both.
 */
class GroupProductsTest {
    private static final int GROUP = RoundedRows.GROUP;

    /** Two blocks of two levels, the last of which is short. */
    private static final int DEPTH = 352;

    /** Largest magnitudes of 32 inputs: limits of the cases that the rounding distinguishes. */
    private static final float[] EDGES = {
        0f,
        -0f,
        Float.MIN_VALUE,
        Float.MIN_NORMAL,
        Math.nextDown(127 * Float.MIN_NORMAL),
        127 * Float.MIN_NORMAL,
        -1e-30f,
        1e30f,
        -Float.MAX_VALUE,
        Float.POSITIVE_INFINITY,
        Float.NEGATIVE_INFINITY,
        Float.NaN,
        Float.intBitsToFloat(0xff800001)
    };

    private final SplittableRandom random = new SplittableRandom(5);
    private final Products scalar = new Products();
    private final Products vector = JavaKernels.vector().products();

    private static Stream<GroupFormat> formats() {
        return GroupFormat.all();
    }

    /** A panel and the numbers that it was packed from. */
    private record Source(
            GroupFormat format, MemorySegment data, byte[][] codes, float[][] scales, float[][] minimums) {
        float scale(int j, int k) {
            float scale = scales[j][k / format.group()];
            return format.scales() == Scales.LEVELS ? scales[j][DEPTH / format.group() + k / 256] * scale : scale;
        }

        float least(int j, int k) {
            float least = minimums[j][k / format.group()];
            return format.scales() == Scales.LEVELS ? -(minimums[j][DEPTH / format.group() + k / 256] * least) : least;
        }

        Panels panels() {
            return new Panels(format, data, 0, format.bytes(DEPTH), 1, DEPTH);
        }
    }

    private Source source(GroupFormat format, boolean extreme) {
        MemorySegment data = Arena.ofAuto().allocate(format.bytes(DEPTH), 64);
        byte[][] codes = new byte[64][];
        float[][] scales = new float[64][];
        float[][] minimums = new float[64][];
        int most = (1 << format.bits()) - 1;
        int less = format.signed() ? 1 << (format.bits() - 1) : 0;
        new GroupPacker(format, DEPTH).pack(0, 64, data, 0, (row, c, s, m) -> {
            for (int k = 0; k < c.length; k++) {
                int stored = extreme ? (k + row) % 3 * most / 2 : random.nextInt(most + 1);
                c[k] = (byte) (stored - less);
            }
            for (int g = 0; g < s.length; g++) {
                boolean whole = format.scales() == Scales.LEVELS && g < DEPTH / format.group();
                float largest = format.scales() == Scales.FLOATS ? Float.MAX_VALUE : 65504;
                float[] numbers = {whole ? -128 : -largest, 0, whole ? 127 : largest, 0x1p-24f};
                s[g] = extreme ? numbers[(g + row) % (whole ? 3 : 4)] : whole ? random.nextInt(-128, 128) : half();
                m[g] = extreme ? Math.abs(numbers[row % 3]) % 128 : whole ? random.nextInt(128) : half();
            }
            codes[row] = c.clone();
            scales[row] = s.clone();
            minimums[row] = m.clone();
        });
        return new Source(format, data, codes, scales, minimums);
    }

    private float half() {
        return GroupEncoding.half(random.nextGaussian());
    }

    /** The definition, from inputs and codes as they are. */
    private static float output(Source w, int j, float[] x, int from) {
        float y = 0;
        int largest = 0;
        for (int first = 0; first < DEPTH; first += w.format.group()) {
            int block = from + first / GROUP * GROUP;
            float most = 0;
            boolean finite = true;
            for (int k = block; k < block + GROUP; k++) {
                finite &= Float.isFinite(x[k]);
                most = Math.max(most, Math.abs(x[k]));
            }
            float s = !finite ? Float.NaN : most / 127f < Float.MIN_NORMAL ? 0 : most / 127f;
            int dot = 0;
            int sum = 0;
            for (int k = first; k < first + w.format.group(); k++) {
                int q = s > 0 ? (int) Math.rint((double) (x[from + k] * (1f / s))) : 0;
                largest = Math.max(largest, Math.abs(q));
                dot += q * w.codes[j][k];
                sum += q;
            }
            y = Math.fma((float) dot, w.scale(j, first) * s, y);
            if (w.format.minimum()) {
                y = Math.fma(w.least(j, first), s * (float) sum, y);
            }
        }
        assertThat(largest).isLessThanOrEqualTo(127);
        return y;
    }

    private float[] inputs(int rows, boolean edges) {
        float[] x = new float[rows * DEPTH];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) random.nextGaussian();
            if (edges) {
                float edge = EDGES[i / GROUP % EDGES.length];
                x[i] = i % GROUP == i / GROUP % GROUP ? edge : Float.isFinite(edge) ? edge * random.nextFloat() : x[i];
            }
        }
        for (int k = 0; edges && k < GROUP; k++) {
            x[k] = k % 2 == 0 ? 1 : -1; // q of 127 and -127
        }
        return x;
    }

    private static RoundedRows rounded(Products products, GroupFormat format, Rows x) {
        RoundedRows rounded = RoundedRows.of(format, DEPTH, x.count());
        Arrays.fill(rounded.codes(), (byte) 77); // what was there before
        Arrays.fill(rounded.scales(), 7f);
        Arrays.fill(rounded.sums(), 7);
        for (int tile = 0; tile < rounded.tiles(); tile++) {
            products.round(x, rounded, tile);
        }
        return rounded;
    }

    @ParameterizedTest
    @MethodSource("formats")
    void everyProductIsItsDefinition(GroupFormat format) {
        for (boolean extreme : new boolean[] {false, true}) {
            Source w = source(format, extreme);
            for (int rows : new int[] {1, 3, 14, 17}) {
                float[] x = inputs(rows, extreme);
                float[] expected = new float[rows * 64];
                for (int i = 0; i < expected.length; i++) {
                    expected[i] = output(w, i % 64, x, i / 64 * DEPTH);
                    float alone = format.output(w.data, 0, i % 64, DEPTH, x, i / 64 * DEPTH);
                    assertThat(Float.floatToIntBits(alone)).isEqualTo(Float.floatToIntBits(expected[i]));
                }
                for (Products products : List.of(scalar, vector)) {
                    float[] y = new float[rows * 64];
                    products.multiply(
                            w.panels(), rounded(products, format, Rows.of(x, DEPTH, rows)), Rows.of(y, 64, rows));
                    assertThat(y).isEqualTo(expected);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("formats")
    void aWeightIsItsCodeTimesItsScalePlusItsMinimumRoundedOnce(GroupFormat format) {
        Source w = source(format, false);
        float[] steps = new float[DEPTH * 64];
        format.steps(w.data, 0, DEPTH, 0, DEPTH, steps);
        for (int i = 0; i < steps.length; i++) {
            int k = i / 64;
            int j = i % 64;
            double exact = (double) w.codes[j][k] * w.scale(j, k) + (format.minimum() ? w.least(j, k) : 0);
            assertThat(steps[i]).isEqualTo((float) exact);
        }
    }

    @ParameterizedTest
    @MethodSource("formats")
    void oneToFiftyRowsAndTheirPartsHaveTheBitsOfTheSpecification(GroupFormat format) {
        RandomPanels panels = new RandomPanels(random);
        for (int rows = 1; rows <= 50; rows++) {
            int depth = List.of(32, 96, DEPTH, 608).get(rows % 4);
            Panels w = panels.of(format, 1 + rows % 3, depth);
            int width = w.count() * 64;
            float[] x = new float[5 + rows * (depth + 3)];
            for (int i = 0; i < x.length; i++) {
                x[i] = (float) random.nextGaussian();
            }
            float[] expected = new float[7 + rows * (width + 1)];
            float[] actual = expected.clone();
            Rows in = new Rows(x, 5, depth + 3, rows);
            Rows y = new Rows(actual, 7, width + 1, rows);
            KernelSetTest.multiply(JavaKernels.scalar(), w, in, new Rows(expected, 7, width + 1, rows));
            KernelSetTest.multiply(JavaKernels.vector(), w, in, y);
            assertThat(actual).as("%d rows of %d", rows, depth).isEqualTo(expected);
            if (rows > RoundedRows.TILE) {
                Arrays.fill(actual, 7 + RoundedRows.TILE * (width + 1), actual.length, 0f);
                RoundedRows all = RoundedRows.of(format, depth, rows);
                for (int tile = 0; tile < all.tiles(); tile++) {
                    Kernels.round(format, in, all, tile);
                }
                int rest = rows - RoundedRows.TILE;
                vector.multiply(w, all.rows(RoundedRows.TILE, rest), y.rows(RoundedRows.TILE, rest));
                assertThat(actual).as("a part of %d rows", rows).isEqualTo(expected);
            }
        }
    }

    @Test
    void roundedRowsAreTheSameHoweverTheyAreRounded() {
        for (int group : new int[] {16, 32}) {
            GroupFormat format = new GroupFormat(8, true, group, false, Scales.HALVES);
            for (int rows : new int[] {1, 2, 15, 16, 17, 40}) {
                Rows x = Rows.of(inputs(rows, true), DEPTH, rows);
                RoundedRows expected = rounded(scalar, format, x);
                RoundedRows actual = rounded(vector, format, x);
                assertThat(actual.codes()).isEqualTo(expected.codes());
                assertThat(actual.scales()).isEqualTo(expected.scales());
                assertThat(actual.sums()).isEqualTo(expected.sums());
                for (int r = rows; r < expected.tiles() * expected.height(); r++) {
                    int at = expected.scaleAt(r, 3);
                    assertThat(expected.scales()[at]).isEqualTo(7); // unchanged
                }
            }
        }
    }

    @Test
    void halvesOfAStepRoundToEven() {
        float[] x = new float[DEPTH];
        x[0] = 127;
        x[1] = 0.5f;
        x[2] = 1.5f;
        x[3] = -2.5f;
        x[4] = -3.5f;
        RoundedRows rounded = rounded(scalar, GroupFormat.INT8, Rows.of(x, DEPTH, 1));
        assertThat(Arrays.copyOf(rounded.codes(), 6)).containsExactly(127, 0, 2, -2, -4, 0);
        assertThat(rounded.scales()[0]).isEqualTo(1);
        assertThat(rounded.sums()[0]).isEqualTo(123);
    }

    @Test
    void twoLevelsTakeAsManyBytesAsTheDesignAllows() {
        GroupFormat q4k = new GroupFormat(4, false, 32, true, Scales.LEVELS);
        GroupFormat q6k = new GroupFormat(8, true, 16, false, Scales.LEVELS);
        assertThat(q4k.bytes(4096) / (64 * 4096.0)).isLessThan(0.58);
        assertThat(q6k.bytes(4096) / (64 * 4096.0)).isLessThan(1.071);
    }

    @Test
    void rowsForOtherWeightsAreRefused() {
        Panels w = source(GroupFormat.INT8, false).panels();
        Rows y = Rows.of(new float[64], 64, 1);
        GroupFormat sixteen = new GroupFormat(8, true, 16, false, Scales.HALVES);
        assertThatThrownBy(() -> Kernels.multiply(w, RoundedRows.of(sixteen, DEPTH, 1), y))
                .hasMessageStartingWith("rounded rows: expected 352 inputs for INT8/32");
        assertThatThrownBy(() -> Kernels.multiply(w, RoundedRows.of(GroupFormat.INT8, 320, 1), y))
                .hasMessageEndingWith("got 320 in groups of 32");
        RoundedRows one = RoundedRows.of(GroupFormat.INT8, DEPTH, 1);
        RoundedRows outside = new RoundedRows(one.codes(), one.scales(), one.sums(), DEPTH, 32, 1, 1, 1);
        assertThatThrownBy(() -> Kernels.multiply(w, outside, y)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> RoundedRows.of(GroupFormat.INT8, DEPTH, 20).rows(8, 2))
                .hasMessage("tiles: expected a first row that is a multiple of 16, got 8");
    }
}
