package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.NonFiniteException;
import dev.causal4j.compute.Compute;
import dev.causal4j.kernel.CounterRandom;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class SamplerTest {
    private static final float BANNED = Float.NEGATIVE_INFINITY;
    private static final int[] NO_TOKENS = new int[1000];

    /** Keras' 26 letters with logits 26 to 1. */
    private static final float[] DESCENDING = new float[26];

    static {
        for (int id = 0; id < 26; id++) {
            DESCENDING[id] = 26 - id;
        }
    }

    @Test
    void greedyTakesTheLargestLogit() {
        assertThat(choices(options().withTemperature(0), DESCENDING)).containsOnly(0);
        assertThat(choices(options().withTemperature(0), 1, 5, 2)).containsOnly(1);
    }

    @Test
    void greedyTakesTheLowestIdOfEqualLogits() {
        assertThat(choices(options().withTemperature(0), 1, 3, 2, 3, 3)).containsOnly(1);
        assertThat(choices(options().withTemperature(0), -1, -0f, 0f)).containsOnly(1);
    }

    @Test
    void greedyComparesLogitsAndNotProbabilities() {
        // As probabilities the two are equal floats, and the lower id would win.
        assertThat(choices(options().withTemperature(0), 0, 1e-9f)).containsOnly(1);
    }

    @Test
    void greedyPassesOverSamplingRules() {
        // Locally typical sampling removes the most likely token here.
        assertThat(choices(options().withTemperature(0).withTypicalP(0.5), logs(.4, .2, .2, .2)))
                .containsOnly(0);
        assertThat(choices(options().withTypicalP(0.5), logs(.4, .2, .2, .2))).doesNotContain(0);
    }

    @Test
    void kerasCasesHold() {
        assertThat(choices(options().withTopK(5), DESCENDING)).isSubsetOf(0, 1, 2, 3, 4);
        assertThat(choices(options().withTopP(1).withTopK(5), DESCENDING)).isSubsetOf(0, 1, 2, 3, 4);
        assertThat(choices(options().withTemperature(1e-9), DESCENDING)).containsOnly(0);
        float[] threeMaxima = new float[26];
        threeMaxima[0] = 1;
        threeMaxima[1] = 1;
        threeMaxima[2] = 1;
        assertThat(choices(options().withTopP(2.0 / 26), threeMaxima)).isSubsetOf(0, 1, 2);
    }

    @Test
    void aHugeTemperatureMakesAllTokensEquallyLikely() {
        assertThat(choices(options().withTemperature(1e9), DESCENDING)).hasSize(26);
    }

    @Test
    void bannedTokensAreNeverChosen() {
        assertThat(choices(options(), BANNED, 0, BANNED, 0, BANNED)).containsExactlyInAnyOrder(1, 3);
        assertThat(choices(options().withTopK(2).withTopP(0.9).withMinP(0.1).withTypicalP(0.9), BANNED, 0, BANNED))
                .containsOnly(1);
        assertThat(choices(options().withLogitBias(Map.of(1, Double.NEGATIVE_INFINITY)), 0, 9, 0))
                .containsExactlyInAnyOrder(0, 2);
    }

    @Test
    void theChoiceDependsOnSeedAndPositionAlone() {
        GenerationOptions options = options().withSeed(11).withTemperature(0.8).withTopP(0.95);
        float[] logits = normals(100);
        Sampler busy = sampler(options, Set.of(), 5, 100);
        int[] inOrder = new int[200];
        for (int position = 0; position < 200; position++) {
            inOrder[position] = busy.next(logits, 0, NO_TOKENS, position);
        }
        // In reverse order, with a fresh sampler, another prompt length and other rows in between.
        Sampler other = sampler(options, Set.of(1), 0, 100);
        for (int position = 199; position >= 0; position--) {
            other.next(new float[100], 0, NO_TOKENS, 7);
            assertThat(other.next(logits, 0, NO_TOKENS, position)).isEqualTo(inOrder[position]);
            assertThat(sampler(options, Set.of(), position, 100).next(logits, 0, NO_TOKENS, position))
                    .isEqualTo(inOrder[position]);
        }
    }

    @Test
    void otherSeedsAndPositionsGiveOtherDraws() {
        float[] logits = normals(100);
        int sameSeed = 0;
        int samePosition = 0;
        Sampler first = sampler(options().withSeed(1), Set.of(), 0, 100);
        Sampler second = sampler(options().withSeed(2), Set.of(), 0, 100);
        for (int position = 0; position < 500; position++) {
            int choice = first.next(logits, 0, NO_TOKENS, position);
            sameSeed += choice == first.next(logits, 0, NO_TOKENS, position + 1) ? 1 : 0;
            samePosition += choice == second.next(logits, 0, NO_TOKENS, position) ? 1 : 0;
        }
        // Two independent draws agree in about 3 % of cases here.
        assertThat(sameSeed).isLessThan(50);
        assertThat(samePosition).isLessThan(50);
    }

    @Test
    void seededChoicesStayTheSameForever() {
        Sampler sampler = sampler(options().withSeed(42), Set.of(), 0, 26);
        float[] flat = new float[26];
        StringBuilder text = new StringBuilder();
        for (int position = 0; position < 26; position++) {
            int largest = 0;
            for (int id = 1; id < 26; id++) { // of equal logits the noise alone decides, and it grows with u
                if (CounterRandom.uniform(42, id, (1L << 32) + position)
                        > CounterRandom.uniform(42, largest, (1L << 32) + position)) {
                    largest = id;
                }
            }
            assertThat(sampler.next(flat, 0, NO_TOKENS, position)).isEqualTo(largest);
            text.append((char) ('a' + largest));
        }
        assertThat(text.toString()).isEqualTo("xmltjvhmgmaivcskxsmbsykdmb");
    }

    @Test
    void theRowAtTheOffsetIsRead() {
        Sampler sampler = sampler(options().withTemperature(0), Set.of(), 0, 3);
        float[] rows = {9, 0, 0, 0, 0, 1, 0, 1, 0, 9};
        assertThat(sampler.next(rows, 0, NO_TOKENS, 0)).isZero();
        assertThat(sampler.next(rows, 3, NO_TOKENS, 0)).isEqualTo(2);
        assertThat(sampler.next(rows, 6, NO_TOKENS, 0)).isEqualTo(1);
        assertThatThrownBy(() -> sampler.next(rows, 8, NO_TOKENS, 0)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void biasComesBeforeRepetitionPenalty() {
        // (1 - 2) * 2 = -2 loses against -1.7; penalty first would give 1 / 2 - 2 = -1.5.
        GenerationOptions options =
                options().withTemperature(0).withRepetitionPenalty(2).withLogitBias(Map.of(0, -2.0));
        Sampler sampler = sampler(options, Set.of(), 1, 2);
        assertThat(sampler.next(new float[] {1, -1.7f}, 0, new int[] {0}, 1)).isEqualTo(1);
    }

    @Test
    void temperatureComesBeforeTopP() {
        // At this temperature the three are equally likely, and a half takes two of them; top-p first would leave token
        // 0 alone.
        assertThat(choices(options().withTemperature(1e9).withTopP(0.5), logs(.5, .3, .2)))
                .containsExactlyInAnyOrder(0, 1);
    }

    @Test
    void topKComesBeforeTopP() {
        // Of two tokens the first has .4 / .7 > .5; of four it has less, and a second would stay.
        assertThat(choices(options().withTopK(2).withTopP(0.5), logs(.4, .3, .2, .1)))
                .containsOnly(0);
    }

    @Test
    void eosIsBannedUntilMinNewTokensAndTheOptionsEosReplacesTheModels() {
        GenerationOptions options =
                options().withTemperature(0).withMinNewTokens(2).withMaxNewTokens(9);
        float[] logits = {3, 2, 1};
        Sampler modelEos = sampler(options, Set.of(0), 5, 3);
        assertThat(modelEos.next(logits, 0, NO_TOKENS, 6)).isEqualTo(1);
        assertThat(modelEos.next(logits, 0, NO_TOKENS, 7)).isZero();
        Sampler ownEos = sampler(options.withEos(Set.of(1)), Set.of(0), 5, 3);
        assertThat(ownEos.next(logits, 0, NO_TOKENS, 5)).isZero();
    }

    @Test
    void aRuleThatNamesATokenOutsideTheVocabularyIsRefused() {
        GenerationOptions options = options().withLogitBias(Map.of(5, 1.0));
        assertThatThrownBy(() -> sampler(options, Set.of(), 0, 5))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("logit-bias: expected token ids below the vocabulary size (5), got 5");
    }

    @Test
    void nonFiniteLogitsAreRefusedByNameOfTheFirst() {
        float[] logits = new float[20];
        logits[17] = Float.NaN;
        logits[18] = Float.POSITIVE_INFINITY;
        for (double temperature : new double[] {0, 1}) {
            Sampler sampler = sampler(options().withTemperature(temperature), Set.of(), 0, 20);
            assertThatThrownBy(() -> sampler.next(logits, 0, NO_TOKENS, 4))
                    .isInstanceOf(NonFiniteException.class)
                    .hasMessage("logits: expected finite numbers, got NaN at token id 17 (position 4)");
        }
        Sampler sampler = sampler(options(), Set.of(), 0, 2);
        assertThatThrownBy(() -> sampler.next(logits, 18, NO_TOKENS, 4))
                .hasMessage("logits: expected finite numbers, got Infinity at token id 0 (position 4)");
    }

    @Test
    void aRowWithoutAnyTokenLeftSaysWhichRuleTookTheLast() {
        for (double temperature : new double[] {0, 1}) {
            GenerationOptions options = options()
                    .withTemperature(temperature)
                    .withLogitBias(Map.of(0, Double.NEGATIVE_INFINITY))
                    .withNoRepeatNgramSize(1)
                    .withRule((logits, _) -> logits[2] = BANNED);
            Sampler sampler = sampler(options, Set.of(), 0, 3);
            assertThatThrownBy(() -> sampler.next(new float[3], 0, new int[] {1, 2}, 2))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage(
                            "no-repeat-ngram: expected to leave a token to choose, got all of them banned (position 2)");
            assertThatThrownBy(() -> sampler.next(new float[] {BANNED, BANNED, BANNED}, 0, new int[] {1, 2}, 2))
                    .isInstanceOf(NonFiniteException.class)
                    .hasMessage("logits: expected a finite number, got -Infinity for every token (position 2)");
        }
    }

    @Test
    void aRuleThatMakesNoNumberIsRefused() {
        for (float wrong : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
            for (double temperature : new double[] {0, 0.7}) {
                GenerationOptions ruled =
                        options().withTemperature(temperature).withRule((logits, _) -> logits[1] = wrong);
                assertThatThrownBy(() -> choices(ruled, 1, 5, 2))
                        .isInstanceOf(NonFiniteException.class)
                        .hasMessage("rules: expected finite numbers, got " + wrong + " at token id 1 (position 0)");
            }
        }
    }

    @Test
    void aRuleOfAUserRunsAfterTheOthersAndBeforeGreedyAndSampledChoice() {
        for (double temperature : new double[] {0, 1}) {
            GenerationOptions options = options()
                    .withTemperature(temperature)
                    .withLogitBias(Map.of(0, 100.0))
                    .withRule((logits, soFar) -> {
                        assertThat(logits[0]).isEqualTo(100);
                        logits[soFar.token(soFar.length() - 1)] = BANNED;
                    })
                    .withRule((logits, _) -> logits[2] += logits[0] == BANNED ? 50 : 0);
            float[] logits = {0, 5, 2};
            Sampler sampler = sampler(options, Set.of(), 1, 3);
            assertThat(sampler.next(logits, 0, new int[] {0}, 1)).isEqualTo(2);
            assertThat(sampler.next(logits, 0, new int[] {2}, 1)).isZero();
            assertThat(logits).as("are left unchanged").containsExactly(0, 5, 2);
        }
    }

    static Sampler sampler(GenerationOptions options, Set<Integer> eos, int promptLength, int vocabularySize) {
        return new Sampler(options, eos, promptLength, new FilteredTokens(vocabularySize, Compute.shared()));
    }

    static GenerationOptions options() {
        return GenerationOptions.DEFAULT;
    }

    static float[] logs(double... distribution) {
        float[] logits = new float[distribution.length];
        for (int id = 0; id < logits.length; id++) {
            logits[id] = (float) StrictMath.log(distribution[id]);
        }
        return logits;
    }

    static float[] normals(int n) {
        float[] logits = new float[n];
        for (int id = 0; id < n; id++) {
            logits[id] = (float) CounterRandom.normal(77, id, 0);
        }
        return logits;
    }

    /** The distinct choices at 1000 positions. */
    private static Set<Integer> choices(GenerationOptions options, float... logits) {
        Sampler sampler = sampler(options, Set.of(), 0, logits.length);
        Set<Integer> choices = new TreeSet<>();
        for (int position = 0; position < NO_TOKENS.length; position++) {
            choices.add(sampler.next(logits, 0, NO_TOKENS, position));
        }
        return choices;
    }
}
