package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.kernel.CounterRandom;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

/** The cases without weights of Hugging Face's tests, and what they leave open. */
class SamplingRuleTest {
    /** Ten logits -5 to 4, and a hundred times that: one token then has all but 4e-44 of the probability. */
    private static final float[] RAMP = {-5, -4, -3, -2, -1, 0, 1, 2, 3, 4};

    private static final float[] STEEP_RAMP = {-500, -400, -300, -200, -100, 0, 100, 200, 300, 400};

    @Test
    void topKKeepsTheKLargest() {
        assertThat(kept(new SamplingRule.TopK(3), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)).containsExactly(7, 8, 9);
        assertThat(kept(new SamplingRule.TopK(3), 10, 11, 12, 13, 14, 5, 6, 7, 8, 9))
                .containsExactly(2, 3, 4);
        assertThat(kept(new SamplingRule.TopK(99), 1, 2)).containsExactly(0, 1);
    }

    @Test
    void topKKeepsAllThatEqualTheKth() {
        assertThat(kept(new SamplingRule.TopK(2), 1, 3, 2, 2, 0, 2)).containsExactly(1, 2, 3, 5);
        assertThat(kept(new SamplingRule.TopK(1), -0f, 0f, -1))
                .as("both zeros are equal")
                .containsExactly(0, 1);
    }

    @Test
    void minTokensToKeepBeatsASmallerK() {
        SamplingRule rule = new SamplingRule.TopK(1, 3);
        assertThat(kept(rule, 0, 1, 2, 3, 4)).containsExactly(2, 3, 4);
        assertThat(kept(rule, 0.2f, 0.2f, 0.2f, 0.2f, 0.2f)).containsExactly(0, 1, 2, 3, 4);
    }

    @Test
    void topPDropsWhileTheDroppedHaveAtMostOneMinusP() {
        SamplingRule rule = new SamplingRule.TopP(0.8);
        assertDistribution(filtered(rule, .3, .1, .1, .5), .3, 0, 0, .5);
        assertDistribution(filtered(rule, .15, .3, .3, .25), 0, .3, .3, .25);
    }

    @Test
    void topPKeepsAtLeastAsManyAsAsked() {
        SamplingRule rule = new SamplingRule.TopP(0.9, 2);
        assertThat(kept(rule, RAMP)).containsExactly(7, 8, 9);
        assertThat(kept(rule, STEEP_RAMP)).containsExactly(8, 9);
    }

    @Test
    void topPKeepsTheLowestIdsOfEqualTokensAtTheBoundary() {
        assertThat(kept(new SamplingRule.TopP(0.5), 1, 1, 1, 1)).containsExactly(0, 1);
        assertThat(kept(new SamplingRule.TopP(0.3), 1, 1, 1, 1)).containsExactly(0, 1);
        assertThat(kept(new SamplingRule.TopP(0.6), 0, 5, 0, 5, 5)).containsExactly(1, 3);
    }

    @Test
    void topPKeepsNoTokenMoreWhereThoseKeptHaveExactlyP() {
        for (int n = 2; n <= 64; n++) {
            for (int k = 1; k < n; k++) {
                assertThat(kept(new SamplingRule.TopP((double) k / n), new float[n]))
                        .as("%d of %d equal tokens", k, n)
                        .hasSize(k);
            }
        }
    }

    @Test
    void topPWithATinyMassKeepsOne() {
        assertThat(kept(new SamplingRule.TopP(1e-300), 0, 2, 1)).containsExactly(1);
        assertThat(kept(new SamplingRule.TopP(Math.nextDown(1.0)), 0, 2, 1)).containsExactly(0, 1, 2);
    }

    @Test
    void topPAgreesWithASortOfTheWholeVocabulary() {
        for (int round = 0; round < 200; round++) {
            float[] logits = new float[500];
            for (int id = 0; id < logits.length; id++) {
                // Rounded to eighths, so that equal logits are common.
                logits[id] = Math.round(8 * 2 * CounterRandom.normal(round, id, 0)) / 8f;
            }
            double mass = CounterRandom.uniform(round, 0, 1);
            assertThat(kept(new SamplingRule.TopP(mass), logits))
                    .as("round %d, mass %s", round, mass)
                    .containsExactly(nucleus(logits, mass));
        }
    }

