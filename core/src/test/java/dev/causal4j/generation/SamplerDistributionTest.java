package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.Whole;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Set;
import org.junit.jupiter.api.Test;

/**
 * The seeded sampler against exact probabilities, by Pearson's chi-squared: a right sampler fails one test in 10,000
 * seeds, and the seeds are fixed.
 */
class SamplerDistributionTest {
    private static final int DRAWS = Whole.or(200_000, 50_000);
    private static final int[] TOKENS = new int[DRAWS];
    private static final float[] LOGITS = {1.2f, -0.3f, 0.7f, 2, -1.5f, 0, 0.7f, Float.NEGATIVE_INFINITY};

    @Test
    void plainSamplingHasTheSoftmax() {
        assertFits(GenerationOptions.DEFAULT, exact(LOGITS, 1, 0, 1, 2, 3, 4, 5, 6));
    }

    @Test
    void temperatureDividesTheLogits() {
        assertFits(GenerationOptions.DEFAULT.withTemperature(0.7), exact(LOGITS, 0.7, 0, 1, 2, 3, 4, 5, 6));
        assertFits(GenerationOptions.DEFAULT.withTemperature(3), exact(LOGITS, 3, 0, 1, 2, 3, 4, 5, 6));
    }

    @Test
    void topKRenormalisesTheKLargestAndTheirTies() {
        assertFits(GenerationOptions.DEFAULT.withTopK(3), exact(LOGITS, 1, 0, 2, 3, 6));
    }

    @Test
    void topPRenormalisesTheNucleus() {
        // In descending order the cumulative probabilities are .442, .641, .762 (token 2), .882 (token 6).
        assertFits(GenerationOptions.DEFAULT.withTopP(0.75), exact(LOGITS, 1, 0, 2, 3));
        assertFits(GenerationOptions.DEFAULT.withTopP(0.8), exact(LOGITS, 1, 0, 2, 3, 6));
    }

    @Test
    void minPRenormalisesWhatIsNearTheMaximum() {
        assertFits(GenerationOptions.DEFAULT.withMinP(0.2), exact(LOGITS, 1, 0, 2, 3, 6));
    }

    @Test
    void temperatureAndTruncationWorkTogether() {
        // At temperature 2 the cumulative probabilities are .291, .486, .638, .790, .898.
        assertFits(
                GenerationOptions.DEFAULT
                        .withTemperature(2)
                        .withTopK(4)
                        .withTopP(0.99)
                        .withMinP(0.01),
                exact(LOGITS, 2, 0, 2, 3, 6));
    }

    @Test
    void aLargeVocabularyIsSampledRight() {
        float[] logits = SamplerTest.normals(250);
        int[] all = new int[250];
        Arrays.setAll(all, id -> id);
        // Warm, so that the rarest token still has more than five draws to expect.
        assertThat(chiSquared(GenerationOptions.DEFAULT.withTemperature(1.5), logits, exact(logits, 1.5, all)))
                .isLessThan(critical(249));
    }

    @Test
    void manySeedsAtOnePositionAreSampledRight() {
        double[] exact = exact(LOGITS, 1, 0, 1, 2, 3, 4, 5, 6);
        int[] counts = new int[LOGITS.length];
        GenerationOptions options = GenerationOptions.DEFAULT;
        for (int seed = 0; seed < DRAWS / 4; seed++) {
            counts[
                    SamplerTest.sampler(options.withSeed(seed), Set.of(), 0, LOGITS.length)
                            .next(LOGITS, 0, TOKENS, 30)]++;
        }
        assertThat(chiSquared(counts, exact)).isLessThan(critical(6));
    }

