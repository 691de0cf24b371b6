package dev.causal4j.head;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.NonFiniteException;
import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class LogProbabilitiesTest {
    private final int threads = Compute.shared().threads();

    @AfterEach
    void restoreThreads() {
        Compute.shared().use(threads);
    }

    @ParameterizedTest
    @CsvSource({"252,507,123,0", "7,1,3,0", "1,512,64,0", "5,513,64,0", "3,64,1,0", "9,1601,35,0", "31,1100,20,4"})
    void areThoseOfDoublePrecision(int n, int vocabularySize, int hiddenSize, float cap) {
        CausalLMHead plain = Fixture.head(DType.F32, vocabularySize, hiddenSize, 1);
        CausalLMHead head = cap == 0 ? plain : plain.withSoftCap(cap);
        Rows hidden = Fixture.rows(n, hiddenSize, 2);
        int[] targets = Fixture.tokens(n, vocabularySize, 3);
        LogProbabilities actual = head.logProbabilities(hidden, targets, true, 5);
        double[][] logits = Fixture.logits(head, hidden, cap);
        for (int r = 0; r < n; r++) {
            double normalizer = Fixture.logSumExp(logits[r]);
            double expected = logits[r][targets[r]] - normalizer;
            assertThat(actual.logNormalizers()[r]).isCloseTo(normalizer, within(2e-5));
            assertThat(actual.logProbabilities()[r])
                    .isCloseTo(expected, within(Math.max(2e-5, 1e-5 * Math.abs(expected))));
            double entropy = 0;
            for (double logit : logits[r]) {
                entropy -= Math.exp(logit - normalizer) * (logit - normalizer);
            }
            assertThat(requireNonNull(actual.entropies())[r]).isCloseTo(entropy, within(2e-5));
        }
    }

    /** Compared with the sorted logits themselves, so that rounding cannot explain another rank. */
    @ParameterizedTest
    @EnumSource(DType.class)
    void ranksAndAlternativesAreThoseOfAllLogitsSorted(DType dtype) {
        int width = dtype.isQuantised() ? 64 : 37;
        CausalLMHead head = Fixture.head(dtype, 1300, width, 4).withSoftCap(3);
        Rows hidden = Fixture.rows(11, width, 5);
        int[] targets = Fixture.tokens(11, 1300, 6);
        for (int k : new int[] {1, 7, 600, 1300, 5000}) {
            LogProbabilities actual = head.logProbabilities(hidden, targets, false, k);
            assertThat(actual.entropies()).isNull();
            for (int r = 0; r < 11; r++) {
                List<Candidate> all = head.topK(hidden, r, 1300);
                assertThat(actual.alternatives().get(r)).isEqualTo(all.subList(0, Math.min(k, 1300)));
                assertThat(all.get(actual.ranks()[r]).token()).isEqualTo(targets[r]);
            }
        }
    }

    @Test
    void ofEqualLogitsTheLowerIdIsTheBetterOne() {
        int vocabularySize = 1030; // three tiles
        CausalLMHead head = CausalLMHead.tied(
                Matrix.of(Device.shared(), DType.F32, vocabularySize, 1, (n, row) -> row[0] = n % 2 == 0 ? 0f : -0f));
        int[] targets = {0, 1, 511, 512, 513, 1029};
        LogProbabilities actual =
                head.logProbabilities(Rows.of(new float[] {1, 1, 1, 1, 1, 1}, 1, 6), targets, true, 3);
        assertThat(actual.ranks()).isEqualTo(targets);
        assertThat(actual.alternatives().getFirst())
                .extracting(Candidate::token)
                .containsExactly(0, 1, 2);
        assertThat(requireNonNull(actual.entropies())[0]).isCloseTo(Math.log(vocabularySize), within(1e-12));
        assertThat(actual.logProbabilities()[5]).isCloseTo(-Math.log(vocabularySize), within(1e-12));
    }

    @Test
    void threadsAndOtherRowsChangeNoBit() {
        int n = 500;
        CausalLMHead head = Fixture.head(DType.F32, 1300, 37, 4).withSoftCap(5);
        Rows hidden = Fixture.rows(n, 37, 7);
        int[] targets = Fixture.tokens(n, 1300, 8);
        Compute.shared().use(1);
        LogProbabilities expected = head.logProbabilities(hidden, targets, true, 3);
        for (int count = 2; count <= 3; count++) {
            Compute.shared().use(count);
            assertSameBits(head.logProbabilities(hidden, targets, true, 3), expected, 0, n);
        }
        for (int[] part : new int[][] {{0, 1}, {499, 500}, {3, 10}, {230, 260}}) {
            Rows some = new Rows(hidden.data(), hidden.start(part[0]), 37, part[1] - part[0]);
            int[] their = Arrays.copyOfRange(targets, part[0], part[1]);
            assertSameBits(head.logProbabilities(some, their, true, 3), expected, part[0], part[1]);
        }
    }

    private static void assertSameBits(LogProbabilities actual, LogProbabilities all, int from, int to) {
        assertThat(actual.logProbabilities()).isEqualTo(Arrays.copyOfRange(all.logProbabilities(), from, to));
        assertThat(actual.ranks()).isEqualTo(Arrays.copyOfRange(all.ranks(), from, to));
        assertThat(actual.logNormalizers()).isEqualTo(Arrays.copyOfRange(all.logNormalizers(), from, to));
        assertThat(actual.entropies()).isEqualTo(Arrays.copyOfRange(all.entropies(), from, to));
        assertThat(actual.alternatives()).isEqualTo(all.alternatives().subList(from, to));
    }

    @Test
    void logitsInHandGiveTheSameBits() {
        CausalLMHead head = Fixture.head(DType.BF16, 1300, 37, 4).withSoftCap(5);
        Rows hidden = Fixture.rows(11, 37, 7);
        int[] targets = Fixture.tokens(11, 1300, 8);
        Rows logits = Rows.of(new float[11 * 1300], 1300, 11);
        head.logits(hidden, logits);
        for (int k : new int[] {0, 3, 700}) {
            assertThat(head.logProbabilitiesOf(logits, targets, k).predictions())
                    .isEqualTo(head.logProbabilities(hidden, targets, false, k).predictions());
        }
        logits.data()[2 * 1300 + 600] = Float.NaN;
        assertThatThrownBy(() -> head.logProbabilitiesOf(logits, targets, 3))
                .isInstanceOf(NonFiniteException.class)
                .hasMessage("logits of row 2: expected numbers, got NaN at token id 600");
    }

    @Test
    void noRowsGiveNothing() {
        LogProbabilities none =
                Fixture.head(DType.F32, 5, 3, 1).logProbabilities(Rows.of(new float[0], 3, 0), new int[0]);
        assertThat(none.logProbabilities()).isEmpty();
        assertThat(none.alternatives()).isEmpty();
    }

    @Test
    void aBannedTokenIsImpossibleAndDisturbsNothing() {
        float[] weights = new float[1100];
        Arrays.fill(weights, 0, 600, Float.NEGATIVE_INFINITY); // the whole first tile
        CausalLMHead head =
                CausalLMHead.tied(Matrix.of(Device.shared(), DType.F32, 1100, 1, (n, row) -> row[0] = weights[n]));
        LogProbabilities actual = head.logProbabilities(Rows.of(new float[] {1, 1}, 1, 2), new int[] {5, 600}, true, 2);
        assertThat(actual.logProbabilities()[0]).isEqualTo(Double.NEGATIVE_INFINITY);
        assertThat(actual.ranks()).containsExactly(505, 0);
        assertThat(actual.logProbabilities()[1]).isCloseTo(-Math.log(500), within(1e-12));
        assertThat(actual.entropies()).containsExactly(new double[] {Math.log(500), Math.log(500)}, within(1e-12));
    }

    @Test
    void aRowWithoutASoftmaxIsNamedWithItsCause() {
        CausalLMHead head = Fixture.head(DType.F32, 700, 4, 1);
        Rows hidden = Fixture.rows(300, 4, 2);
        hidden.data()[270 * 4 + 2] = Float.NaN;
        hidden.data()[280 * 4] = Float.POSITIVE_INFINITY;
        assertThatThrownBy(() -> head.logProbabilities(hidden, new int[300]))
                .isInstanceOf(NonFiniteException.class)
                .hasMessage("hidden row 270: expected finite numbers, got NaN at index 2");
        Rows one = Rows.of(new float[] {1}, 1, 1);
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
            CausalLMHead broken = CausalLMHead.tied(
                    Matrix.of(Device.shared(), DType.F32, 700, 1, (n, row) -> row[0] = n == 650 ? bad : 1));
            assertThatThrownBy(() -> broken.logProbabilities(one, new int[] {0}, true, 3))
                    .isInstanceOf(NonFiniteException.class)
                    .hasMessage("logits of row 0: expected numbers, got " + bad + " at token id 650");
        }
        CausalLMHead none = CausalLMHead.tied(
                Matrix.of(Device.shared(), DType.F32, 3, 1, (n, row) -> row[0] = Float.NEGATIVE_INFINITY));
        assertThatThrownBy(() -> none.logProbabilities(one, new int[] {0}))
                .isInstanceOf(NonFiniteException.class)
                .hasMessage("logits of row 0: expected numbers, got -Infinity everywhere");
    }

    @Test
    void targetsThatDoNotFitAreRefused() {
        CausalLMHead head = Fixture.head(DType.F32, 5, 3, 1);
        Rows hidden = Fixture.rows(2, 3, 2);
        assertThatThrownBy(() -> head.logProbabilities(hidden, new int[] {4, 5}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("target at position 1: expected 0 to 4, got 5");
        assertThatThrownBy(() -> head.logProbabilities(hidden, new int[] {-100, 9}))
                .hasMessage("target at position 0: expected 0 to 4, got -100");
        assertThatThrownBy(() -> head.logProbabilities(hidden, new int[] {1})).hasMessage("targets: expected 2, got 1");
        assertThatThrownBy(() -> head.logProbabilities(hidden, new int[] {1, 1}, false, -1))
                .hasMessage("alternatives: expected at least 0, got -1");
    }
}
