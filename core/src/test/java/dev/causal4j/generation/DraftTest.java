package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.Whole;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Drafts change no token, text, log-probability or end, with any options. */
@Timeout(300)
class DraftTest {
    private static final int VOCABULARY = 301;
    private static final int SETS = Whole.RUN ? 200 : 24;

    private static int[] half(int[] tokens) {
        int[] other = tokens.clone();
        for (int i = 0; i < other.length; i += 7) {
            other[i] = 5;
        }
        return other;
    }

    private static final Draft.Source HOSTILE = (tokens, length, most, into) -> {
        Random random = new Random(length);
        for (int i = 0; i < into.length; i++) {
            into[i] = length % 5 == 0 ? tokens[random.nextInt(length)] : random.nextInt(-5, 2 * VOCABULARY);
        }
        return switch (length % 11) {
            case 1 -> Integer.MAX_VALUE;
            case 2 -> Integer.MIN_VALUE;
            case 3 -> length % 3 == 0 ? into[most] : 1;
            default -> most;
        };
    };

    /** Drafts for a text that is known from a run without. */
    private static List<Draft> drafts(Generation text) {
        int[] tokens = text.tokens();
        return List.of(
                Draft.LOOKUP,
                Draft.prediction(tokens),
                Draft.prediction(half(tokens)),
                Draft.prediction(new int[] {1, 2, 3}),
                Draft.lookup(2),
                _ -> HOSTILE);
    }

    private static int compare(CausalLM model, int count) {
        List<GenerationRequest> requests = RandomRequests.of(count, VOCABULARY);
        List<Generation> expected;
        try (Engine engine = new Engine(model, EngineOptions.DEFAULT.withParallel(1))) {
            expected = EngineFixture.all(engine, requests);
        }
        int accepted = 0;
        for (int d = 0; d < drafts(expected.getFirst()).size(); d++) {
            List<GenerationRequest> drafting = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                GenerationRequest plain = requests.get(i);
                drafting.add(new GenerationRequest(
                        plain.prompt(),
                        plain.options().withDraft(drafts(expected.get(i)).get(d))));
            }
            EngineOptions options =
                    EngineOptions.DEFAULT.withParallel(1 + 7 * (d % 2)).withPrefixBytes(d << 20);
            try (Engine engine = d < 3 ? new Engine(model, options, 15) : new Engine(model, options)) {
                List<Generation> made = EngineFixture.all(engine, drafting);
                for (int i = 0; i < count; i++) {
                    assertEqual(made.get(i), expected.get(i));
                    accepted += made.get(i).timing().drafted().accepted();
                }
            }
        }
        return accepted;
    }

    private static void assertEqual(Generation actual, Generation expected) {
        assertThat(actual.tokens()).containsExactly(expected.tokens());
        assertThat(actual.pieces()).isEqualTo(expected.pieces());
        assertThat(actual.predictions()).isEqualTo(expected.predictions());
        assertThat(actual.finishReason()).isEqualTo(expected.finishReason());
        Generation.Constrained none = new Generation.Constrained(false, Optional.empty(), List.of());
        Generation.Constrained met = actual.constrained().orElse(none);
        Generation.Constrained wanted = expected.constrained().orElse(none);
        assertThat(met.complete()).isEqualTo(wanted.complete());
        assertThat(met.logMasses()).isEqualTo(wanted.logMasses());
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16", "INT8", "INT4"})
    void noDraftChangesATextWithAnyOptions(DType dtype) throws IOException {
        try (CausalLM model =
                CausalLM.create(SmallModels.gpt2(VOCABULARY, 400, 40, 2, 4), 5, dtype, RandomRequests.bytes())) {
            assertThat(compare(model, SETS)).isGreaterThan(25 * SETS); // else it proves nothing
        }
    }

    @ParameterizedTest
    @EnumSource(DraftSourceTest.Shape.class)
    void noDraftChangesATextOfAnyShape(DraftSourceTest.Shape shape) throws IOException {
        try (CausalLM model = shape.model()) {
            assertThat(compare(model, SETS / 8)).isPositive();
        }
    }

    /** Tokens that are known are fed in tiles, whatever was learnt about guesses. */
    @Test
    void knownTokensAreNotCut() throws IOException {
        try (CausalLM model = CausalLM.create(
                        SmallModels.gpt2(VOCABULARY, 400, 40, 2, 4), 5, DType.F32, RandomRequests.bytes());
                Engine engine = new Engine(model)) {
            int[] given = new Random(1).ints(60, 97, 99).toArray();
            Constraint constraint = Constraint.regex("[ab]{60}");
            for (int i = 0; i < 3; i++) {
                Generation made = EngineFixture.all(
                                engine, List.of(GenerationRequest.following(new int[] {97, 98}, given, constraint)))
                        .getFirst();
                assertThat(made.tokens()).containsExactly(given);
                assertThat(made.timing().drafted().accepted()).isGreaterThan(40);
                assertThat(made.timing().drafted().steps()).isLessThan(12);
            }
        }
    }

    /** The counts say what was fed. */
    @Test
    void timesCountTheGuesses() throws IOException {
        try (CausalLM model = CausalLM.create(
                        SmallModels.gpt2(VOCABULARY, 400, 40, 2, 4), 5, DType.F32, RandomRequests.bytes());
                Engine engine = new Engine(model, EngineOptions.DEFAULT, 15)) {
            GenerationRequest request =
                    new GenerationRequest(new int[] {97, 98}, GenerationOptions.DEFAULT.withMaxNewTokens(65));
            Generation plain = EngineFixture.all(engine, List.of(request)).getFirst();
            assertThat(plain.timing().drafted()).isEqualTo(Generation.Drafted.NONE);
            int[] tokens = Arrays.copyOf(plain.tokens(), 64);
            tokens[40] ^= 1;
            GenerationOptions predicted = request.options().withDraft(Draft.prediction(tokens));
            Generation made = EngineFixture.all(engine, List.of(new GenerationRequest(request.prompt(), predicted)))
                    .getFirst();
            assertThat(made.tokens()).containsExactly(plain.tokens());
            Generation.Drafted drafted = made.timing().drafted();
            assertThat(drafted.accepted()).isBetween(40, 63);
            assertThat(drafted.proposed()).isGreaterThan(drafted.accepted());
            assertThat(drafted.steps()).isLessThan(20);
        }
    }
}
