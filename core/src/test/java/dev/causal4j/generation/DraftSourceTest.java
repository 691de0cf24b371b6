package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.NonFiniteException;
import dev.causal4j.Whole;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Guesses, right, wrong or hostile, change no token, text, log-probability, end or usage. */
@Timeout(120)
class DraftSourceTest {
    private static final int VOCABULARY = 301;
    private static final int CONTEXT = 400;

    private static final String SIZES = """
            {"vocab_size": 301, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "head_dim": 12,
             "num_key_value_heads": 1, "intermediate_size": 40, "max_position_embeddings": 400,
            """;

    /** Decoders in which a defect would make rows depend on more than the rows before them. */
    enum Shape {
        PLAIN("""
                {"model_type": "gpt2", "vocab_size": 301, "n_positions": 400, "n_embd": 40, "n_layer": 2, "n_head": 4}"""),
        WINDOWS(SIZES + """
                "model_type": "gemma2", "sliding_window": 70}"""),
        DYNAMIC_POSITIONS(SIZES + """
                "model_type": "llama", "rope_scaling": {"rope_type": "longrope", "original_max_position_embeddings": 64,
                 "short_factor": [1, 1, 1, 1, 1, 1], "long_factor": [3, 7, 9, 11, 13, 15]}}"""),
        EXPERTS(SIZES + """
                "model_type": "gpt_oss", "sliding_window": 65, "num_local_experts": 5, "num_experts_per_tok": 2}"""),
        CONVOLUTIONS(SIZES + """
                "model_type": "lfm2", "conv_L_cache": 4, "layer_types": ["conv", "full_attention"]}"""),
        DELTA_NETS(SIZES + """
                "model_type": "qwen3_5_text", "linear_num_key_heads": 2, "linear_num_value_heads": 4,
                "linear_key_head_dim": 5, "linear_value_head_dim": 34, "partial_rotary_factor": 0.5,
                "layer_types": ["linear_attention", "full_attention"]}"""),
        STATE_SPACES(SIZES + """
                "model_type": "granitemoehybrid", "mamba_n_heads": 4, "mamba_d_head": 12, "mamba_expand": 2,
                "mamba_n_groups": 2, "mamba_d_state": 11, "num_local_experts": 0, "layer_types": ["attention", "mamba"],
                "shared_intermediate_size": 40}""");

        private final String json;

        Shape(String json) {
            this.json = json;
        }

        CausalLM model() throws IOException {
            return CausalLM.create(SmallModels.config(json), 5, DType.F32, GeneratorTest.bytes());
        }
    }

    /** Runs of forced tokens, shorter and longer than a draft. */
    private static final Constraint FORCING =
            ConstrainedFixture.oneOf("abcdefghijklmnopqrstuvwxyz0123456789", "abcz", "x0123456789y", "x0123456789z");

    private static int[] prompt(int seed, int length) {
        return new Random(seed).ints(length, 0, 256).toArray();
    }

    private static GenerationOptions options(int tokens, int seed) {
        return GenerationOptions.DEFAULT.withMaxNewTokens(tokens).withSeed(seed).withLogProbabilities(2);
    }

    /** Every way to choose and to end. */
    private static List<GenerationRequest> requests() {
        List<GenerationOptions> options = List.of(
                options(150, 1).withTemperature(0),
                options(150, 2),
                options(90, 3).withTemperature(0.7).withTopK(50).withTopP(0.9),
                options(90, 4)
                        .withRepetitionPenalty(1.3)
                        .withFrequencyPenalty(0.4)
                        .withPresencePenalty(0.2),
                options(90, 5).withMinP(0.1).withTypicalP(0.9).withLogitBias(java.util.Map.of(7, 3.0, 8, -4.0)),
                options(200, 6).withTemperature(1.5).withStop(List.of("a", "\u0001\u0002", "zz")),
                options(200, 7).withEos(Set.of(3, 77)).withMinNewTokens(30),
                options(CONTEXT, 8),
                options(1, 9),
                options(2, 10),
                ConstrainedFixture.options(FORCING).withSeed(11).withLogProbabilities(2),
                ConstrainedFixture.options(FORCING).withSeed(12).withTemperature(3));
        return IntStream.range(0, options.size())
                .mapToObj(i -> new GenerationRequest(prompt(i / 2, i % 3 == 0 ? 70 : 20), options.get(i)))
                .toList();
    }