    @Test
    void minPComparesWithTheLargestProbability() {
        SamplingRule rule = new SamplingRule.MinP(0.05);
        assertDistribution(filtered(rule, .9, .0274, .047, .0274), .9, 0, .047, 0);
        assertDistribution(filtered(rule, .15, .3, .3, .25), .15, .3, .3, .25);
        assertDistribution(filtered(rule, .97, .01, .01, .01), .97, 0, 0, 0);
        assertThat(kept(new SamplingRule.MinP(0.9, 2), RAMP)).containsExactly(8, 9);
        assertThat(kept(new SamplingRule.MinP(0.9, 2), STEEP_RAMP)).containsExactly(8, 9);
        assertThat(kept(new SamplingRule.MinP(1), 3, 1, 3)).containsExactly(0, 2);
    }

    @Test
    void topHSpendsAShareOfTheEntropy() {
        assertDistribution(filtered(new SamplingRule.TopH(0.3), .97, .01, .01, .01), .97, 0, 0, 0);
        assertDistribution(filtered(new SamplingRule.TopH(0.7), .4, .3, .2, .1), .4, .3, 0, 0);
        assertDistribution(filtered(new SamplingRule.TopH(1.0), .25, .25, .25, .25), .25, .25, .25, .25);
        assertDistribution(filtered(new SamplingRule.TopH(0.4), .75, .25, 0, 0), .75, 0, 0, 0);
    }

    @Test
    void topHKeepsATokenThatSpendsExactlyTheRest() {
        for (int n = 2; n <= 100; n++) {
            for (int k = 1; k <= n; k++) {
                assertThat(kept(new SamplingRule.TopH((double) k / n), new float[n]))
                        .as("%d of %d equal tokens", k, n)
                        .hasSize(k);
            }
        }
    }

    @Test
    void topHConsidersAHundredTokensAtMost() {
        float[] logits = new float[300];
        assertThat(kept(new SamplingRule.TopH(1), logits))
                .containsExactly(IntStream.range(0, 100).toArray());
    }

    @Test
    void typicalKeepsTheTokensOfExpectedSurprise() {
        SamplingRule rule = new SamplingRule.TypicalP(0.5);
        assertDistribution(filtered(rule, .97, .01, .01, .01), .97, 0, 0, 0);
        assertDistribution(filtered(rule, .4, .2, .2, .2), 0, .2, .2, .2);
        assertThat(kept(new SamplingRule.TypicalP(0.5, 3), 1, 1, 1, 1, 1)).containsExactly(0, 1, 2, 3, 4);
        assertThat(kept(new SamplingRule.TypicalP(0.7, 2), RAMP)).containsExactly(8, 9);
        assertThat(kept(new SamplingRule.TypicalP(0.7, 2), STEEP_RAMP)).containsExactly(8, 9);
    }

    @Test
    void typicalKeepsNoTokenMoreWhereThoseKeptHaveExactlyTheMass() {
        int checked = 0;
        for (int a = 1; a < 20; a++) {
            for (int b = 1; a + b < 20; b++) {
                double[] p = {a / 20.0, b / 20.0, (20 - a - b) / 20.0};
                double entropy =
                        -Arrays.stream(p).map(q -> q * StrictMath.log(q)).sum();
                double[] distances = Arrays.stream(p)
                        .map(q -> Math.abs(-StrictMath.log(q) - entropy))
                        .toArray();
                int[] order = IntStream.range(0, 3)
                        .boxed()
                        .sorted(Comparator.comparingDouble(i -> distances[i]))
                        .mapToInt(Integer::intValue)
                        .toArray();
                if (distances[order[1]] - distances[order[0]] < 1e-5
                        || distances[order[2]] - distances[order[1]] < 1e-5) {
                    continue; // ties stay together, as another test shows
                }
                double first = p[order[0]];
                double both = first + p[order[1]];
                assertThat(kept(new SamplingRule.TypicalP(first), SamplerTest.logs(p)))
                        .containsExactly(order[0]);
                assertThat(kept(new SamplingRule.TypicalP(first + 0.001), SamplerTest.logs(p)))
                        .containsExactlyInAnyOrder(order[0], order[1]);
                assertThat(kept(new SamplingRule.TypicalP(both), SamplerTest.logs(p)))
                        .containsExactlyInAnyOrder(order[0], order[1]);
                assertThat(kept(new SamplingRule.TypicalP(both + 0.001), SamplerTest.logs(p)))
                        .hasSize(3);
                checked++;
            }
        }
        assertThat(checked).isGreaterThan(100);
    }

