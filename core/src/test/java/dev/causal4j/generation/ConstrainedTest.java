package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.Whole;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.ConstraintException;
import dev.causal4j.constraint.Matcher;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The effect of constraints on texts, and their cost to the model. */
@Timeout(120)
class ConstrainedTest extends ConstrainedFixture {
    @Test
    void massesAreThoseOfTheModelsOwnDistribution() {
        Generation made = generated(options(oneOf("abc", "abd", "ab", "xyz")).withLogProbabilities(0));
        List<Double> masses = made.constrained().orElseThrow().logMasses().orElseThrow();
        assertThat(masses).hasSameSizeAs(made.predictions());
        double sum = 0;
        for (int i = 0; i < masses.size(); i++) {
            int[] before = IntStream.of(made.tokens()).limit(i).toArray();
            String text = model.requireTokenizer().decode(before);
            double[] next = logProbabilities(before);
            List<Integer> allowed = switch (text) {
                case "" -> List.of((int) 'a', (int) 'x');
                case "a" -> List.of((int) 'b');
                case "ab" -> List.of((int) 'c', (int) 'd', END);
                case "x" -> List.of((int) 'y');
                default -> List.of((int) 'z');
            };
            double mass = allowed.stream().mapToDouble(id -> Math.exp(next[id])).sum();
            assertThat(masses.get(i)).isCloseTo(Math.log(mass), within(1e-6));
            assertThat(made.constrained().orElseThrow().allowedMass(i)).isCloseTo(mass, within(1e-6));
            if (allowed.size() == 1) {
                assertThat(masses.get(i)).isEqualTo(made.predictions().get(i).logProbability());
            }
            sum -= masses.get(i);
        }
        assertThat(made.constrained().orElseThrow().lostLogProbability()).contains(sum);
        assertThat(made.constrained().orElseThrow().weight()).contains(StrictMath.exp(-sum));
    }

    @Test
    void aConstraintThatAllowsEverythingLosesNothing() throws IOException {
        try (CausalLM whole =
                CausalLM.create(SmallModels.gpt2(256, 512, 40, 2, 4), 5, DType.F32, GeneratorTest.bytes())) {
            Constraint all = _ -> new Matcher() {
                @Override
                public void mask(long[] allowed) {
                    Arrays.fill(allowed, -1);
                }

                @Override
                public void accept(int token) {}

                @Override
                public boolean isAccepting() {
                    return true;
                }

                @Override
                public Matcher copy() {
                    return this;
                }
            };
            Generation made = new Generator(whole)
                    .generate(PROMPT, options(all).withLogProbabilities(0).withMaxNewTokens(20));
            assertThat(made.constrained().orElseThrow().lostLogProbability()).contains(0.0);
        }
    }

