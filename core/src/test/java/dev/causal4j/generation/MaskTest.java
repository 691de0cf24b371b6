package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.Matcher;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Answers under a constraint have the bits that they have alone. */
class MaskTest {
    /** More rows than the 256 bytes that the tokenizer has. */
    private static final int VOCABULARY = 301;

    private static final int END = 0;

    private static final String RECORD =
            "\\{\"name\": \"[a-z]{1,8}\", \"kind\": \"(cat|category|dog)\"(, \"age\": [1-9]?[0-9])?\\}";

    private final CausalLM model = model();

    private static CausalLM model() {
        try {
            return CausalLM.create(SmallModels.gpt2(VOCABULARY, 512, 40, 2, 4), 5, DType.F32, GeneratorTest.bytes());
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @AfterEach
    void close() {
        model.close();
    }

    /** Texts that an expression matches, a byte a token. */
    private record Expression(String expression) implements Constraint {
        @Override
        public Matcher start(dev.causal4j.tokenizer.Vocabulary vocabulary) {
            return new Text(Pattern.compile(expression, Pattern.DOTALL), "");
        }
    }

    private static class Text implements Matcher {
        private final Pattern pattern;
        private String text;

        Text(Pattern pattern, String text) {
            this.pattern = pattern;
            this.text = text;
        }

        @Override
        @SuppressWarnings("JdkObsolete") // hitEnd says whether more input could match
        public void mask(long[] allowed) {
            for (int b = 1; b < 256; b++) {
                java.util.regex.Matcher found = pattern.matcher(text + (char) b);
                if (found.matches() || found.hitEnd()) {
                    allowed[b / 64] |= 1L << b;
                }
            }
        }

        @Override
        public void accept(int token) {
            text += (char) token;
        }

        @Override
        public boolean isAccepting() {
            return pattern.matcher(text).matches();
        }

        @Override
        public Matcher copy() {
            return new Text(pattern, text);
        }
    }

    private static GenerationOptions options(String expression, int seed) {
        return GenerationOptions.DEFAULT
                .withMaxNewTokens(100)
                .withSeed(seed)
                .withEos(Set.of(END))
                .withLogProbabilities(1)
                .withConstraint(new Expression(expression));
    }

    private static GenerationRequest request(int seed, GenerationOptions options) {
        return new GenerationRequest(new Random(seed).ints(9 + seed, 1, 256).toArray(), options);
    }

    private Generation alone(GenerationRequest request) {
        try (Engine engine = new Engine(model, EngineOptions.DEFAULT, 0)) {
            return engine.submit(request, TokenListener.NONE).join();
        }
    }

    private static void assertEqual(Generation actual, Generation expected) {
        assertThat(actual.tokens()).containsExactly(expected.tokens());
        assertThat(actual.pieces()).isEqualTo(expected.pieces());
        assertThat(actual.predictions()).isEqualTo(expected.predictions());
        assertThat(actual.finishReason()).isEqualTo(expected.finishReason());
        assertThat(actual.timing().decodedTokens()).isEqualTo(Math.max(0, expected.tokens().length - 1));
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "16, 0", "1, 0", "16, 30", "16, 100"})
    void neighboursForcedRowsAndTheCacheChangeNoBit(int forced, int pages) {
        List<GenerationRequest> requests = new ArrayList<>();
        for (int i = 0; i < 24; i++) {
            GenerationOptions options = options(i % 3 == 0 ? "[0-9]{3}(-[0-9]{3})*" : RECORD, i)
                    .withTemperature(i % 4 == 0 ? 0 : 1)
                    .withRepetitionPenalty(i % 5 == 0 ? 1.2 : 1);
            requests.add(request(
                    i / 4,
                    i % 6 == 5
                            ? GenerationOptions.DEFAULT
                                    .withMaxNewTokens(40)
                                    .withSeed(i)
                                    .withLogProbabilities(1)
                            : options));
        }
        List<Generation> expected = requests.stream().map(this::alone).toList();
        EngineOptions options = EngineOptions.DEFAULT.withPrefixBytes(
                pages * (model.decoder().pool().pageBytes() + PrefixCache.PREDICTION_BYTES));
        Draft.Source wrong = (tokens, length, most, into) -> most; // zeros
        try (Engine engine = EngineFixture.drafting(model, options, wrong, forced)) {
            List<CompletableFuture<Generation>> all = requests.stream()
                    .map(each -> engine.submit(each, TokenListener.NONE))
                    .toList();
            for (int i = 0; i < all.size(); i++) {
                assertEqual(all.get(i).join(), expected.get(i));
            }
        }
        for (int i = 0; i < requests.size(); i++) {
            if (i % 3 != 0 && i % 6 != 5) {
                assertThat(expected.get(i).text()).matches(RECORD);
                assertThat(expected.get(i).finishReason()).isEqualTo(FinishReason.STOP);
            }
        }
    }

    @Test
    void anEndIsAllowedWhereTheTextIsAllowedAndComesByItselfWhereNothingElseIs() {
        Set<String> texts = new java.util.TreeSet<>();
        for (int seed = 0; seed < 120; seed++) {
            Generation made = alone(request(1, options("ab?c?|d", seed).withTemperature(1.5)));
            texts.add(made.text() + " " + made.finishReason().label());
            boolean ends = made.finishReason() == FinishReason.EOS;
            assertThat(made.tokens()).hasSize(made.text().length() + (ends ? 1 : 0));
        }
        assertThat(texts).containsExactlyInAnyOrder("a eos", "ab eos", "abc stop", "ac stop", "d stop");
        Generation empty = alone(request(1, options("", 1)));
        assertThat(empty.tokens()).isEmpty();
        assertThat(empty.finishReason()).isEqualTo(FinishReason.STOP);
        Generation cut = alone(request(1, options("[a-z]{80}", 1).withMaxNewTokens(10)));
        assertThat(cut.finishReason()).isEqualTo(FinishReason.LENGTH);
        Generation stopped = alone(request(1, options("xy[a-z]{80}", 1).withStop(List.of("y"))));
        assertThat(stopped.text()).isEqualTo("x");
        Generation exact = alone(request(1, options("[a-z]{3}", 1).withMaxNewTokens(3)));
        assertThat(exact.finishReason()).isEqualTo(FinishReason.STOP);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 16})
    void aForcedTokenNeedsNoStepOfItsOwn(int forced) {
        // Ten tokens after the prompt and the digit, eight after that; the reader is asked before each step except the
        // first.
        assertThat(steps("abcdefghij[0-9]klmnopqr", forced)).isEqualTo(forced == 0 ? 19 : 2);
    }