    @Test
    void epsilonIsAFixedCutoff() {
        SamplingRule rule = new SamplingRule.EpsilonCutoff(0.1);
        assertDistribution(filtered(rule, .87, .099, .001, .03), .87, 0, 0, 0);
        assertDistribution(filtered(rule, .4, .299, .101, .2), .4, .299, .101, .2);
        assertThat(kept(new SamplingRule.EpsilonCutoff(0.05, 2), RAMP)).containsExactly(7, 8, 9);
        assertThat(kept(new SamplingRule.EpsilonCutoff(0.05, 2), STEEP_RAMP)).containsExactly(8, 9);
        assertThat(kept(new SamplingRule.EpsilonCutoff(0.9), 1, 1, 2))
                .as("never none")
                .containsExactly(2);
    }

    @Test
    void etaAdaptsTheCutoffToTheEntropy() {
        SamplingRule rule = new SamplingRule.EtaCutoff(0.0625);
        assertDistribution(filtered(rule, 0, .1, .8, .1), 0, .1, .8, .1);
        assertDistribution(filtered(rule, .01, .04, .9, .05), 0, 0, .9, 0);
        assertThat(kept(new SamplingRule.EtaCutoff(0.1, 2), RAMP)).containsExactly(8, 9);
        assertThat(kept(new SamplingRule.EtaCutoff(0.1, 2), STEEP_RAMP)).containsExactly(8, 9);
        // A thousand equal tokens: sqrt(0.09) / 1000 is below 0.001, though 0.09 is not.
        assertThat(kept(new SamplingRule.EtaCutoff(0.09), new float[1000])).hasSize(1000);
    }

    @Test
    void temperatureSharpensAndFlattens() {
        Candidates sharp = candidates(1, 3, 2);
        new SamplingRule.Temperature(0.5).apply(sharp);
        assertThat(Arrays.copyOf(sharp.logits, 3)).containsExactly(-4, 0, -2);
        Candidates flat = candidates(1, 3, 2);
        new SamplingRule.Temperature(2).apply(flat);
        assertThat(Arrays.copyOf(flat.logits, 3)).containsExactly(-1, 0, -0.5f);
    }

    @Test
    void noTemperatureOverflows() {
        for (double temperature : new double[] {Double.MIN_VALUE, 1e-9, 1e9}) {
            assertThat(hugeLogitsAt(temperature))
                    .as("temperature %s", temperature)
                    .containsExactly(0, 0.5f, 0, 0.5f);
        }
        assertThat(hugeLogitsAt(Double.MAX_VALUE)).containsExactly(0.25f, 0.25f, 0.25f, 0.25f);
    }

    private static float[] hugeLogitsAt(double temperature) {
        Candidates candidates = candidates(-Float.MAX_VALUE, Float.MAX_VALUE, 0, Float.MAX_VALUE);
        new SamplingRule.Temperature(temperature).apply(candidates);
        return Arrays.copyOf(candidates.softmax(), 4);
    }

    @Test
    void theSoftmaxOfFarApartLogitsSumsToOne() {
        // The case of Hugging Face's log-normalisation, which is no rule here: every draw normalises anyway.
        for (float[] logits :
                new float[][] {{-23.18f, -29.96f, -43.54f, 47.77f}, {-33.58f, -26.87f, -32.96f, 22.51f}}) {
            Candidates candidates = candidates(logits);
            float[] p = candidates.softmax();
            double total = 0;
            for (int i = 0; i < 4; i++) {
                assertThat(StrictMath.exp(candidates.logProbability(i))).isCloseTo(p[i], Offset.offset(1e-6));
                total += StrictMath.exp(candidates.logProbability(i));
            }
            assertThat(total).isCloseTo(1, Offset.offset(1e-6));
        }
    }

