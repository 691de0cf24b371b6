package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.Whole;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.Matcher;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.scoring.Scorer;
import dev.causal4j.scoring.ScoringListener;
import dev.causal4j.scoring.ScoringOptions;
import dev.causal4j.tensor.DType;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Draws without distortion, scores under constraints, and texts summed over their spellings. */
@Timeout(120)
class ExactDrawsTest extends ConstrainedFixture {
    @Test
    void exactDrawsFollowTheModelsDistributionWhereMasksDoNot() {
        List<String> texts = List.of("a", "abc", "abq", "xyz", "x");
        Map<String, Double> exact = new HashMap<>();
        Map<String, Double> masked = new HashMap<>();
        for (String text : texts) {
            double log = 0;
            double lost = 0;
            int[] tokens = (text + (text.length() == 1 ? "\0" : "")).chars().toArray();
            for (int i = 0; i < tokens.length; i++) {
                double[] next = logProbabilities(IntStream.of(tokens).limit(i).toArray());
                String before = text.substring(0, Math.min(i, text.length()));
                double mass = texts.stream()
                        .filter(each -> each.startsWith(before))
                        .map(each -> each.length() == before.length() ? END : each.charAt(before.length()))
                        .distinct()
                        .mapToDouble(id -> Math.exp(next[id]))
                        .sum();
                log += next[tokens[i]];
                lost += Math.log(mass);
            }
            exact.put(text, Math.exp(log));
            masked.put(text, Math.exp(log - lost));
        }
        double total = exact.values().stream().mapToDouble(Double::doubleValue).sum();
        exact.replaceAll((_, p) -> p / total);
        assertThat(masked.values().stream().mapToDouble(Double::doubleValue).sum())
                .isCloseTo(1, within(1e-5));

        Map<String, Double> weights = new HashMap<>();
        double all = 0;
        for (int seed = 0; seed < Whole.or(3000, 1500); seed++) {
            Generation made = generated(options(new OneOf(texts)).withSeed(seed).withLogProbabilities(0));
            double weight = made.constrained().orElseThrow().weight().orElseThrow();
            weights.merge(made.text(), weight, Double::sum);
            all += weight;
        }
        for (String text : texts) {
            double estimate = weights.getOrDefault(text, 0.0) / all;
            assertThat(estimate).as(text).isCloseTo(exact.get(text), within(0.06));
        }
    }

    @Test
    void anExactDrawIsAcceptedByItsWeightAndItsSeedMakesItAgain() {
        Constraint half = _ ->
                new Matcher() { // a large share of the model's texts
                    private boolean done;

                    @Override
                    public void mask(long[] allowed) {
                        Arrays.fill(allowed, done ? 0 : 0x5555555555555555L);
                    }

                    @Override
                    public void accept(int token) {
                        done = true;
                    }

                    @Override
                    public boolean isAccepting() {
                        return done;
                    }

                    @Override
                    public Matcher copy() {
                        throw new AssertionError();
                    }
                };
        Generator generator = new Generator(model);
        Map<Integer, Integer> counts = new HashMap<>();
        long seed = 0;
        int accepted = 400;
        for (int i = 0; i < accepted; i++) {
            GenerationRequest request =
                    new GenerationRequest(PROMPT, options(half).withSeed(seed).withEos(Set.of()));
            Generation drawn = generator.drawExactly(request, 100);
            counts.merge(drawn.tokens()[0], 1, Integer::sum);
            assertThat(generated(options(half).withSeed(drawn.seed()).withEos(Set.of()))
                            .tokens())
                    .containsExactly(drawn.tokens());
            seed = drawn.seed() + 1;
        }
        double[] next = logProbabilities();
        double mass = IntStream.range(0, 256)
                .filter(id -> id % 2 == 0)
                .mapToDouble(id -> Math.exp(next[id]))
                .sum();
        assertThat(accepted / (double) seed).isCloseTo(mass, within(0.07)); // the acceptance rate
        assertThat(counts.keySet()).allMatch(id -> id % 2 == 0);
    }

    @Test
    void exactDrawsRefuseWhatDistortsThemAndGiveUp() {
        Generator generator = new Generator(model);
        Constraint some = oneOf("qqqqqqqqqq", "zzzzzzzzzz");
        for (GenerationOptions each : List.of(
                GenerationOptions.DEFAULT,
                options(some).withTemperature(0.5),
                options(some).withTopK(3),
                options(some).withMinNewTokens(2),
                options(some).withPresencePenalty(1),
                options(some).withRule((_, _) -> {}),
                options(some).withStop(List.of("z")))) {
            GenerationRequest request = new GenerationRequest(PROMPT, each);
            assertThatThrownBy(() -> generator.drawExactly(request, 10))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith("exact sampling: expected a constraint, temperature 1");
        }
        GenerationRequest request = new GenerationRequest(PROMPT, options(some));
        assertThatThrownBy(() -> generator.drawExactly(request, 40))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageStartingWith("exact sampling: expected a text that is accepted in 40 tries, got none, with");
        GenerationRequest cut = new GenerationRequest(PROMPT, options(some).withMaxNewTokens(3));
        assertThatThrownBy(() -> generator.drawExactly(cut, 3)).hasMessageContaining("weights of 0.0 on average");
    }

