package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.data.Index.atIndex;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The cases without weights of Hugging Face's tests, and what they leave open. */
class ContextRuleTest {
    private static final float BANNED = Float.NEGATIVE_INFINITY;
    private static final int[] EOS_4 = {4};

    @Test
    void repetitionPenaltyFollowsTheSign() {
        ContextRule rule = new ContextRule.RepetitionPenalty(2);
        float[] first = uniform(10);
        first[0] = -0.1f;
        assertThat(apply(rule, first, 0, 1)).startsWith(-0.2f, 0.05f, 0.1f).endsWith(0.1f);
        float[] second = uniform(10);
        second[5] = 0.4f;
        assertThat(apply(rule, second, 5, 0)).startsWith(0.05f, 0.1f).contains(0.2f, atIndex(5));
    }

    @Test
    void repetitionPenaltyActsOnceForEachDistinctToken() {
        assertThat(apply(new ContextRule.RepetitionPenalty(2), uniform(3), 1, 1, 1))
                .containsExactly(0.1f, 0.05f, 0.1f);
    }

    @Test
    void repetitionPenaltyLeavesBannedTokensBannedAndNeverOverflows() {
        ContextRule rule = new ContextRule.RepetitionPenalty(1e-9);
        assertThat(apply(rule, new float[] {BANNED, Float.MAX_VALUE, -1}, 0, 1))
                .containsExactly(BANNED, Float.MAX_VALUE, -1);
    }

    @Test
    void noRepeatNgramBansWhatWouldRepeatOne() {
        ContextRule pairs = new ContextRule.NoRepeatNgram(2);
        ContextRule triples = new ContextRule.NoRepeatNgram(3);
        assertThat(bannedBy(pairs, 3, 1, 1, 2, 1)).containsExactly(1, 2);
        assertThat(bannedBy(pairs, 3, 0, 1, 0, 1)).containsExactly(0);
        assertThat(bannedBy(triples, 3, 1, 1, 2, 1)).isEmpty();
        assertThat(bannedBy(triples, 3, 0, 1, 0, 1)).containsExactly(0);
        assertThat(bannedBy(triples, 10, 1, 2, 5, 7, 8, 5, 1, 2)).containsExactly(5);
    }

    @Test
    void noRepeatNgramBansNothingBeforeThereIsAnNgram() {
        assertThat(bannedBy(new ContextRule.NoRepeatNgram(3), 3, 1, 2)).isEmpty();
        assertThat(bannedBy(new ContextRule.NoRepeatNgram(3), 3)).isEmpty();
        assertThat(bannedBy(new ContextRule.NoRepeatNgram(1), 3, 2, 0)).containsExactly(0, 2);
    }

    @Test
    void badWordsBanTheTokenThatWouldCompleteOneButNeverALoneEos() {
        ContextRule rule = new ContextRule.BadWords(
                List.of(List.of(1), List.of(4), List.of(1, 0), List.of(0, 1, 2), List.of(1, 3, 1, 3)));
        assertThat(bannedBy(rule, 5, 0, 1, 3, 1)).containsExactly(0, 1, 3);
        assertThat(bannedBy(rule, 5, 0, 1, 0, 1)).containsExactly(0, 1, 2);
        assertThat(bannedBy(new ContextRule.BadWords(List.of(List.of(4))), 5, 0, 1))
                .isEmpty();
    }

    @Test
    void aBadPairIsBannedAfterAPromptOfOneToken() {
        // Hugging Face lets this one through: it skips sequences longer than the tokens so far.
        assertThat(bannedBy(new ContextRule.BadWords(List.of(List.of(1, 0))), 5, 1))
                .containsExactly(0);
    }

    @Test
    void sequenceBiasAddsToTheTokenThatWouldCompleteASequence() {
        ContextRule rule = new ContextRule.SequenceBias(List.of(
                new ContextRule.BiasedSequence(List.of(1), 100),
                new ContextRule.BiasedSequence(List.of(4), 100),
                new ContextRule.BiasedSequence(List.of(1, 0), -100),
                new ContextRule.BiasedSequence(List.of(0, 1, 2), -100),
                new ContextRule.BiasedSequence(List.of(1, 3, 1, 3), -100),
                new ContextRule.BiasedSequence(List.of(1, 3, 1, 3, 1, 3), -100)));
        assertThat(apply(rule, new float[5], 0, 1, 3, 1)).containsExactly(-100, 100, 0, -100, 100);
        assertThat(apply(rule, new float[5], 0, 1, 0, 1)).containsExactly(-100, 100, -100, 0, 100);
    }