    /** Without log-probabilities, forced tokens take no rows of the head; nothing else may differ. */
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 3, 16})
    void tokensAreTheSameWithAndWithoutLogProbabilities(int rows) {
        List<GenerationRequest> requests = new ArrayList<>();
        for (int i = 0; i < Whole.or(40, 16); i++) {
            GenerationOptions options = options(
                            i % 3 == 0
                                    ? oneOf("abcdefghijklmnopqrstuvwxyz" + "0123456789".repeat(3), "abcdz")
                                    : i % 3 == 1 ? oneOf("a0", "a1b2c3", "aXYZXYZXYZ!", "b") : oneOf("zzzzzzzz"))
                    .withSeed(i)
                    .withMaxNewTokens(i % 7 == 0 ? 9 : 90)
                    .withStop(i % 10 == 9 ? List.of("fgh") : List.of());
            if (i % 2 == 0) {
                options = options.withLogProbabilities(0);
            }
            int length = 3 + i % 5;
            requests.add(
                    new GenerationRequest(new Random(i / 8).ints(length, 1, 256).toArray(), options));
        }
        Draft.Source wrong = (tokens, length, most, into) -> {
            for (int i = 0; i < most; i++) {
                into[i] = 'a' + i % 3;
            }
            return most;
        };
        try (Engine engine = EngineFixture.drafting(model, EngineOptions.DEFAULT.withParallel(32), wrong, rows)) {
            List<CompletableFuture<Generation>> all = requests.stream()
                    .map(each -> engine.submit(each, TokenListener.NONE))
                    .toList();
            for (int i = 0; i < all.size(); i++) {
                Generation made = all.get(i).join();
                GenerationOptions other =
                        requests.get(i).options().withLogProbabilities(0).withRule((_, _) -> {});
                Generation alone = new Generator(model).generate(requests.get(i).prompt(), other);
                assertThat(made.tokens()).containsExactly(alone.tokens());
                assertThat(made.pieces()).isEqualTo(alone.pieces());
                assertThat(made.finishReason()).isEqualTo(alone.finishReason());
                assertThat(made.timing().decodedTokens()).isEqualTo(Math.max(0, made.tokens().length - 1));
                Generation.Constrained constrained = made.constrained().orElseThrow();
                assertThat(constrained.complete())
                        .isEqualTo(alone.constrained().orElseThrow().complete())
                        .isEqualTo(made.finishReason() != FinishReason.LENGTH
                                && requests.get(i).options().constraint().orElseThrow() instanceof OneOf texts
                                && texts.texts().contains(made.text()));
                assertThat(constrained.logMasses().isPresent()).isEqualTo(i % 2 == 0);
                assertThat(constrained.lostLogProbability().isPresent()).isEqualTo(i % 2 == 0);
                constrained
                        .logMasses()
                        .ifPresent(masses -> assertThat(masses)
                                .isEqualTo(alone.constrained()
                                        .orElseThrow()
                                        .logMasses()
                                        .orElseThrow()));
            }
        }
    }

    /**
     * Two schemas, an expression and free texts in one batch: several workers follow one compiled constraint at once.
     */
    @ParameterizedTest
    @CsvSource({"0, 0", "16, 0", "16, 60"})
    void sixtyFourNeighboursChangeNoBit(int rows, int pages) {
        List<Optional<Constraint>> constraints = List.of(
                Optional.of(Constraint.schema(PERSON)),
                Optional.of(Constraint.schema("{\"enum\": [\"a\", \"ab\", {\"long\": [1, 2, 3, 4, 5, 6, 7]}]}")),
                Optional.of(Constraint.regex("(\\d{3}-)*\\d{4}")),
                Optional.empty());
        List<GenerationRequest> requests = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            GenerationOptions options = GenerationOptions.DEFAULT
                    .withMaxNewTokens(40 + i)
                    .withEos(Set.of(END))
                    .withSeed(i)
                    .withTemperature(i % 5 == 0 ? 0 : 1.2);
            options = constraints.get(i % 4).map(options::withConstraint).orElse(options);
            if (i % 3 == 0) {
                options = options.withLogProbabilities(i % 2);
            }
            requests.add(new GenerationRequest(
                    new Random(i / 16).ints(20 + i / 16, 1, 256).toArray(), options));
        }
        EngineOptions options = EngineOptions.DEFAULT
                .withParallel(64)
                .withPrefixBytes(pages * (model.decoder().pool().pageBytes() + PrefixCache.PREDICTION_BYTES));
        List<Generation> together;
        try (Engine engine = new Engine(model, options, rows)) {
            List<CompletableFuture<Generation>> all = requests.stream()
                    .map(each -> engine.submit(each, TokenListener.NONE))
                    .toList();
            together = all.stream().map(CompletableFuture::join).toList();
        }
        for (int i = 0; i < 64; i++) {
            Generation made = together.get(i);
            try (Engine engine = new Engine(model, EngineOptions.DEFAULT, 0)) {
                Generation alone =
                        engine.submit(requests.get(i), TokenListener.NONE).join();
                assertThat(made.tokens()).containsExactly(alone.tokens());
                assertThat(made.pieces()).isEqualTo(alone.pieces());
                assertThat(made.predictions()).isEqualTo(alone.predictions());
                assertThat(made.finishReason()).isEqualTo(alone.finishReason());
                assertThat(made.constrained().flatMap(Generation.Constrained::logMasses))
                        .isEqualTo(alone.constrained().flatMap(Generation.Constrained::logMasses));
            }
            made.constrained()
                    .filter(Generation.Constrained::complete)
                    .ifPresent(_ -> assertThat(made.text())
                            .matches("(?s)\\{\\s*\"name\".*\\}|\"ab?\"|\\{\\s*\"long\".*\\}|[-0-9]+"));
        }
    }

    /** An end is not a step. Where nothing else can follow it cannot be withheld. */
    @Test
    void aFewestNumberOfTokensHoldsBackOnlyAnEndThatIsAChoice() {
        for (int seed = 0; seed < 20; seed++) {
            Generation made =
                    generated(options(oneOf("a", "ab")).withMinNewTokens(50).withSeed(seed));
            assertThat(made.text()).isEqualTo("ab");
            assertThat(made.finishReason()).isEqualTo(FinishReason.STOP);
        }
    }

    /** A sequence whose pattern exceeds a limit fails alone, with a line that names the pattern. */
    @Test
    void aLimitThatIsMetFailsItsSequenceAlone() {
        Constraint fails = tokenizer -> {
            Matcher matcher = Constraint.regex("[a-z]*").start(tokenizer);
            return new Matcher() {
                private int taken;

                @Override
                public void mask(long[] allowed) {
                    if (taken == 7) {
                        throw new ConstraintException("regex", "at most 7 tokens", "more", "shorten it");
                    }
                    matcher.mask(allowed);
                }

                @Override
                public void accept(int token) {
                    taken++;
                    matcher.accept(token);
                }

                @Override
                public boolean isAccepting() {
                    return false;
                }

                @Override
                public Matcher copy() {
                    return this;
                }
            };
        };
        try (Engine engine = new Engine(model)) {
            List<CompletableFuture<Generation>> all = new ArrayList<>();
            for (int i = 0; i < 9; i++) {
                GenerationOptions options =
                        options(i == 4 ? fails : Constraint.regex("[a-z]{12}")).withSeed(i);
                all.add(engine.submit(new GenerationRequest(PROMPT, options), TokenListener.NONE));
            }
            for (int i = 0; i < 9; i++) {
                CompletableFuture<Generation> each = all.get(i);
                if (i == 4) {
                    assertThatThrownBy(each::join)
                            .hasCauseInstanceOf(ConstraintException.class)
                            .hasMessageContaining("regex: expected at most 7 tokens, got more");
                } else {
                    assertThat(each.join().text()).matches("[a-z]{12}");
                }
            }
        }
    }

    @Test
    void aListenerEndsARunOfForcedTokensWhereItWants() {
        List<String> heard = new ArrayList<>();
        GenerationOptions options = options(oneOf("abcdefghij", "x")).withSeed(2);
        Generation made = new Generator(model)
                .generate(List.of(new GenerationRequest(PROMPT, options)), token -> {
                    heard.add(token.text());
                    return heard.size() < 4;
                })
                .getFirst();
        String text = String.join("", heard);
        assertThat(made.text()).isEqualTo(text);
        assertThat(made.finishReason()).isEqualTo(text.equals("x") ? FinishReason.STOP : FinishReason.CANCELLED);
        assertThat(made.constrained().orElseThrow().complete()).isEqualTo(text.equals("x"));
    }

    /** Where a tokenizer drops the space that a text begins with, an answer begins as a text does. */
    @Test
    void theTextOfAConstraintIsATextOfItsOwn() throws IOException {
        Path folder = Path.of("../text/src/test/resources/dev/causal4j/tokenizer/golden/llama2-style");
        Tokenizer llama = Tokenizer.load(folder).orElseThrow();
        int[] answer = llama.encode("{ a");
        assertThat(llama.piece(answer[0])).startsWith("\u2581");
        Constraint given = _ -> new Matcher() {
            private int taken;

            @Override
            public void mask(long[] allowed) {
                allowed[answer[taken] / 64] |= taken < answer.length ? 1L << answer[taken] : 0;
            }

            @Override
            public void accept(int token) {
                taken++;
            }

            @Override
            public boolean isAccepting() {
                return false;
            }

            @Override
            public Matcher copy() {
                throw new AssertionError();
            }
        };
        int size = llama.vocabularySize();
        try (CausalLM small = CausalLM.create(SmallModels.gpt2(size, 64, 40, 2, 4), 5, DType.F32, llama)) {
            int[] prompt = llama.encode("Answer:");
            GenerationOptions options = options(given).withEos(Set.of()).withMaxNewTokens(answer.length - 1);
            Generation made = new Generator(small).generate(prompt, options);
            assertThat(made.tokens()).containsExactly(Arrays.copyOf(answer, answer.length - 1));
            assertThat(made.text()).isEqualTo("{");
        }
    }

    @Test
    void withoutAConstraintThereIsNothingToTell() {
        Generation free = new Generator(model).generate(PROMPT, GenerationOptions.DEFAULT.withMaxNewTokens(3));
        assertThat(free.constrained()).isEqualTo(Optional.empty());
    }
}