    /** Guesses up to {@code right} tokens with which one of the texts continues a sequence, then wrong ones. */
    private static Draft.Source knowing(List<Generation> texts, int right) {
        return (tokens, length, most, into) -> {
            int count = 0;
            for (Generation text : texts) {
                int[] whole = whole(text);
                if (length < whole.length && Arrays.equals(tokens, 0, length, whole, 0, length)) {
                    while (count < most && count < right && length + count < whole.length) {
                        into[count] = whole[length + count++];
                    }
                    break;
                }
            }
            for (; count < most; count++) {
                into[count] = (length + count) % VOCABULARY;
            }
            return count;
        };
    }

    private static int[] whole(Generation text) {
        return IntStream.concat(IntStream.of(text.promptTokens()), IntStream.of(text.tokens()))
                .toArray();
    }

    private static Draft.Source hostile(int kind) {
        return (tokens, length, most, into) -> switch (kind) {
            case 0 -> {
                Arrays.fill(into, -1);
                yield most;
            }
            case 1 -> {
                Arrays.fill(into, length % 2 == 0 ? VOCABULARY : 256); // ids past the head's, and past the tokenizer's
                yield most;
            }
            case 2 -> Integer.MAX_VALUE;
            case 3 -> Integer.MIN_VALUE;
            case 4 -> {
                into[most] = 1;
                yield most;
            }
            default -> throw new AssertionError("a source's");
        };
    }

    private static void assertEqual(Generation actual, Generation expected) {
        assertThat(actual.tokens()).containsExactly(expected.tokens());
        assertThat(actual.promptTokens()).containsExactly(expected.promptTokens());
        assertThat(actual.pieces()).isEqualTo(expected.pieces());
        assertThat(actual.predictions()).isEqualTo(expected.predictions());
        assertThat(actual.finishReason()).isEqualTo(expected.finishReason());
        Generation.Timing timing = actual.timing();
        assertThat(timing.cachedTokens() + timing.prefillTokens()).isEqualTo(expected.promptTokens().length);
        assertThat(timing.decodedTokens()).isEqualTo(expected.timing().decodedTokens());
    }