    @Test
    void markedDrawsHaveTheSoftmax() {
        GenerationOptions options =
                GenerationOptions.DEFAULT.withTemperature(0.7).withMark(Mark.of(new byte[16]));
        int[] counting = new int[DRAWS];
        Arrays.setAll(counting, i -> i);
        Sampler sampler = SamplerTest.sampler(options, Set.of(), 0, LOGITS.length);
        int[] counts = new int[LOGITS.length];
        for (int position = 8; position < DRAWS; position++) {
            counts[sampler.next(LOGITS, 0, counting, position)]++;
        }
        assertThat(chiSquared(counts, exact(LOGITS, 0.7, 0, 1, 2, 3, 4, 5, 6))).isLessThan(critical(6));
    }

    @Test
    void manyKeysAfterOneContextAreSampledRight() {
        int[] counts = new int[LOGITS.length];
        for (int key = 0; key < DRAWS / 4; key++) {
            Mark mark = Mark.of(ByteBuffer.allocate(16).putInt(key).array());
            Sampler sampler = SamplerTest.sampler(
                    GenerationOptions.DEFAULT.withTopK(3).withMark(mark), Set.of(), 0, LOGITS.length);
            counts[sampler.next(LOGITS, 0, new int[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 10)]++;
        }
        assertThat(chiSquared(counts, exact(LOGITS, 1, 0, 2, 3, 6))).isLessThan(critical(3));
    }

    @Test
    void theTestSeesAWrongDistribution() {
        // Two per cent off in the temperature, four of a quarter of the draws, and one rare token missing.
        assertThat(chiSquared(
                        GenerationOptions.DEFAULT.withTemperature(Whole.RUN ? 1.02 : 1.04),
                        LOGITS,
                        exact(LOGITS, 1, 0, 1, 2, 3, 4, 5, 6)))
                .isGreaterThan(critical(6));
        assertThat(chiSquared(GenerationOptions.DEFAULT.withTopK(6), LOGITS, exact(LOGITS, 1, 0, 1, 2, 3, 4, 5, 6)))
                .isGreaterThan(critical(6));
    }

    private static void assertFits(GenerationOptions options, double[] exact) {
        int cells = (int) Arrays.stream(exact).filter(p -> p > 0).count();
        assertThat(chiSquared(options, LOGITS, exact)).isLessThan(critical(cells - 1));
    }

    /** The softmax of the tokens in {@code kept}, in double and straight from its definition; 0 elsewhere. */
    private static double[] exact(float[] logits, double temperature, int... kept) {
        double[] p = new double[logits.length];
        double total = 0;
        for (int id : kept) {
            p[id] = StrictMath.exp(logits[id] / temperature);
            total += p[id];
        }
        for (int id : kept) {
            p[id] /= total;
        }
        return p;
    }

    private static double chiSquared(GenerationOptions options, float[] logits, double[] exact) {
        Sampler sampler = SamplerTest.sampler(options.withSeed(2026), Set.of(), 0, logits.length);
        int[] counts = new int[logits.length];
        for (int position = 0; position < DRAWS; position++) {
            counts[sampler.next(logits, 0, TOKENS, position)]++;
        }
        return chiSquared(counts, exact);
    }

    private static double chiSquared(int[] counts, double[] exact) {
        int draws = Arrays.stream(counts).sum();
        double sum = 0;
        for (int id = 0; id < counts.length; id++) {
            double expected = draws * exact[id];
            if (expected > 0) {
                assertThat(expected)
                        .as("cells large enough for the approximation")
                        .isGreaterThan(5);
                sum += (counts[id] - expected) * (counts[id] - expected) / expected;
            } else {
                assertThat(counts[id]).as("token %d has no probability", id).isZero();
            }
        }
        return sum;
    }

    /** Where chi-squared has an upper tail of p = 0.0001. */
    private static double critical(int degreesOfFreedom) {
        return switch (degreesOfFreedom) {
            case 2 -> 18.4207;
            case 3 -> 21.1075;
            case 6 -> 27.8563;
            case 249 -> 340.73;
            default -> throw new IllegalArgumentException("no critical value for " + degreesOfFreedom);
        };
    }
}