    /** Each guess may cost a mask, and all sequences of a step wait for it. */
    @Test
    void aStepTakesSixteenForcedTokensAtMost() {
        assertThat(steps("a".repeat(100), 16)).isBetween(100 / 17, 7);
    }

    private int steps(String pattern, int forced) {
        AtomicInteger steps = new AtomicInteger();
        try (Engine engine = new Engine(model, EngineOptions.DEFAULT, forced)) {
            Generation made = engine.submit(request(1, options(pattern, 1)), new TokenListener() {
                        @Override
                        public boolean accept(GeneratedToken token) {
                            return true;
                        }

                        @Override
                        public boolean ready() {
                            steps.incrementAndGet();
                            return true;
                        }
                    })
                    .join();
            assertThat(made.text()).matches(pattern);
        }
        return steps.get();
    }

    @Test
    void logProbabilitiesAreTheModelsOwn() {
        GenerationRequest request = request(3, options(RECORD, 2));
        Generation made = new Generator(model).generate(request.prompt(), request.options());
        int[] whole = IntStream.concat(IntStream.of(request.prompt()), IntStream.of(made.tokens()))
                .toArray();
        try (Engine engine = new Engine(model)) {
            assertThat(made.predictions())
                    .isEqualTo(engine.score(whole, request.prompt().length, 1).join());
        }
    }