    @Test
    void aScoreUnderAConstraintIsThatOfItsGeneration() {
        Scorer scorer = new Scorer(model);
        Constraint some = oneOf("abc", "abd", "ab", "xyz");
        for (int seed = 0; seed < 6; seed++) {
            Generation made = generated(options(some).withSeed(seed).withLogProbabilities(0));
            int[] tokens = IntStream.of(made.tokens()).filter(id -> id != END).toArray();
            Scorer.ConstrainedScore score = scorer.score(PROMPT, tokens, some);
            assertThat(score.isAllowed()).isTrue();
            assertThat(score.leavesAt()).isEmpty();
            assertThat(score.score().predictions()).isEqualTo(made.predictions().subList(0, tokens.length));
            assertThat(score.logMasses())
                    .isEqualTo(made.constrained()
                            .orElseThrow()
                            .logMasses()
                            .orElseThrow()
                            .subList(0, tokens.length));
        }
        Scorer.ConstrainedScore begun = scorer.score("The", "a", some);
        assertThat(begun.isAllowed()).isFalse();
        assertThat(begun.leavesAt()).isEmpty();
        assertThat(begun.logProbability()).isNegative().isFinite();
        Scorer.ConstrainedScore other = scorer.score("The", "abxy", some);
        assertThat(other.isAllowed()).isFalse();
        assertThat(other.leavesAt()).hasValue(2);
        assertThat(other.logProbability()).isEqualTo(Double.NEGATIVE_INFINITY);
        assertThat(other.score().predictions()).hasSize(4);
        assertThatThrownBy(() -> scorer.score("", "ab", some))
                .hasMessage("prompt: expected at least one token, got none");
        assertThatThrownBy(() -> scorer.score("The", "", some))
                .hasMessage("text: expected at least one token, got none");
        assertThatThrownBy(() -> scorer.score("The", "x".repeat(511), some))
                .hasMessageStartingWith("text: expected at most 513 tokens with its prompt, got 514");
    }

    @Test
    void spellingsOfATextAreSummed() throws IOException {
        Tokenizer pieces = Tokenizer.fromVocabulary(
                "test",
                "{\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"bc\":4,\"abc\":5,\"\u0120\":6}".getBytes(StandardCharsets.UTF_8),
                "a b\nb c\na bc".getBytes(StandardCharsets.UTF_8));
        try (CausalLM small = CausalLM.create(SmallModels.gpt2(7, 64, 40, 2, 4), 5, DType.F32, pieces)) {
            Scorer scorer = new Scorer(small);
            int[] prompt = {6, 2, 6};
            Scorer.Spellings made = scorer.rankSpellings(prompt, List.of(oneOf("abc"), oneOf("c"), oneOf("bcb", "ab")));
            // a b c, a bc, ab c, abc; c; b c b, bc b, a b, ab: this test's masks leave token 0 out
            assertThat(made.counts()).containsExactly(2, 1, 3);
            double[] sums = {
                sum(scorer, prompt, List.of(new int[] {3, 2}, new int[] {5})),
                sum(scorer, prompt, List.of(new int[] {2})),
                sum(scorer, prompt, List.of(new int[] {1, 2, 1}, new int[] {3}, new int[] {4, 1}))
            };
            double all = sums[0] + sums[1] + sums[2];
            for (int i = 0; i < 3; i++) {
                assertThat(made.logProbabilities().get(i)).isCloseTo(Math.log(sums[i]), within(1e-9));
                assertThat(made.share(i)).isCloseTo(sums[i] / all, within(1e-9));
            }
            assertThat(made.order())
                    .isEqualTo(IntStream.range(0, 3)
                            .boxed()
                            .sorted(Comparator.comparingDouble((Integer i) -> -sums[i]))
                            .toList());
            assertThatThrownBy(() -> scorer.rankSpellings(prompt, List.of(oneOf("bcc".repeat(13)))))
                    .hasMessageStartingWith("choices: expected at most 4096 token sequences that spell them, got more");
            assertThatThrownBy(() -> scorer.rankSpellings(prompt, List.of(Constraint.regex("b*"))))
                    .hasMessageEndingWith("or one of over 1000; give fewer or shorter ones");
        }
    }

    private static double sum(Scorer scorer, int[] prompt, List<int[]> spellings) {
        return spellings.stream()
                .mapToDouble(tokens ->
                        Math.exp(-scorer.rank(prompt, List.of(tokens), ScoringOptions.DEFAULT, ScoringListener.NONE)
                                .choices()
                                .getFirst()
                                .totals()
                                .nll()))
                .sum();
    }
}
