package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.data.Index.atIndex;

import dev.causal4j.generation.LogitRule.TokensSoFar;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The cases of Hugging Face's tests that need no weights, and cases that those tests lack. */
class ContextRulesTest {
    private static final float BANNED = Float.NEGATIVE_INFINITY;

    @Test
    void repetitionPenaltyFollowsTheSign() {
        LogitRule rule = new ContextRules.RepetitionPenalty(2);
        float[] first = uniform(10);
        first[0] = -0.1f;
        assertThat(apply(rule, first, 0, 1)).startsWith(-0.2f, 0.05f, 0.1f).endsWith(0.1f);
        float[] second = uniform(10);
        second[5] = 0.4f;
        assertThat(apply(rule, second, 5, 0)).startsWith(0.05f, 0.1f).contains(0.2f, atIndex(5));
    }

    @Test
    void repetitionPenaltyActsOnceForEachDistinctToken() {
        assertThat(apply(new ContextRules.RepetitionPenalty(2), uniform(3), 1, 1, 1))
                .containsExactly(0.1f, 0.05f, 0.1f);
    }

    @Test
    void repetitionPenaltyLeavesBannedTokensBannedAndNeverOverflows() {
        LogitRule rule = new ContextRules.RepetitionPenalty(1e-9);
        assertThat(apply(rule, new float[] {BANNED, Float.MAX_VALUE, -1}, 0, 1))
                .containsExactly(BANNED, Float.MAX_VALUE, -1);
    }

    @Test
    void noRepeatNgramBansWhatWouldRepeatOne() {
        LogitRule pairs = new ContextRules.NoRepeatNgram(2);
        LogitRule triples = new ContextRules.NoRepeatNgram(3);
        assertThat(bannedBy(pairs, 3, 1, 1, 2, 1)).containsExactly(1, 2);
        assertThat(bannedBy(pairs, 3, 0, 1, 0, 1)).containsExactly(0);
        assertThat(bannedBy(triples, 3, 1, 1, 2, 1)).isEmpty();
        assertThat(bannedBy(triples, 3, 0, 1, 0, 1)).containsExactly(0);
        assertThat(bannedBy(triples, 10, 1, 2, 5, 7, 8, 5, 1, 2)).containsExactly(5);
    }

    @Test
    void noRepeatNgramBansNothingBeforeThereIsAnNgram() {
        assertThat(bannedBy(new ContextRules.NoRepeatNgram(3), 3, 1, 2)).isEmpty();
        assertThat(bannedBy(new ContextRules.NoRepeatNgram(3), 3)).isEmpty();
        assertThat(bannedBy(new ContextRules.NoRepeatNgram(1), 3, 2, 0)).containsExactly(0, 2);
    }

    @Test
    void noRepeatNgramBansWhatAPlainSearchFinds() {
        SplittableRandom random = new SplittableRandom(1);
        for (int round = 0; round < 5000; round++) {
            int vocabulary = 1 + random.nextInt(3);
            int[] tokens = random.ints(random.nextInt(20), 0, vocabulary).toArray();
            int size = 1 + random.nextInt(7);
            Set<Integer> banned = new TreeSet<>();
            for (int i = 0; i + size <= tokens.length; i++) {
                int end = tokens.length - size + 1;
                if (Arrays.equals(tokens, i, i + size - 1, tokens, end, tokens.length)) {
                    banned.add(tokens[i + size - 1]);
                }
            }
            assertThat(bannedBy(new ContextRules.NoRepeatNgram(size), vocabulary, tokens))
                    .as("%d of %s", size, Arrays.toString(tokens))
                    .containsExactly(banned.stream().mapToInt(Integer::intValue).toArray());
        }
    }

    /** All tokens are equal, and the n-gram is half as long as the text: a naive search makes n²/4 comparisons. */
    @Test
    void noRepeatNgramTakesLinearTime() {
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        int[] tokens = new int[1 << 18];
        LogitRule rule = new ContextRules.NoRepeatNgram(tokens.length / 2);
        long before = threads.getCurrentThreadCpuTime();
        assertThat(bannedBy(rule, 2, tokens)).containsExactly(0);
        assertThat(threads.getCurrentThreadCpuTime() - before).isLessThan(1_000_000_000);
    }

    @Test
    void logitBiasAddsAndMinusInfinityBans() {
        LogitRule rule = new ContextRules.LogitBias(Map.of(0, 2.5, 1, Double.NEGATIVE_INFINITY, 2, -1.0));
        assertThat(apply(rule, new float[] {1, 1, 1, 1})).containsExactly(3.5f, BANNED, 0, 1);
    }

    @Test
    void aBiasNeitherUnbansNorOverflows() {
        LogitRule rule = new ContextRules.LogitBias(Map.of(0, 1e300, 1, 1e300, 2, -1e300));
        assertThat(apply(rule, new float[] {BANNED, 1, 1})).containsExactly(BANNED, Float.MAX_VALUE, -Float.MAX_VALUE);
    }

    @Test
    void penaltiesCountWhatWasGeneratedAndNotThePrompt() {
        LogitRule rule = new ContextRules.Penalties(0.5, 0.25);
        assertThat(apply(rule, new float[] {1, 1, 1, BANNED}, 2, Set.of(), new int[] {0, 0, 1, 2, 1, 3}))
                .containsExactly(1, -0.25f, 0.25f, BANNED);
    }

    @Test
    void penaltiesNeitherUnbanNorOverflow() {
        LogitRule rule = new ContextRules.Penalties(-1e300, 0);
        assertThat(apply(rule, new float[] {BANNED, 1}, 0, 1)).containsExactly(BANNED, Float.MAX_VALUE);
        assertThat(apply(new ContextRules.Penalties(1e300, 0), new float[] {BANNED, 1}, 0, 1))
                .containsExactly(BANNED, -Float.MAX_VALUE);
    }

    @Test
    void minNewTokensCountsFromThePromptsEnd() {
        LogitRule rule = new ContextRules.MinNewTokens(3);
        for (int length : new int[] {2, 5, 6, 7}) {
            assertThat(apply(rule, uniform(20), 5, Set.of(0, 18), new int[length]))
                    .as("length %d", length)
                    .startsWith(BANNED, 0.1f)
                    .endsWith(BANNED, 0.1f);
        }
        for (int length : new int[] {8, 15}) {
            assertThat(apply(rule, uniform(20), 5, Set.of(0, 18), new int[length]))
                    .as("length %d", length)
                    .doesNotContain(BANNED);
        }
    }

    private static float[] uniform(int vocabularySize) {
        float[] logits = new float[vocabularySize];
        Arrays.fill(logits, 0.1f);
        return logits;
    }

    private static int[] bannedBy(LogitRule rule, int vocabularySize, int... tokens) {
        float[] logits = apply(rule, uniform(vocabularySize), tokens);
        return IntStream.range(0, vocabularySize)
                .filter(id -> logits[id] == BANNED)
                .toArray();
    }

    private static float[] apply(LogitRule rule, float[] logits, int... tokens) {
        return apply(rule, logits, 0, Set.of(4), tokens);
    }

    private static float[] apply(LogitRule rule, float[] logits, int promptLength, Set<Integer> eos, int[] tokens) {
        // Room after the tokens, as in a sequence that is being generated; its content must not matter.
        int[] longer = Arrays.copyOf(tokens, tokens.length + 3);
        Arrays.fill(longer, tokens.length, tokens.length + 3, -7);
        rule.apply(logits, new TokensSoFar(longer, tokens.length, promptLength, eos));
        return logits;
    }
}
