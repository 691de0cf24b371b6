package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.compute.Compute;
import dev.causal4j.kernel.CounterRandom;
import dev.causal4j.kernel.choice.Kernels;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The cases of Hugging Face's tests that need no weights, and cases that those tests lack. */
class FilteredTokensTest {
    @Test
    void topKKeepsTheKLargest() {
        assertThat(kept(c -> c.keepTopK(3), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)).containsExactly(7, 8, 9);
        assertThat(kept(c -> c.keepTopK(3), 10, 11, 12, 13, 14, 5, 6, 7, 8, 9)).containsExactly(2, 3, 4);
        assertThat(kept(c -> c.keepTopK(99), 1, 2)).containsExactly(0, 1);
    }

    @Test
    void topKKeepsAllThatEqualTheKth() {
        assertThat(kept(c -> c.keepTopK(2), 1, 3, 2, 2, 0, 2)).containsExactly(1, 2, 3, 5);
        assertThat(kept(c -> c.keepTopK(1), -0f, 0f, -1))
                .as("both zeros are equal")
                .containsExactly(0, 1);
    }

    @Test
    void topPDropsWhileTheDroppedHaveAtMostOneMinusP() {
        Consumer<FilteredTokens> rule = c -> c.keepTopP(0.8);
        assertDistribution(filtered(rule, .3, .1, .1, .5), .3, 0, 0, .5);
        assertDistribution(filtered(rule, .15, .3, .3, .25), 0, .3, .3, .25);
    }

    @Test
    void topPKeepsTheLowestIdsOfEqualTokensAtTheBoundary() {
        assertThat(kept(c -> c.keepTopP(0.5), 1, 1, 1, 1)).containsExactly(0, 1);
        assertThat(kept(c -> c.keepTopP(0.3), 1, 1, 1, 1)).containsExactly(0, 1);
        assertThat(kept(c -> c.keepTopP(0.6), 0, 5, 0, 5, 5)).containsExactly(1, 3);
    }

    @Test
    void topPKeepsNoTokenMoreWhereThoseKeptHaveExactlyP() {
        for (int n = 2; n <= 64; n++) {
            for (int k = 1; k < n; k++) {
                double mass = (double) k / n;
                assertThat(kept(c -> c.keepTopP(mass), new float[n]))
                        .as("%d of %d equal tokens", k, n)
                        .hasSize(k);
            }
        }
    }

    @Test
    void topPWithATinyMassKeepsOne() {
        assertThat(kept(c -> c.keepTopP(1e-300), 0, 2, 1)).containsExactly(1);
        assertThat(kept(c -> c.keepTopP(Math.nextDown(1.0)), 0, 2, 1)).containsExactly(0, 1, 2);
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
            assertThat(kept(c -> c.keepTopP(mass), logits))
                    .as("round %d, mass %s", round, mass)
                    .containsExactly(nucleus(logits, mass));
        }
    }

    @Test
    void minPComparesWithTheLargestProbability() {
        Consumer<FilteredTokens> rule = c -> c.keepMinP(0.05);
        assertDistribution(filtered(rule, .9, .0274, .047, .0274), .9, 0, .047, 0);
        assertDistribution(filtered(rule, .15, .3, .3, .25), .15, .3, .3, .25);
        assertDistribution(filtered(rule, .97, .01, .01, .01), .97, 0, 0, 0);
        assertThat(kept(c -> c.keepMinP(1), 3, 1, 3)).containsExactly(0, 2);
    }

    @Test
    void typicalKeepsTheTokensOfExpectedSurprise() {
        Consumer<FilteredTokens> rule = c -> c.keepTypical(0.5);
        assertDistribution(filtered(rule, .97, .01, .01, .01), .97, 0, 0, 0);
        assertDistribution(filtered(rule, .4, .2, .2, .2), 0, .2, .2, .2);
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
                    continue; // ties stay together; another test covers them
                }
                double first = p[order[0]];
                double both = first + p[order[1]];
                assertThat(kept(c -> c.keepTypical(first), SamplerTest.logs(p))).containsExactly(order[0]);
                assertThat(kept(c -> c.keepTypical(first + 0.001), SamplerTest.logs(p)))
                        .containsExactlyInAnyOrder(order[0], order[1]);
                assertThat(kept(c -> c.keepTypical(both), SamplerTest.logs(p)))
                        .containsExactlyInAnyOrder(order[0], order[1]);
                assertThat(kept(c -> c.keepTypical(both + 0.001), SamplerTest.logs(p)))
                        .hasSize(3);
                checked++;
            }
        }
        assertThat(checked).isGreaterThan(100);
    }

    @Test
    void temperatureSharpensAndFlattens() {
        FilteredTokens sharp = candidates(1, 3, 2);
        sharp.divide(0.5);
        assertThat(Arrays.copyOf(sharp.logits, 3)).containsExactly(-4, 0, -2);
        FilteredTokens flat = candidates(1, 3, 2);
        flat.divide(2);
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
        FilteredTokens candidates = candidates(-Float.MAX_VALUE, Float.MAX_VALUE, 0, Float.MAX_VALUE);
        candidates.divide(temperature);
        float[] p = Arrays.copyOf(candidates.logits, 4);
        Kernels.softmax(p, 0, 4);
        return p;
    }

    @Test
    void everyRuleWorksOnWhatIsLeftAndLeavesSomething() {
        List<Consumer<FilteredTokens>> rules = List.of(
                c -> c.divide(0.01),
                c -> c.keepTopK(1),
                c -> c.keepTopP(0.01),
                c -> c.keepMinP(1),
                c -> c.keepTypical(0.01));
        for (Consumer<FilteredTokens> first : rules) {
            for (Consumer<FilteredTokens> second : rules) {
                FilteredTokens candidates = candidates(Float.NEGATIVE_INFINITY, 1, 2, 2, Float.NEGATIVE_INFINITY, 0);
                first.accept(candidates);
                second.accept(candidates);
                assertThat(candidates.count).isPositive();
                assertThat(ids(candidates)).as("%s, then %s", first, second).isSubsetOf(1, 2, 3, 5);
            }
        }
    }

    private static FilteredTokens candidates(float... logits) {
        FilteredTokens candidates = new FilteredTokens(logits.length, Compute.shared());
        System.arraycopy(logits, 0, candidates.logits, 0, logits.length);
        candidates.start();
        return candidates;
    }

    private static List<Integer> ids(FilteredTokens candidates) {
        return IntStream.range(0, candidates.count)
                .mapToObj(i -> candidates.ids[i])
                .toList();
    }

    private static int[] kept(Consumer<FilteredTokens> rule, float... logits) {
        FilteredTokens candidates = candidates(logits);
        rule.accept(candidates);
        return ids(candidates).stream().mapToInt(Integer::intValue).toArray();
    }

    /** The probabilities that a rule keeps, not renormalised; 0 for removed tokens. */
    private static double[] filtered(Consumer<FilteredTokens> rule, double... distribution) {
        double[] left = new double[distribution.length];
        for (int id : kept(rule, SamplerTest.logs(distribution))) {
            left[id] = distribution[id];
        }
        return left;
    }

    private static void assertDistribution(double[] actual, double... expected) {
        assertThat(actual).containsExactly(expected);
    }

    /**
     * The definition of top-p, in double: drops tokens from the least probable on, of equal ones the highest ids first.
     */
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