    @Test
    void everyRuleWorksOnWhatIsLeftAndLeavesSomething() {
        List<SamplingRule> rules = List.of(
                new SamplingRule.Temperature(0.01),
                new SamplingRule.TopH(0.01),
                new SamplingRule.TopK(1),
                new SamplingRule.TopP(0.01),
                new SamplingRule.MinP(1),
                new SamplingRule.TypicalP(0.01),
                new SamplingRule.EpsilonCutoff(0.99),
                new SamplingRule.EtaCutoff(0.99));
        for (SamplingRule first : rules) {
            for (SamplingRule second : rules) {
                Candidates candidates = candidates(Float.NEGATIVE_INFINITY, 1, 2, 2, Float.NEGATIVE_INFINITY, 0);
                first.apply(candidates);
                second.apply(candidates);
                assertThat(candidates.count).isPositive();
                assertThat(ids(candidates)).as("%s, then %s", first, second).isSubsetOf(1, 2, 3, 5);
            }
        }
    }

    @Test
    void settingsOutOfRangeAreRefused() {
        assertRefused(() -> new SamplingRule.TopK(0), "top-k: expected a whole number >= 1, got 0");
        assertRefused(
                () -> new SamplingRule.TopP(0.5, 0), "top-p min-tokens-to-keep: expected a whole number >= 1, got 0");
        assertRefused(() -> new SamplingRule.Temperature(0), "temperature: expected a finite number > 0, got 0.0");
        assertRefused(() -> new SamplingRule.TopH(1.1), "top-h: expected a number in (0, 1], got 1.1");
        assertRefused(() -> new SamplingRule.EpsilonCutoff(1), "epsilon-cutoff: expected a number in (0, 1), got 1.0");
        assertRefused(() -> new SamplingRule.EtaCutoff(Double.NaN), "eta-cutoff: expected a number in (0, 1), got NaN");
    }

    private static void assertRefused(ThrowingCallable rule, String message) {
        assertThatThrownBy(rule).isInstanceOf(IllegalArgumentException.class).hasMessage(message);
    }

    private static Candidates candidates(float... logits) {
        Candidates candidates = new Candidates(logits.length);
        candidates.take(logits);
        return candidates;
    }

    private static List<Integer> ids(Candidates candidates) {
        return IntStream.range(0, candidates.count).mapToObj(candidates::id).toList();
    }

    private static int[] kept(SamplingRule rule, float... logits) {
        Candidates candidates = candidates(logits);
        rule.apply(candidates);
        return ids(candidates).stream().mapToInt(Integer::intValue).toArray();
    }

    /** What is left of a distribution, not normalised again; 0 for what was removed. */
    private static double[] filtered(SamplingRule rule, double... distribution) {
        double[] left = new double[distribution.length];
        for (int id : kept(rule, SamplerTest.logs(distribution))) {
            left[id] = distribution[id];
        }
        return left;
    }

    private static void assertDistribution(double[] actual, double... expected) {
        assertThat(actual).containsExactly(expected);
    }

    /** The definition of top-p, in double: drop from the small end, of equal ones the highest ids first. */
    private static int[] nucleus(float[] logits, double mass) {
        double total = 0;
        for (float x : logits) {
            total += StrictMath.exp(x);
        }
        List<Integer> ascending = IntStream.range(0, logits.length)
                .boxed()
                .sorted(Comparator.<Integer>comparingDouble(id -> logits[id]).thenComparing(Comparator.reverseOrder()))
                .toList();
        boolean[] dropped = new boolean[logits.length];
        double cumulative = 0;
        for (int id : ascending.subList(0, logits.length - 1)) {
            cumulative += StrictMath.exp(logits[id]) / total;
            dropped[id] = cumulative <= 1 - mass;
        }
        return IntStream.range(0, logits.length).filter(id -> !dropped[id]).toArray();
    }
}