    @Test
    void rulesSeeOnlyWhatIsAllowedAndAreCalledOnceForEachToken() {
        List<Integer> lengths = new ArrayList<>();
        LogitRule rule = (logits, soFar) -> {
            lengths.add(soFar.length());
            assertThat(IntStream.range(0, logits.length).filter(id -> logits[id] != Float.NEGATIVE_INFINITY))
                    .isSubsetOf(IntStream.rangeClosed('a', 'z').boxed().toList());
            logits['b'] -= 2;
        };
        GenerationRequest request = request(1, options("ab[a-c]{4}xyz", 1).withRule(rule));
        Generation made = new Generator(model).generate(request.prompt(), request.options());
        assertThat(lengths)
                .containsExactlyElementsOf(
                        IntStream.range(10, 10 + made.tokens().length).boxed().toList());
    }

    /** A matcher that throws when its text has some length. */
    private static Constraint failing(int length) {
        return _ -> new Text(Pattern.compile("[a-z]*"), "") {
            private int accepted;

            @Override
            public void accept(int token) {
                if (++accepted == length) {
                    throw new UnsupportedOperationException("a matcher's");
                }
                super.accept(token);
            }
        };
    }

    @Test
    void oneThatFailsEndsAlone() {
        try (Engine engine = new Engine(model)) {
            CompletableFuture<Generation> failing =
                    engine.submit(request(1, options("a*", 1).withConstraint(failing(5))), TokenListener.NONE);
            CompletableFuture<Generation> good = engine.submit(request(1, options(RECORD, 1)), TokenListener.NONE);
            assertThatThrownBy(failing::join).hasRootCauseMessage("a matcher's");
            assertEqual(good.join(), alone(request(1, options(RECORD, 1))));
            Constraint end = _ -> new Text(Pattern.compile("abc"), "") {
                @Override
                public boolean isAccepting() {
                    return false;
                }
            };
            GenerationRequest dead = request(1, options("a", 1).withConstraint(end));
            assertThatThrownBy(() -> engine.submit(dead, TokenListener.NONE).join())
                    .hasRootCauseMessage("constraint: expected a token that can follow, got none; ban fewer tokens");
            GenerationRequest banned =
                    request(1, options("ab", 1).withLogitBias(java.util.Map.of((int) 'b', Double.NEGATIVE_INFINITY)));
            assertThatThrownBy(() -> engine.submit(banned, TokenListener.NONE).join())
                    .hasStackTraceContaining("logit-bias: expected to leave a token to choose");
            assertThat(engine.submit(
                                    request(1, options("ab", 1).withLogitBias(java.util.Map.of((int) 'b', -100.0))),
                                    TokenListener.NONE)
                            .join()
                            .text())
                    .isEqualTo("ab");
        }
    }

    @Test
    void bitsBehindTheVocabularyAreIgnored() {
        Matcher third = new Text(Pattern.compile(""), "") {
            @Override
            public void mask(long[] allowed) {
                allowed[0] = 1 << 3;
                allowed[1] = -1L << 6;
            }

            @Override
            public Matcher copy() {
                return this;
            }
        };
        Mask mask = new Mask(third, Set.of(), 70);
        assertThat(mask.make(false)).isTrue();
        float[] logits = new float[70];
        mask.apply(logits, new LogitRule.TokensSoFar(new int[0], 0, 0, Set.of()));
        assertThat(IntStream.range(0, 70).filter(id -> logits[id] == 0)).containsExactly(3);
    }

    @Test
    void whatCannotBeHeldIsRefused() {
        assertThatThrownBy(() -> options("a", 1).withNoRepeatNgramSize(2))
                .hasMessage("no-repeat-ngram-size: expected 0 beside a constraint, got 2");
        try (CausalLM bare = SmallModels.bare(model);
                Engine engine = new Engine(bare)) {
            assertThat(bare.tokenizer()).isEqualTo(Optional.empty());
            assertThatThrownBy(() -> engine.submit(request(1, options("a", 1)), TokenListener.NONE))
                    .hasMessageStartingWith("tokenizer: expected");
        }
    }
}
