package dev.causal4j.head;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.NonFiniteException;
import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.Matrix;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class LossTest {
    private static final int IGNORED = CausalLMHead.IGNORED;

    private final int threads = Compute.shared().threads();

    @AfterEach
    void restoreThreads() {
        Compute.shared().use(threads);
    }

    /** A loss, its gradient by hidden [N, D] and its gradient by the projection [V, D]. */
    private record Result(Loss loss, float[] dHidden, float[] dProjection) {}

    private static Result run(CausalLMHead head, Rows hidden, int[] targets, LossOptions options) {
        return run(head, hidden, targets, options, Gradient.of(Device.shared(), head.projection()));
    }

    private static Result run(CausalLMHead head, Rows hidden, int[] targets, LossOptions options, Gradient gradient) {
        int size = head.hiddenSize();
        Rows dHidden = Rows.of(new float[hidden.count() * size], size, hidden.count());
        Arrays.fill(dHidden.data(), Float.NaN); // all of it is to be written
        Loss loss = head.lossAndGradients(hidden, targets, options, dHidden, gradient, new Loss.Scratch());
        float[] numbers = new float[head.vocabularySize() * size];
        for (int n = 0; n < head.vocabularySize(); n++) {
            gradient.row(n, numbers, n * size);
        }
        return new Result(loss, dHidden.data(), numbers);
    }

    /** Every seventh target and the first two are ignored. */
    private static int[] targets(int count, int vocabularySize, long seed) {
        int[] targets = Fixture.tokens(count, vocabularySize, seed);
        for (int r = 0; r < count; r++) {
            targets[r] = r < 2 || r % 7 == 3 ? IGNORED : targets[r];
        }
        return targets;
    }

    /**
     * The bound of Apple's ml-cross-entropy: no further from double than the ordinary method in float, plus a little.
     */
    @ParameterizedTest
    @CsvSource({"0,0,0", "0.1,0,0", "0,1e-3,0", "0,0,5", "0.2,1e-2,4"})
    void isNoFurtherFromDoubleThanMaterialisedFloat(double smoothing, double zLoss, float cap) {
        int n = 252;
        int vocabularySize = 507;
        int size = 123;
        CausalLMHead plain = Fixture.head(DType.F32, vocabularySize, size, 1);
        CausalLMHead head = cap == 0 ? plain : plain.withSoftCap(cap);
        Rows hidden = Fixture.rows(n, size, 2);
        int[] targets = targets(n, vocabularySize, 3);
        LossOptions options = LossOptions.DEFAULT.withLabelSmoothing(smoothing).withZLoss(zLoss);
        Reference exact = new Reference(head, hidden, targets, options, cap, false);
        Reference materialised = new Reference(head, hidden, targets, options, cap, true);
        Result actual = run(head, hidden, targets, options);
        assertThat(actual.loss().loss()).isCloseTo(exact.loss, within(1e-6));
        assertThat(actual.loss().targets()).isEqualTo(exact.targets);
        assertClose(actual.dHidden(), exact.dHidden, materialised.dHidden);
        assertClose(actual.dProjection(), exact.dProjection, materialised.dProjection);
    }

    @Test
    void memoryOfALargerBatchChangesNothing() {
        CausalLMHead head = Fixture.head(DType.F32, 507, 123, 1);
        Loss.Scratch scratch = new Loss.Scratch();
        for (int n : new int[] {60, 7, 60}) {
            Rows hidden = Fixture.rows(n, 123, n);
            int[] targets = targets(n, 507, n);
            Result expected = run(head, hidden, targets, LossOptions.DEFAULT);
            Rows dHidden = Rows.of(new float[n * 123], 123, n);
            Gradient gradient = Gradient.of(Device.shared(), head.projection());
            Loss loss = head.lossAndGradients(hidden, targets, LossOptions.DEFAULT, dHidden, gradient, scratch);
            assertThat(loss).isEqualTo(expected.loss());
            assertThat(dHidden.data()).isEqualTo(expected.dHidden());
            float[] row = new float[123];
            for (int v = 0; v < 507; v++) {
                gradient.row(v, row, 0);
                assertThat(row).isEqualTo(Arrays.copyOfRange(expected.dProjection(), v * 123, (v + 1) * 123));
            }
        }
    }

    private static void assertClose(float[] actual, double[] exact, double[] materialised) {
        double largest = Arrays.stream(exact).map(Math::abs).max().orElseThrow();
        double error = 0;
        double ordinary = 0;
        for (int i = 0; i < exact.length; i++) {
            error = Math.max(error, Math.abs(actual[i] - exact[i]));
            ordinary = Math.max(ordinary, Math.abs(materialised[i] - exact[i]));
        }
        assertThat(error).isLessThanOrEqualTo(1e-5 * largest).isLessThanOrEqualTo(ordinary + 1e-6);
    }

    /** The formulas in nested loops, with all logits at once, in double or rounded to float after every step. */
    private static final class Reference {
        private final boolean single;
        private double loss;
        private int targets;
        private final double[] dHidden;
        private final double[] dProjection;

        Reference(CausalLMHead head, Rows hidden, int[] wanted, LossOptions options, float cap, boolean single) {
            this.single = single;
            int size = head.hiddenSize();
            int v = head.vocabularySize();
            dHidden = new double[hidden.count() * size];
            dProjection = new double[v * size];
            float[] weights = new float[v * size];
            for (int n = 0; n < v; n++) {
                head.projection().row(n, weights, n * size);
            }
            double e = options.labelSmoothing();
            targets = (int) Arrays.stream(wanted).filter(t -> t != IGNORED).count();
            double[] z = new double[v];
            for (int r = 0; r < hidden.count(); r++) {
                if (wanted[r] == IGNORED) {
                    continue;
                }
                int x = hidden.start(r);
                for (int n = 0; n < v; n++) {
                    double sum = 0;
                    for (int k = 0; k < size; k++) {
                        sum = round(sum + round(hidden.data()[x + k] * (double) weights[n * size + k]));
                    }
                    z[n] = cap == 0 ? sum : round(cap * Math.tanh(sum / cap));
                }
                double max = Arrays.stream(z).max().orElseThrow();
                double total = 0;
                double mean = 0;
                for (double logit : z) {
                    total = round(total + round(Math.exp(logit - max)));
                    mean = round(mean + logit / v);
                }
                double normalizer = round(max + round(Math.log(total)));
                loss += (normalizer - (1 - e) * z[wanted[r]] - e * mean + options.zLoss() * normalizer * normalizer)
                        / targets;
                for (int n = 0; n < v; n++) {
                    double dz = round(Math.exp(z[n] - normalizer)) * (1 + 2 * options.zLoss() * normalizer) - e / v;
                    dz -= n == wanted[r] ? 1 - e : 0;
                    dz = round(dz * (cap == 0 ? 1 : 1 - z[n] / cap * z[n] / cap) / targets);
                    for (int k = 0; k < size; k++) {
                        int i = r * size + k;
                        int j = n * size + k;
                        dHidden[i] = round(dHidden[i] + round(dz * weights[j]));
                        dProjection[j] = round(dProjection[j] + round(dz * hidden.data()[x + k]));
                    }
                }
            }
        }

        private double round(double x) {
            return single ? (float) x : x;
        }
    }

    @Test
    void valueAloneHasTheBitsOfTheValueWithGradients() {
        CausalLMHead head = Fixture.head(DType.BF16, 1100, 30, 1).withSoftCap(6);
        Rows hidden = Fixture.rows(300, 30, 2);
        int[] targets = targets(300, 1100, 3);
        LossOptions options = LossOptions.DEFAULT.withLabelSmoothing(0.1).withZLoss(1e-3);
        assertThat(head.loss(hidden, targets, options))
                .isEqualTo(run(head, hidden, targets, options).loss());
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void threadsChangeNoBit(DType dtype) {
        int width = dtype.isQuantised() ? 96 : 71;
        CausalLMHead head = Fixture.head(dtype, 1100, width, 1).withSoftCap(6);
        Rows hidden = Fixture.rows(300, width, 2);
        int[] targets = targets(300, 1100, 3);
        LossOptions options = LossOptions.DEFAULT.withLabelSmoothing(0.1).withZLoss(1e-3);
        Compute.shared().use(1);
        Result one = run(head, hidden, targets, options);
        for (int count = 2; count <= 3; count++) {
            Compute.shared().use(count);
            assertSame(run(head, hidden, targets, options), one);
        }
    }

    private static void assertSame(Result actual, Result expected) {
        assertThat(actual.loss()).isEqualTo(expected.loss());
        assertThat(actual.dHidden()).isEqualTo(expected.dHidden());
        assertThat(actual.dProjection()).isEqualTo(expected.dProjection());
    }

    /** The vocabulary makes a chunk of logits hold 31 rows, so that the batch of 100 is cut into four as well. */
    @Test
    void accumulatedPartsHaveTheBitsOfOneBigBatch() {
        int vocabularySize = 400_000;
        CausalLMHead head = Fixture.head(DType.F32, vocabularySize, 3, 1);
        Rows hidden = Fixture.rows(100, 3, 2);
        int[] targets = targets(100, vocabularySize, 3);
        int count = (int) Arrays.stream(targets).filter(t -> t != IGNORED).count();
        Result whole = run(head, hidden, targets, LossOptions.DEFAULT);
        LossOptions options = LossOptions.DEFAULT.withDenominator(count);
        Gradient gradient = Gradient.of(Device.shared(), head.projection());
        double loss = 0;
        for (int[] part : new int[][] {{0, 40}, {40, 41}, {41, 100}}) {
            Rows some = new Rows(hidden.data(), hidden.start(part[0]), 3, part[1] - part[0]);
            Result result = run(head, some, Arrays.copyOfRange(targets, part[0], part[1]), options, gradient);
            loss += result.loss().loss();
            assertThat(result.dHidden()).isEqualTo(Arrays.copyOfRange(whole.dHidden(), part[0] * 3, part[1] * 3));
            if (part[1] == 100) {
                assertThat(result.dProjection()).isEqualTo(whole.dProjection());
            }
        }
        assertThat(loss).isCloseTo(whole.loss().loss(), within(1e-12));
    }

    @Test
    void theSumIsTheMeanTimesTheTargets() {
        CausalLMHead head = Fixture.head(DType.F32, 50, 4, 1);
        Rows hidden = Fixture.rows(20, 4, 2);
        int[] targets = targets(20, 50, 3);
        Loss mean = head.loss(hidden, targets, LossOptions.DEFAULT);
        Loss sum = head.loss(hidden, targets, LossOptions.DEFAULT.withDenominator(1));
        assertThat(sum.loss()).isEqualTo(sum.sum()).isEqualTo(mean.sum());
        assertThat(mean.loss()).isEqualTo(mean.sum() / mean.targets());
    }

    @Test
    void ignoredRowsNeitherCountNorMatter() {
        CausalLMHead head = Fixture.head(DType.F32, 50, 4, 1);
        Rows hidden = Fixture.rows(20, 4, 2);
        int[] targets = targets(20, 50, 3);
        Result expected = run(head, hidden, targets, LossOptions.DEFAULT);
        for (int r = 0; r < 20; r++) {
            if (targets[r] == IGNORED) {
                Arrays.fill(hidden.data(), r * 4, r * 4 + 4, Float.NaN);
                assertThat(Arrays.copyOfRange(expected.dHidden(), r * 4, r * 4 + 4))
                        .containsOnly(0f);
            }
        }
        assertSame(run(head, hidden, targets, LossOptions.DEFAULT), expected);
    }

    @Test
    void withoutTargetsLossAndGradientsAreZero() {
        CausalLMHead head = Fixture.head(DType.F32, 50, 4, 1);
        int[] none = {IGNORED, IGNORED};
        Result result = run(head, Fixture.rows(2, 4, 2), none, LossOptions.DEFAULT);
        assertThat(result.loss()).isEqualTo(new Loss(0, 0, 0));
        assertThat(result.dHidden()).containsOnly(0f);
        assertThat(result.dProjection()).containsOnly(0f);
        assertThat(head.loss(Fixture.rows(2, 4, 2), none, LossOptions.DEFAULT)).isEqualTo(new Loss(0, 0, 0));
        assertThat(head.loss(Fixture.rows(0, 4, 2), new int[0], LossOptions.DEFAULT))
                .isEqualTo(new Loss(0, 0, 0));
    }

    /** The loss of given logits: the projection is the identity, so hidden vectors are logits. */
    private static Loss ofLogits(float[][] logits, int[] targets, LossOptions options) {
        int v = logits[0].length;
        Rows hidden = Rows.of(new float[logits.length * v], v, logits.length);
        for (int r = 0; r < logits.length; r++) {
            System.arraycopy(logits[r], 0, hidden.data(), hidden.start(r), v);
        }
        Matrix identity = Matrix.of(Device.shared(), DType.F32, v, v, (n, row) -> {
            Arrays.fill(row, 0);
            row[n] = 1;
        });
        return CausalLMHead.tied(identity).loss(hidden, targets, options);
    }

    @Test
    void givesTheLossesAndPerplexitiesOfKeras() {
        float[][] three = {{8, 1, 1}, {0, 9, 1}, {2, 3, 5}};
        assertThat(ofLogits(three, new int[] {0, 1, 2}, LossOptions.DEFAULT).loss())
                .isCloseTo(0.0573, within(1e-4));
        float[][] logits = {
            {1.034f, 4.797f, 2.82f, 1.154f},
            {2.258f, 1.591f, 1.811f, 1.852f},
            {3.216f, 1.037f, .3662f, 2.7f},
            {1.363f, 1.726f, 1.898f, 2.582f},
            {1.163f, 1.943f, 1.761f, 1.497f},
            {2.766f, 1.453f, 2.61f, 2.805f}
        };
        int[] targets = {1, 3, 0, 2, 1, 3};
        int[] zeroMasked = {1, 3, IGNORED, 2, 1, 3};
        assertThat(Math.exp(ofLogits(logits, targets, LossOptions.DEFAULT).loss()))
                .isCloseTo(2.6542, within(5e-5));
        Loss masked = ofLogits(logits, zeroMasked, LossOptions.DEFAULT);
        assertThat(Math.exp(masked.loss())).isCloseTo(2.8789, within(5e-5));
        LossOptions padded = LossOptions.DEFAULT.withDenominator(6);
        assertThat(ofLogits(logits, zeroMasked, padded).loss()).isCloseTo(0.881171, within(5e-7));
    }

    /** Both uses of a tied matrix add to one buffer: first the projection, then the lookup. */
    @Test
    void bothHalvesOfATiedGradientAddUp() {
        CausalLMHead head = Fixture.head(DType.F32, 70, 5, 1);
        Rows hidden = Fixture.rows(9, 5, 2);
        Result projection = run(head, hidden, targets(9, 70, 3), LossOptions.DEFAULT);
        int[] tokens = {69, 0, 69, 3, 69};
        Rows dRows = Fixture.rows(5, 5, 4);
        Gradient gradient = Gradient.of(Device.shared(), head.embedding());
        run(head, hidden, targets(9, 70, 3), LossOptions.DEFAULT, gradient);
        head.embedBackward(tokens, dRows, gradient);
        float[] expected = projection.dProjection();
        for (int i = 0; i < tokens.length; i++) {
            for (int k = 0; k < 5; k++) {
                expected[tokens[i] * 5 + k] += dRows.data()[i * 5 + k];
            }
        }
        float[] row = new float[5];
        for (int n = 0; n < 70; n++) {
            gradient.row(n, row, 0);
            assertThat(row).isEqualTo(Arrays.copyOfRange(expected, n * 5, n * 5 + 5));
        }
    }

    /** A step against the gradient makes the loss smaller by its squared length, to first order. */
    @Test
    void theGradientByHiddenPredictsTheChangeOfTheLoss() {
        CausalLMHead head = Fixture.head(DType.F32, 90, 6, 1).withSoftCap(3);
        Rows hidden = Fixture.rows(5, 6, 2);
        int[] targets = Fixture.tokens(5, 90, 3);
        LossOptions options = LossOptions.DEFAULT.withLabelSmoothing(0.1).withZLoss(0.01);
        Result result = run(head, hidden, targets, options);
        Random random = new Random(4);
        for (int i = 0; i < hidden.data().length; i += 1 + random.nextInt(3)) {
            float before = hidden.data()[i];
            hidden.data()[i] = before + 0x1p-8f;
            double up = head.loss(hidden, targets, options).loss();
            hidden.data()[i] = before - 0x1p-8f;
            double down = head.loss(hidden, targets, options).loss();
            hidden.data()[i] = before;
            assertThat((double) result.dHidden()[i]).isCloseTo((up - down) / 0x1p-7, within(5e-5));
        }
    }

    @Test
    void whatDoesNotFitIsRefusedAndNothingIsWritten() {
        CausalLMHead head = Fixture.head(DType.F32, 50, 4, 1);
        Rows hidden = Fixture.rows(2, 4, 2);
        Rows dHidden = Rows.of(new float[] {7, 7, 7, 7, 7, 7, 7, 7}, 4, 2);
        Gradient gradient = Gradient.of(Device.shared(), head.projection());
        assertThatThrownBy(() -> head.lossAndGradients(
                        hidden, new int[] {IGNORED, 50}, LossOptions.DEFAULT, dHidden, gradient, new Loss.Scratch()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("target at position 1: expected 0 to 49 or -100 to ignore it, got 50");
        Gradient other =
                Gradient.of(Device.shared(), Fixture.head(DType.F32, 51, 4, 1).projection());
        assertThatThrownBy(() -> head.lossAndGradients(
                        hidden, new int[] {0, 1}, LossOptions.DEFAULT, dHidden, other, new Loss.Scratch()))
                .hasMessage("dProjection: expected the matrix's shape [50, 4], got [51, 4]");
        Rows one = Rows.of(new float[4], 4, 1);
        assertThatThrownBy(() -> head.lossAndGradients(
                        hidden, new int[] {0, 1}, LossOptions.DEFAULT, one, gradient, new Loss.Scratch()))
                .hasMessage("rows of dHidden: expected 2, got 1");
        assertThatThrownBy(() -> head.embedBackward(new int[] {0, 50}, hidden, gradient))
                .hasMessage("token id at position 1: expected 0 to 49, got 50");
        hidden.data()[4] = Float.NaN;
        assertThatThrownBy(() -> head.lossAndGradients(
                        hidden,
                        new int[] {IGNORED, 1},
                        LossOptions.DEFAULT,
                        one(dHidden),
                        gradient,
                        new Loss.Scratch()))
                .isInstanceOf(NonFiniteException.class)
                .hasMessage("hidden row 1: expected finite numbers, got NaN at index 0");
        assertThatThrownBy(() -> head.loss(hidden, new int[] {IGNORED, 1}, LossOptions.DEFAULT))
                .hasMessage("hidden row 1: expected finite numbers, got NaN at index 0");
        assertThat(dHidden.data()).containsOnly(7f);
        float[] row = new float[4];
        gradient.row(1, row, 0);
        assertThat(row).containsOnly(0f);
    }

    private static Rows one(Rows like) {
        return Rows.of(new float[like.data().length], like.stride(), like.count());
    }

    @Test
    void optionsOutOfRangeAreRefused() {
        assertThatThrownBy(() -> LossOptions.DEFAULT.withLabelSmoothing(1).withZLoss(0))
                .hasMessage("label smoothing: expected a number from 0 to below 1, got 1.0");
        assertThatThrownBy(
                        () -> LossOptions.DEFAULT.withLabelSmoothing(Double.NaN).withZLoss(0))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> LossOptions.DEFAULT.withLabelSmoothing(0).withZLoss(-1))
                .hasMessage("z-loss: expected a finite number of at least 0, got -1.0");
        assertThatThrownBy(() -> LossOptions.DEFAULT.withDenominator(-1))
                .hasMessage("loss denominator: expected at least 1, got -1");
    }
}
