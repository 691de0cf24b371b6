package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** The lengths of drafts by the costs of steps. Times are given: no clock decides here. */
class DraftLengthsTest {
    private final StepCosts costs = new StepCosts(false, new Steps());
    private final DraftLengths lengths = new DraftLengths(costs, true);

    private void cost(int rows, double seconds) {
        costs.took(rows, 0, rows > 1, seconds);
    }

    private static double[] shares(double share, int count) {
        double[] all = new double[count];
        Arrays.setAll(all, i -> Math.pow(share, i + 1));
        return all;
    }

    @Test
    void aKnownCostIsExactAndAnUnknownOneLiesBetweenItsNeighbours() {
        cost(1, 0.010);
        cost(8, 0.020);
        cost(9, 0.040);
        assertThat(costs.of(1, false)).isEqualTo(0.010);
        assertThat(costs.of(8, true)).isEqualTo(0.020);
        assertThat(costs.of(4, true)).isBetween(0.010, 0.020);
        assertThat(costs.of(16, true)).isGreaterThan(0.040);
    }

    @Test
    void aSlowStepProvesLittleAndAFastOneAll() {
        cost(1, 0.010);
        cost(1, 1);
        assertThat(costs.of(1, false)).isCloseTo(0.011, within(1e-9));
        cost(1, 0.009);
        assertThat(costs.of(1, false)).isEqualTo(0.009);
    }

    @Test
    void rowsThatWereSlowOnceAreTriedAgain() {
        cost(1, 0.010);
        cost(4, 1);
        assertThat(lengths.paying(1, 1, shares(0.9, 3))).isLessThan(3);
        for (int i = 0; i < 5000; i++) {
            cost(1, 0.010);
        }
        assertThat(lengths.paying(1, 1, shares(0.9, 3))).isEqualTo(3);
        assertThat(costs.of(4, true)).isEqualTo(0.010); // no less than fewer rows
    }

    @Test
    void freeRowsTakeAllGuessesAndDearOnesNone() {
        cost(1, 0.010);
        cost(16, 0.010);
        assertThat(lengths.paying(1, 1, shares(0.5, 15))).isEqualTo(15);
        StepCosts dear = new StepCosts(false, new Steps());
        for (int rows = 1; rows <= 16; rows++) {
            dear.took(rows, 0, rows > 1, 0.010 * rows);
        }
        assertThat(new DraftLengths(dear, true).paying(1, 1, shares(0.9, 15))).isZero();
    }

    /** A search that ended at the first fall would end before each tile. */
    @Test
    void aCliffIsPassedWhereTheRowsAfterItPay() {
        for (int rows = 1; rows <= 16; rows++) {
            cost(rows, rows <= 8 ? 0.010 : 0.015);
        }
        assertThat(lengths.paying(1, 1, shares(0.5, 15))).isEqualTo(7);
        assertThat(lengths.paying(1, 1, shares(0.97, 15))).isEqualTo(15);
    }

    @Test
    void aStepHasAtMost32RowsUnlessItsSequencesAreMore() {
        cost(1, 0.010);
        cost(32, 0.010);
        assertThat(lengths.paying(20, 20, shares(0.9, 15))).isEqualTo(12);
        assertThat(lengths.paying(40, 40, shares(0.9, 15))).isZero();
    }

    @Test
    void stepsOfRecurrentLayersWithGuessesHaveCostsOfTheirOwn() {
        StepCosts recurrent = new StepCosts(true, new Steps());
        recurrent.took(1, 0, false, 0.010);
        recurrent.took(2, 0, true, 0.030);
        assertThat(recurrent.of(1, false)).isEqualTo(0.010);
        assertThat(recurrent.of(2, false)).isLessThan(0.012);
        assertThat(recurrent.of(2, true)).isEqualTo(0.030);
        assertThat(new DraftLengths(recurrent, true).paying(1, 1, 0.9)).isZero();
    }
}
