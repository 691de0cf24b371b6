package dev.causal4j.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.function.LongToDoubleFunction;
import org.junit.jupiter.api.Test;

class CounterRandomTest {
    private static final int DRAWS = 1 << 18;
    // Chi-squared at p = 0.0001 for the degrees of freedom in its name. Seeds are fixed, so a test passes always or
    // never.
    private static final double CRITICAL_7 = 29.8775;
    private static final double CRITICAL_255 = 347.654;

    @Test
    void givesThePublishedAnswersOfPhilox() {
        // kat_vectors of Random123, philox4x32 with 10 rounds.
        assertThat(CounterRandom.block(0, 0, 0).half(0, 0)).isEqualTo(0x6627e8d5_e169c58dL);
        assertThat(CounterRandom.block(0, 0, 0).half(0, 1)).isEqualTo(0xbc57ac4c_9b00dbd8L);
        assertThat(CounterRandom.block(-1, -1, -1).half(0, 0)).isEqualTo(0x408f276d_41c83b0eL);
        assertThat(CounterRandom.block(-1, -1, -1).half(0, 1)).isEqualTo(0xa20bc7c6_6d5451fdL);
        long low = 0x85a308d3_243f6a88L;
        long high = 0x03707344_13198a2eL;
        long key = 0x299f31d0_a4093822L;
        assertThat(CounterRandom.block(low, high, key).half(0, 0)).isEqualTo(0xd16cfe09_94fdccebL);
        assertThat(CounterRandom.block(low, high, key).half(0, 1)).isEqualTo(0x5001e420_24126ea1L);
    }

    @Test
    void keepsItsValuesForever() {
        // Uniforms from an independent program; a change here changes every seeded text and every seeded model.
        assertThat(CounterRandom.uniform(42, 6, 0)).isEqualTo(0.7295992648393473);
        assertThat(CounterRandom.uniform(42, 7, 0)).isEqualTo(0.5864003457546061);
        assertThat(CounterRandom.uniform(-1, 12345678901234L, 3L << 32)).isEqualTo(0.16678723943704754);
        assertThat(CounterRandom.normal(42, 6, 0)).isEqualTo(-1.3847915069807142);
        assertThat(CounterRandom.normal(42, 7, 0)).isEqualTo(-0.8354956099521642);
        assertThat(CounterRandom.normal(-1, 12345678901234L, 3L << 32)).isEqualTo(0.42402485386573585);
    }

    @Test
    void aStreamGivesTheNumbersOfItsAddresses() {
        for (long start : new long[] {0, 77, (1L << 33) - 100, -200, Long.MAX_VALUE - 100}) {
            CounterRandom.Stream dense = new CounterRandom.Stream(-5, 3L << 40);
            for (int i = 0; i < 600; i += i % 5 == 0 ? 2 : 1) {
                assertThat(dense.uniform(start + i)).isEqualTo(CounterRandom.uniform(-5, start + i, 3L << 40));
            }
        }
        CounterRandom.Stream stream = new CounterRandom.Stream(7, 1L << 32);
        for (long position : new long[] {0, 1, 2, 3, 5, 4, 4, -1, -2, 100, Long.MIN_VALUE, 101}) {
            assertThat(stream.uniform(position)).isEqualTo(CounterRandom.uniform(7, position, 1L << 32));
        }
    }

    @Test
    void uniformsStayBelowOneAndFillTheUnitInterval() {
        int[] counts = new int[256];
        for (int i = 0; i < DRAWS; i++) {
            double u = CounterRandom.uniform(1, i, 0);
            assertThat(u).isGreaterThanOrEqualTo(0).isLessThan(1);
            counts[(int) (u * 256)]++;
        }
        assertThat(chiSquaredOfEqualCells(counts)).isLessThan(CRITICAL_255);
    }

    @Test
    void neighboursInEveryArgumentAreIndependent() {
        assertThat(dependence(i -> CounterRandom.uniform(5, i, 0), i -> CounterRandom.uniform(5, i + 1, 0)))
                .isLessThan(CRITICAL_255);
        assertThat(dependence(i -> CounterRandom.uniform(5, i, 0), i -> CounterRandom.uniform(6, i, 0)))
                .isLessThan(CRITICAL_255);
        assertThat(dependence(i -> CounterRandom.uniform(5, i, 0), i -> CounterRandom.uniform(5, i, 1)))
                .isLessThan(CRITICAL_255);
        // Neighbouring seeds, and streams, at one position, as several sequences with one seed each draw them.
        assertThat(dependence(i -> CounterRandom.uniform(i, 9, 0), i -> CounterRandom.uniform(i + 1, 9, 0)))
                .isLessThan(CRITICAL_255);
        assertThat(dependence(i -> CounterRandom.uniform(9, 9, i), i -> CounterRandom.uniform(9, 9, i + 1)))
                .isLessThan(CRITICAL_255);
    }

    @Test
    void theTestOfIndependenceSeesAWeakDependence() {
        LongToDoubleFunction first = i -> CounterRandom.uniform(5, i, 0);
        // One pair in fifty is the same number twice.
        LongToDoubleFunction second = i -> CounterRandom.uniform(5, i % 50 == 0 ? i : i + 1, 0);
        assertThat(dependence(first, second)).isGreaterThan(CRITICAL_255);
    }

    @Test
    void normalsAreStandardNormal() {
        // Eight equally likely cells of the standard normal distribution.
        double[] quantiles = {-1.1503494, -0.6744898, -0.3186394, 0, 0.3186394, 0.6744898, 1.1503494};
        int[] counts = new int[8];
        double sum = 0;
        double squares = 0;
        double neighbours = 0;
        for (int i = 0; i < DRAWS; i++) {
            double x = CounterRandom.normal(3, i, 7);
            int cell = 0;
            while (cell < quantiles.length && x > quantiles[cell]) {
                cell++;
            }
            counts[cell]++;
            sum += x;
            squares += x * x;
            neighbours += x * CounterRandom.normal(3, i + 1, 7);
        }
        assertThat(chiSquaredOfEqualCells(counts)).isLessThan(CRITICAL_7);
        // Four standard errors: of the mean 1 / sqrt(n), of the variance sqrt(2 / n), of the product 1 / sqrt(n).
        double error = 4 / Math.sqrt(DRAWS);
        assertThat(sum / DRAWS).isBetween(-error, error);
        assertThat(squares / DRAWS).isBetween(1 - error * Math.sqrt(2), 1 + error * Math.sqrt(2));
        assertThat(neighbours / DRAWS).isBetween(-error, error);
    }

    /** Chi-squared of 16 x 16 cells of pairs, equally likely if both are uniform and independent. */
    private static double dependence(LongToDoubleFunction first, LongToDoubleFunction second) {
        int[] counts = new int[256];
        for (int i = 0; i < DRAWS; i++) {
            int row = (int) (first.applyAsDouble(i) * 16);
            int column = (int) (second.applyAsDouble(i) * 16);
            counts[16 * row + column]++;
        }
        return chiSquaredOfEqualCells(counts);
    }

    private static double chiSquaredOfEqualCells(int[] counts) {
        double expected = (double) DRAWS / counts.length;
        double sum = 0;
        for (int count : counts) {
            sum += (count - expected) * (count - expected) / expected;
        }
        return sum;
    }
}