    @Test
    void logitBiasAddsAndMinusInfinityBans() {
        ContextRule rule = new ContextRule.LogitBias(Map.of(0, 2.5, 1, Double.NEGATIVE_INFINITY, 2, -1.0));
        assertThat(apply(rule, new float[] {1, 1, 1, 1})).containsExactly(3.5f, BANNED, 0, 1);
    }

    @Test
    void aBiasNeitherUnbansNorOverflows() {
        ContextRule rule = new ContextRule.LogitBias(Map.of(0, 1e300, 1, 1e300, 2, -1e300));
        assertThat(apply(rule, new float[] {BANNED, 1, 1})).containsExactly(BANNED, Float.MAX_VALUE, -Float.MAX_VALUE);
    }

    @Test
    void minLengthBansEosUntilTheWholeSequenceHasIt() {
        ContextRule rule = new ContextRule.MinLength(10);
        assertThat(bannedBy(rule, 20, new int[5])).containsExactly(4);
        assertThat(bannedBy(rule, 20, new int[9])).containsExactly(4);
        assertThat(bannedBy(rule, 20, new int[10])).isEmpty();
        assertThat(bannedBy(rule, 20, new int[15])).isEmpty();
    }

    @Test
    void minNewTokensCountsFromThePromptsEnd() {
        ContextRule rule = new ContextRule.MinNewTokens(3);
        for (int length : new int[] {2, 5, 6, 7}) {
            assertThat(apply(rule, uniform(20), new TokensSoFar(5, 99, new int[] {0, 18}), new int[length]))
                    .as("length %d", length)
                    .startsWith(BANNED, 0.1f)
                    .endsWith(BANNED, 0.1f);
        }
        for (int length : new int[] {8, 15}) {
            assertThat(apply(rule, uniform(20), new TokensSoFar(5, 99, new int[] {0, 18}), new int[length]))
                    .as("length %d", length)
                    .doesNotContain(BANNED);
        }
    }

    @Test
    void bosIsForcedAfterOneTokenOnly() {
        ContextRule rule = new ContextRule.ForcedBos(0);
        assertThat(apply(rule, uniform(3), 2)).containsExactly(0, BANNED, BANNED);
        assertThat(bannedBy(rule, 3, 2, 2, 2, 2)).isEmpty();
        assertThat(bannedBy(rule, 3)).isEmpty();
    }

    @Test
    void eosIsForcedAtTheLastPositionOnly() {
        ContextRule rule = new ContextRule.ForcedEos(0);
        TokensSoFar ofLengthFive = new TokensSoFar(2, 5, EOS_4);
        assertThat(apply(rule, uniform(3), ofLengthFive, new int[4])).containsExactly(0, BANNED, BANNED);
        assertThat(apply(rule, uniform(3), ofLengthFive, new int[3])).doesNotContain(BANNED);
    }

    @Test
    void nonFiniteValuesBecomeFinite() {
        ContextRule rule = new ContextRule.ReplaceNonFinite();
        assertThat(apply(rule, new float[] {0, 0.7f, 0.8f, Float.NaN})).containsExactly(0, 0.7f, 0.8f, 0);
        assertThat(apply(rule, new float[] {0.1f, Float.POSITIVE_INFINITY, 0.3f, BANNED}))
                .containsExactly(0.1f, Float.MAX_VALUE, 0.3f, -Float.MAX_VALUE);
    }

    @Test
    void sequencesMustHaveTokens() {
        assertThatThrownBy(() -> new ContextRule.BadWords(List.of(List.of())))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("bad-words: expected sequences of one token or more, got an empty one");
        assertThatThrownBy(() -> new ContextRule.BiasedSequence(List.of(3, -1), 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("sequence-bias: expected token ids >= 0, got -1");
    }

    private static float[] uniform(int vocabularySize) {
        float[] logits = new float[vocabularySize];
        Arrays.fill(logits, 0.1f);
        return logits;
    }

    private static int[] bannedBy(ContextRule rule, int vocabularySize, int... tokens) {
        float[] logits = apply(rule, uniform(vocabularySize), tokens);
        return IntStream.range(0, vocabularySize)
                .filter(id -> logits[id] == BANNED)
                .toArray();
    }

    private static float[] apply(ContextRule rule, float[] logits, int... tokens) {
        return apply(rule, logits, new TokensSoFar(0, 99, EOS_4), tokens);
    }

    private static float[] apply(ContextRule rule, float[] logits, TokensSoFar soFar, int[] tokens) {
        // Room behind the tokens, as a sequence being generated has; what stands there must not matter.
        soFar.tokens = Arrays.copyOf(tokens, tokens.length + 3);
        Arrays.fill(soFar.tokens, tokens.length, tokens.length + 3, -7);
        soFar.length = tokens.length;
        rule.apply(logits, soFar);
        return logits;
    }
}