    private static List<Shape> shapes() {
        return Whole.RUN ? List.of(Shape.values()) : List.of(Shape.PLAIN);
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void guessesChangeNothing(Shape shape) throws IOException {
        try (CausalLM model = shape.model()) {
            PagePool pool = model.decoder().pool();
            int free = pool.freePages();
            EngineOptions cached = EngineOptions.DEFAULT.withPrefixBytes(1 << 26);
            List<GenerationRequest> requests = requests();
            List<Generation> expected;
            try (Engine engine = new Engine(model, EngineOptions.DEFAULT.withParallel(1))) {
                expected = EngineFixture.all(engine, requests);
            }
            List<Draft.Source> sources = new ArrayList<>(List.of(knowing(expected, 5), knowing(expected, 0)));
            if (Whole.RUN) {
                sources.addAll(List.of(knowing(expected, 100), knowing(expected, 1)));
            }
            IntStream.range(0, shape == Shape.PLAIN ? 6 : 0).forEach(kind -> sources.add(hostile(kind)));
            for (int i = 0; i < sources.size(); i++) {
                List<EngineOptions> all = List.of(EngineOptions.DEFAULT, cached);
                for (EngineOptions options : Whole.RUN ? all : List.of(all.get(i % 2))) {
                    try (Engine engine =
                            EngineFixture.drafting(model, options.withPromptRows(64), sources.get(i), 16)) {
                        List<Generation> made = EngineFixture.all(engine, requests);
                        for (int r = 0; r < requests.size(); r++) {
                            assertEqual(made.get(r), expected.get(r));
                        }
                    }
                    assertThat(pool.freePages()).isEqualTo(free);
                }
            }
        }
    }

    /** A step takes several tokens, also at the end of a prompt, unless recurrent layers could not undo it. */
    @ParameterizedTest
    @CsvSource({"PLAIN, 0", "PLAIN, 1", "PLAIN, 5", "PLAIN, 16", "CONVOLUTIONS, 16", "DELTA_NETS, 5", "STATE_SPACES, 16"
    })
    void rightGuessesSaveSteps(Shape shape, int most) throws IOException {
        try (CausalLM model = shape.model()) {
            GenerationRequest request = new GenerationRequest(prompt(1, 20), options(120, 1));
            Generation expected = new Generator(model).generate(request.prompt(), request.options());
            int[] steps = {0};
            Draft.Source right = knowing(List.of(expected), 100);
            Draft.Source counting = (tokens, length, room, into) -> {
                steps[0]++;
                return right.propose(tokens, length, room, into);
            };
            try (Engine engine = EngineFixture.drafting(model, EngineOptions.DEFAULT, counting, most)) {
                assertEqual(EngineFixture.all(engine, List.of(request)).getFirst(), expected);
            }
            assertThat(steps[0]).isEqualTo(most == 0 ? 0 : Math.ceilDiv(120 - 1, most + 1));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {100, 3, 0})
    void aRuleIsCalledOnceForEachTokenThatIsTaken(int right) throws IOException {
        try (CausalLM model = Shape.PLAIN.model()) {
            List<int[]> called = new ArrayList<>();
            LogitRule rule = (logits, soFar) -> called.add(Arrays.copyOf(soFar.tokens(), soFar.length()));
            GenerationOptions plain = options(100, 1).withStop(List.of("q"));
            Generation expected = new Generator(model).generate(prompt(1, 20), plain);
            try (Engine engine =
                    EngineFixture.drafting(model, EngineOptions.DEFAULT, knowing(List.of(expected), right), 16)) {
                Generation made = EngineFixture.all(
                                engine, List.of(new GenerationRequest(prompt(1, 20), plain.withRule(rule))))
                        .getFirst();
                assertEqual(made, expected);
            }
            assertThat(called).hasSize(expected.tokens().length);
            int[] whole = whole(expected);
            for (int i = 0; i < called.size(); i++) {
                assertThat(called.get(i)).containsExactly(Arrays.copyOf(whole, 20 + i));
            }
        }
    }

    /** The embedding of a token that is never chosen is not a number. */
    @Test
    void aRowThatIsNotReachedMayBeNoNumber() throws IOException {
        try (CausalLM model = Shape.PLAIN.model()) {
            Matrix good = model.head().embedding();
            Matrix bad = Matrix.of(Device.shared(), DType.F32, VOCABULARY, 40, (n, row) -> {
                good.row(n, row, 0);
                row[5] = n == 250 ? Float.NaN : row[5];
            });
            CausalLM damaged = SmallModels.withHead(model, bad, good);
            GenerationRequest request = new GenerationRequest(
                    new int[] {1, 2, 3},
                    options(100, 1).withLogitBias(java.util.Map.of(250, Double.NEGATIVE_INFINITY)));
            Generation expected = new Generator(damaged).generate(request.prompt(), request.options());
            Draft.Source source = (tokens, length, most, into) -> {
                Arrays.fill(into, 250);
                return most;
            };
            try (Engine engine = EngineFixture.drafting(damaged, EngineOptions.DEFAULT, source, 7)) {
                assertEqual(EngineFixture.all(engine, List.of(request)).getFirst(), expected);
                GenerationRequest forced = new GenerationRequest(
                        new int[] {1, 2, 3}, options(100, 1).withLogitBias(java.util.Map.of(250, 1e6)));
                assertThatThrownBy(() -> EngineFixture.all(engine, List.of(forced)))
                        .hasRootCauseInstanceOf(NonFiniteException.class)
                        .hasStackTraceContaining("with NaN at position 3");
            }
        }
    }

    /** 32 MB of logits hold fewer rows than a draft has. */
    @Test
    void rowsOfASequenceMayLieInSeveralChunksOfLogits() {
        try (CausalLM wide = CausalLM.create(SmallModels.gpt2(900_001, 60, 4, 1, 1), 5, DType.F32)) {
            List<GenerationRequest> requests = IntStream.range(0, 2)
                    .mapToObj(i ->
                            new GenerationRequest(prompt(i, 5), options(30, i).withTemperature(i)))
                    .toList();
            List<Generation> expected = requests.stream()
                    .map(each -> new Generator(wide).generate(each.prompt(), each.options()))
                    .toList();
            try (Engine engine = EngineFixture.drafting(wide, EngineOptions.DEFAULT, knowing(expected, 20), 16)) {
                List<Generation> made = EngineFixture.all(engine, requests);
                assertEqual(made.getFirst(), expected.getFirst());
                assertEqual(made.getLast(), expected.getLast());
            }
        }
    }

    /** Guesses without room in the pool are dropped, and no sequence is set back for them. */
    @ParameterizedTest
    @CsvSource({"WINDOWS, 8", "DELTA_NETS, 10"})
    void aFullPoolChangesNothing(Shape shape, int pages) throws IOException {
        try (CausalLM model = shape.model()) {
            List<GenerationRequest> requests = requests();
            List<Generation> expected = requests.stream()
                    .map(each -> new Generator(model).generate(each.prompt(), each.options()))
                    .toList();
            List<KVCache> others = EngineFixture.fill(model, pages);
            for (int right : Whole.RUN ? new int[] {100, 3, 0} : new int[] {3}) {
                for (long bytes : new long[] {0, 1 << 26}) {
                    EngineOptions options = EngineOptions.DEFAULT.withPrefixBytes(bytes);
                    try (Engine engine = EngineFixture.drafting(model, options, knowing(expected, right), 16)) {
                        List<Generation> made = EngineFixture.all(engine, requests);
                        for (int i = 0; i < made.size(); i++) {
                            assertEqual(made.get(i), expected.get(i));
                        }
                    }
                }
            }
            others.forEach(KVCache::close);
        }
    }

    /** A wrong guess is in no page that others share, and in no state. */
    @ParameterizedTest
    @EnumSource(names = {"PLAIN", "CONVOLUTIONS", "DELTA_NETS", "STATE_SPACES"})
    void onlyTakenTokensAreKeptForOthers(Shape shape) throws IOException {
        try (CausalLM model = shape.model()) {
            GenerationRequest request = new GenerationRequest(prompt(1, 60), options(150, 1));
            Generation expected = new Generator(model).generate(request.prompt(), request.options());
            EngineOptions options = EngineOptions.DEFAULT.withPrefixBytes(1 << 26);
            try (Engine engine = EngineFixture.drafting(model, options, knowing(List.of(expected), 3), 16)) {
                assertEqual(EngineFixture.all(engine, List.of(request)).getFirst(), expected);
                int[] turn = IntStream.concat(IntStream.of(whole(expected)), IntStream.of(prompt(2, 30)))
                        .toArray();
                GenerationRequest next = new GenerationRequest(turn, options(50, 1));
                Generation made = EngineFixture.all(engine, List.of(next)).getFirst();
                assertThat(made.timing().cachedTokens()).isEqualTo(60 + 150 - 1);
                assertEqual(made, new Generator(model).generate(turn, next.options()));
            }
        }
    }

    /** With and without guesses, whose rows are no longer read. */
    @ParameterizedTest
    @ValueSource(ints = {0, 16})
    void aSequenceWithRecurrentLayersThatFailsEndsAlone(int most) throws IOException {
        try (CausalLM model = Shape.STATE_SPACES.model()) {
            GenerationRequest good = new GenerationRequest(prompt(1, 20), options(60, 1));
            Generation expected = new Generator(model).generate(good.prompt(), good.options());
            LogitRule broken = (logits, soFar) -> {
                if (soFar.length() > 30) {
                    throw new UnsupportedOperationException("a rule's");
                }
            };
            try (Engine engine =
                    EngineFixture.drafting(model, EngineOptions.DEFAULT, knowing(List.of(expected), 3), most)) {
                CompletableFuture<Generation> failing = engine.submit(
                        new GenerationRequest(prompt(1, 20), options(60, 1).withRule(broken)), TokenListener.NONE);
                assertEqual(EngineFixture.all(engine, List.of(good)).getFirst(), expected);
                assertThatThrownBy(failing::join).hasRootCauseMessage("a rule's");
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"PLAIN", "DELTA_NETS"})
    void aListenerHearsTheTokensOfAStepOneByOneAndMayStopBetween(Shape shape) throws IOException {
        try (CausalLM model = shape.model()) {
            GenerationRequest request = new GenerationRequest(prompt(1, 20), options(60, 1));
            Generation expected = new Generator(model).generate(request.prompt(), request.options());
            try (Engine engine =
                    EngineFixture.drafting(model, EngineOptions.DEFAULT, knowing(List.of(expected), 50), 16)) {
                List<Integer> heard = new ArrayList<>();
                Generation made = engine.submit(request, token -> heard.add(token.token()) && heard.size() < 21)
                        .join();
                assertThat(made.finishReason()).isEqualTo(FinishReason.CANCELLED);
                assertThat(heard)
                        .containsExactlyElementsOf(Stream.of(expected.tokens())
                                .flatMapToInt(IntStream::of)
                                .limit(21)
                                .boxed()
                                .toList());
                assertThat(made.tokens()).containsExactly(Arrays.copyOf(expected.tokens(), 21));
            }
        }
    }
}
