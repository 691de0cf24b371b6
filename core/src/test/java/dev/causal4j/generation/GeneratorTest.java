package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.InputException;
import dev.causal4j.NonFiniteException;
import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.generation.friend.EngineControl;
import dev.causal4j.head.Prediction;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

class GeneratorTest {
    private static final int VOCABULARY = 300;
    private static final int CONTEXT = 96;

    private final CausalLM model = model(Optional.empty(), OptionalInt.of(VOCABULARY - 1), Set.of());
    private final Generator generator = new Generator(model);
    private final int threads = Compute.shared().threads();

    @BeforeEach
    void nobodyInterruptsUs() {
        assertThat(Thread.interrupted()).isFalse();
    }

    @AfterEach
    void restore() {
        Compute.shared().use(threads);
        Thread.interrupted();
    }

    private static CausalLM model(Optional<Tokenizer> tokenizer, OptionalInt bos, Set<Integer> eos) {
        ModelConfig config = SmallModels.gpt2(VOCABULARY, CONTEXT, 40, 2, 4).withSpecialIds(bos, eos);
        return CausalLM.create(config, 5, DType.F32, tokenizer.orElse(null));
    }

    private static GenerationOptions sampled(int maxNewTokens, long seed) {
        return GenerationOptions.DEFAULT.withMaxNewTokens(maxNewTokens).withSeed(seed);
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2-tied", "gpt2-untied", "gpt2-odd"})
    void greedyContinuationsAreThoseOfDoublePrecision(String name) throws Exception {
        String folder = "/dev/causal4j/golden/" + name;
        CausalLM golden = CausalLM.load(java.nio.file.Path.of(
                Objects.requireNonNull(getClass().getResource(folder)).toURI()));
        JsonNode greedy =
                new ObjectMapper().readTree(resource(folder + "/golden.json")).get("greedy");
        int[] expected = integers(greedy.get("continuation"));
        Generation generation = new Generator(golden)
                .generate(
                        integers(greedy.get("prompt")),
                        GenerationOptions.DEFAULT.withTemperature(0).withMaxNewTokens(expected.length));
        assertThat(generation.tokens()).containsExactly(expected);
        assertThat(generation.finishReason()).isEqualTo(FinishReason.LENGTH);
    }

    @Test
    void aSequenceDoesNotDependOnWhatElseIsInItsBatch() {
        List<GenerationRequest> requests = new ArrayList<>();
        int[] lengths = {1, 7, 64, 65, 30};
        for (int i = 0; i < lengths.length; i++) {
            requests.add(new GenerationRequest(prompt(lengths[i]), sampled(10 + 5 * i, 100 + i)));
        }
        List<Generation> together = generator.generate(requests, TokenListener.NONE);
        for (int i = 0; i < lengths.length; i++) {
            Generation alone =
                    generator.generate(requests.get(i).prompt(), requests.get(i).options());
            assertThat(together.get(i).tokens()).containsExactly(alone.tokens()).hasSize(10 + 5 * i);
            assertThat(together.get(i).promptTokens())
                    .containsExactly(requests.get(i).prompt());
        }
    }

    @Test
    void aSeedGivesTheSameTokensForEveryNumberOfThreadsAndAnotherSeedOthers() {
        GenerationOptions options = sampled(30, 9).withTopP(0.9).withTemperature(0.9);
        int[] expected = generator.generate(prompt(20), options).tokens();
        for (int count = 1; count <= 3; count++) {
            Compute.shared().use(count);
            assertThat(generator.generate(prompt(20), options).tokens()).containsExactly(expected);
        }
        assertThat(generator.generate(prompt(20), options.withSeed(10)).tokens())
                .isNotEqualTo(expected);
    }

    @Test
    void aFullContextEndsASequenceAsItsLength() {
        Generation generation = generator.generate(prompt(CONTEXT - 3), sampled(50, 1));
        // Three fill the context; the fourth is still predicted, but could not be fed back.
        assertThat(generation.tokens()).hasSize(4);
        assertThat(generation.finishReason()).isEqualTo(FinishReason.LENGTH);
        assertThat(generator.generate(prompt(CONTEXT), sampled(50, 1)).tokens()).hasSize(1);
    }

    @Test
    void aPromptLongerThanTheContextIsRefusedWithBothNumbers() {
        assertThatThrownBy(() -> generator.generate(prompt(CONTEXT + 1), sampled(1, 1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("96")
                .hasMessageContaining("97");
    }

    @Test
    void anEmptyPromptStartsFromBosOrIsRefused() {
        Generation generation = generator.generate(new int[0], sampled(3, 1));
        assertThat(generation.promptTokens()).containsExactly(VOCABULARY - 1);
        Generator without = new Generator(SmallModels.bare(model));
        assertThatThrownBy(() -> without.generate(new int[0], sampled(3, 1)))
                .hasMessageStartingWith("prompt: expected at least one token, got none");
    }

    @Test
    void aTokenOutsideTheVocabularyIsRefused() {
        assertThatThrownBy(() -> generator.generate(new int[] {1, VOCABULARY}, sampled(1, 1)))
                .hasMessage("token id at position 1: expected 0 to 299, got 300");
    }

    @Test
    void anEndOfSequenceTokenEndsTheSequenceAndIsKept() {
        int[] tokens = generator.generate(prompt(5), sampled(20, 3)).tokens();
        int eos = tokens[7];
        int first = 0;
        while (tokens[first] != eos) {
            first++;
        }
        Generation ended = generator.generate(prompt(5), sampled(20, 3).withEos(Set.of(eos)));
        assertThat(ended.tokens()).containsExactly(Arrays.copyOf(tokens, first + 1));
        assertThat(ended.finishReason()).isEqualTo(FinishReason.EOS);

        Generator own = new Generator(model(Optional.empty(), OptionalInt.empty(), Set.of(eos)));
        assertThat(own.generate(prompt(5), sampled(20, 3)).finishReason()).isEqualTo(FinishReason.EOS);
        assertThat(own.generate(prompt(5), sampled(20, 3).withEos(Set.of())).tokens())
                .containsExactly(tokens);
        assertThat(own.generate(new int[] {eos, eos}, sampled(1, 3)).tokens())
                .as("in the prompt it ends nothing")
                .hasSize(1);
    }

    @Test
    void noNewTokensAreNoNewTokens() {
        Generation generation = generator.generate(prompt(5), sampled(0, 3));
        assertThat(generation.tokens()).isEmpty();
        assertThat(generation.finishReason()).isEqualTo(FinishReason.LENGTH);
    }

    @Test
    void aListenerHearsEveryTokenInOrderAndCanCancelOneSequence() {
        List<GeneratedToken> heard = new ArrayList<>();
        List<GenerationRequest> requests = List.of(
                new GenerationRequest(prompt(3), sampled(12, 1)), new GenerationRequest(prompt(4), sampled(12, 2)));
        List<Generation> generations = generator.generate(requests, token -> {
            heard.add(token);
            return token.sequence() != 0
                    || heard.stream().filter(t -> t.sequence() == 0).count() < 5;
        });
        assertThat(generations.get(0).tokens()).hasSize(5);
        assertThat(generations.get(0).finishReason()).isEqualTo(FinishReason.CANCELLED);
        assertThat(generations.get(1).tokens()).hasSize(12);
        assertThat(generations.get(1).finishReason()).isEqualTo(FinishReason.LENGTH);
        for (int s = 0; s < 2; s++) {
            int sequence = s;
            assertThat(heard.stream()
                            .filter(token -> token.sequence() == sequence)
                            .mapToInt(GeneratedToken::token)
                            .toArray())
                    .containsExactly(generations.get(s).tokens());
        }
        assertThat(generations.get(1).tokens())
                .as("the other goes on unchanged")
                .containsExactly(generator.generate(prompt(4), sampled(12, 2)).tokens());
    }

    @Test
    void anInterruptCancelsTheCall() {
        List<GenerationRequest> requests = List.of(
                new GenerationRequest(prompt(3), sampled(1, 1)), new GenerationRequest(prompt(4), sampled(90, 2)));
        List<GeneratedToken> heard = new ArrayList<>();
        Thread caller = Thread.currentThread();
        assertThatThrownBy(() -> generator.generate(requests, token -> {
                    if (heard.size() == 10) {
                        caller.interrupt();
                    }
                    LockSupport.parkNanos(heard.size() < 10 ? 0 : 100_000_000); // until the caller has noticed it
                    return heard.add(token);
                }))
                .isInstanceOf(CancellationException.class)
                .hasMessage("generation: cancelled with 1 of 2 sequences unfinished");
        assertThat(Thread.interrupted())
                .as("the interrupt is left for the caller")
                .isTrue();
        assertThat(heard).hasSizeBetween(11, 90);
    }

    @Test
    void streamedTextIsTheTextAndADecoderIsNeededForStopStrings() throws IOException {
        Generator texts = new Generator(model(Optional.of(bytes()), OptionalInt.empty(), Set.of()));
        StringBuilder streamed = new StringBuilder();
        GenerationOptions options = sampled(60, 4);
        Generation generation = texts.generate("abc", options, token -> {
            streamed.append(token.text());
            return true;
        });
        assertThat(streamed.toString()).isEqualTo(generation.text());
        assertThat(generation.text()).isEqualTo(bytes().decode(generation.tokens()));
        assertThatThrownBy(() -> generator.generate(prompt(1), sampled(2, 1).withStop(List.of("x"))))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("--tokens");
    }

    @Test
    void aStopStringAcrossTokensEndsTheTextBeforeIt() throws IOException {
        Generator texts = new Generator(model(Optional.of(bytes()), OptionalInt.empty(), Set.of()));
        GenerationOptions options =
                GenerationOptions.DEFAULT.withMaxNewTokens(60).withSeed(4);
        String whole = texts.generate("abc", options).text();
        String stop = whole.substring(20, 23);
        StringBuilder streamed = new StringBuilder();
        Generation stopped = texts.generate("abc", options.withStop(List.of(stop)), token -> {
            streamed.append(token.text());
            return true;
        });
        assertThat(stopped.finishReason()).isEqualTo(FinishReason.STOP);
        assertThat(stopped.text()).isEqualTo(whole.substring(0, whole.indexOf(stop)));
        assertThat(streamed.toString()).isEqualTo(stopped.text());
    }

    @Test
    void idsBeyondTheTokenizerMayStandInAPromptButAreNeverChosen() throws IOException {
        Generator texts = new Generator(model(Optional.of(bytes()), OptionalInt.empty(), Set.of()));
        GenerationOptions options = sampled(60, 4).withRepetitionPenalty(1.1).withNoRepeatNgramSize(2);
        int[] tokens = texts.generate(new int[] {2, 270, 1, 270, 2}, options).tokens();
        assertThat(tokens).hasSize(60);
        assertThat(Arrays.stream(tokens)).allMatch(token -> token < 256);
    }

    /** The model's own distribution, although the rules change what is drawn from. */
    @Test
    void predictionsAreThoseThatScoringGivesWhateverTheRules() {
        GenerationOptions options = sampled(12, 3)
                .withTemperature(1.7)
                .withTopK(40)
                .withRepetitionPenalty(1.5)
                .withLogProbabilities(4);
        List<Prediction> heard = new ArrayList<>();
        List<Generation> generations = generator.generate(
                List.of(
                        new GenerationRequest(prompt(9), options),
                        new GenerationRequest(prompt(30), sampled(5, 1)),
                        new GenerationRequest(prompt(20), options.withLogProbabilities(0))),
                token -> {
                    token.prediction().filter(_ -> token.sequence() == 0).ifPresent(heard::add);
                    return true;
                });
        assertThat(heard).hasSize(12).isEqualTo(generations.get(0).predictions());
        assertThat(generations.get(1).predictions()).isEmpty();
        assertThat(generations.get(2).predictions())
                .hasSize(12)
                .allMatch(each -> each.alternatives().isEmpty());
        for (int i : new int[] {0, 2}) {
            Generation generation = generations.get(i);
            Rows hidden = model.forward(
                    Batch.of(model.newCache(), concatenated(generation.promptTokens(), generation.tokens())),
                    new Activations());
            int last = generation.promptTokens().length - 1;
            Rows predicting = new Rows(hidden.data(), hidden.start(last), hidden.stride(), 12);
            assertThat(generation.predictions())
                    .isEqualTo(model.head()
                            .logProbabilities(predicting, generation.tokens(), false, i == 0 ? 4 : 0)
                            .predictions());
        }
        assertThat(generations.get(0).tokens())
                .as("asking changes nothing")
                .isEqualTo(generator
                        .generate(
                                prompt(9),
                                sampled(12, 3).withTemperature(1.7).withTopK(40).withRepetitionPenalty(1.5))
                        .tokens());
    }

    private static int[] concatenated(int[] first, int[] second) {
        return IntStream.concat(Arrays.stream(first), Arrays.stream(second)).toArray();
    }

    @Test
    void weightsThatAreNotNumbersAreNamedWithThePositionThatSeesThem() {
        CausalLM damaged = damaged(3);
        int[] prompt = {1, 2, 3, 4, 5, 6};
        assertThatThrownBy(() -> new Generator(damaged).generate(prompt, sampled(2, 1)))
                .isInstanceOf(NonFiniteException.class)
                .hasMessageStartingWith("logits: expected finite numbers, got a hidden vector with NaN at position 5;");
    }

    /** A model whose embedding of one token is NaN. */
    private CausalLM damaged(int token) {
        Matrix good = model.head().embedding();
        Matrix bad = Matrix.of(Device.shared(), DType.F32, good.rows(), good.cols(), (n, row) -> {
            good.row(n, row, 0);
            if (n == token) {
                row[5] = Float.NaN;
            }
        });
        return SmallModels.withHead(model, bad, good);
    }

    @Test
    void whatWasHeldBackForAStopStringComesWithACancellation() throws IOException {
        Generator texts = new Generator(model(Optional.of(bytes()), OptionalInt.empty(), Set.of()));
        String whole = texts.generate("abc", sampled(60, 4)).text();
        // Every character could begin this stop string, so the last character is always held back.
        GenerationOptions options = sampled(60, 4)
                .withStop(whole.chars()
                        .distinct()
                        .mapToObj(c -> Character.toString(c) + "\0never")
                        .toList());
        int[] heard = {0};
        Generation cancelled = texts.generate("abc", options, _ -> ++heard[0] < 10);
        assertThat(cancelled.finishReason()).isEqualTo(FinishReason.CANCELLED);
        assertThat(cancelled.text()).isEqualTo(bytes().decode(cancelled.tokens()));
        assertThat(cancelled.pieces()).hasSize(10);
    }

    @Test
    void aStreamMakesTokensAsTheyAreTakenAndEndsWhenItIsClosed() throws IOException {
        Generator texts = new Generator(model(Optional.of(bytes()), OptionalInt.empty(), Set.of()));
        GenerationOptions options = sampled(20, 4);
        Generation whole = texts.generate("abc", options);
        try (Stream<GeneratedToken> stream = texts.stream("abc", options)) {
            assertThat(stream.map(GeneratedToken::text).toList()).isEqualTo(whole.pieces());
        }
        try (Stream<GeneratedToken> stream = texts.stream("abc", options)) {
            assertThat(stream.limit(3).mapToInt(GeneratedToken::token).toArray())
                    .containsExactly(Arrays.copyOf(whole.tokens(), 3));
        }
    }

    @Test
    void aStreamThatFailedThrowsEachTimeItIsAsked() throws IOException {
        Generator texts = new Generator(model(Optional.of(bytes()), OptionalInt.empty(), Set.of()));
        GenerationOptions options = sampled(20, 4).withRule((_, _) -> {
            throw new IllegalStateException("mine");
        });
        try (Stream<GeneratedToken> stream = texts.stream("abc", options)) {
            Iterator<GeneratedToken> tokens = stream.iterator();
            for (int i = 0; i < 2; i++) {
                assertThatThrownBy(tokens::hasNext).hasMessage("mine");
            }
        }
    }

    @Test
    void aCancellationKeepsItsMessage() {
        CompletableFuture<Generation> ended = new CompletableFuture<>();
        ended.completeExceptionally(new CancellationException("sequence: cancelled"));
        assertThatThrownBy(() -> EngineControl.await(ended)).hasMessage("sequence: cancelled");
    }

    @Test
    void noRequestsHaveNoResults() {
        assertThat(generator.generate(List.of(), TokenListener.NONE)).isEmpty();
    }

    @Test
    void givenTokensFollowAnEmptyPromptToo() throws IOException {
        Generator begun = new Generator(model(Optional.empty(), OptionalInt.of(1), Set.of()));
        GenerationRequest request = GenerationRequest.replaying(new int[0], new int[] {5, 6, 7});
        assertThat(begun.generate(List.of(request), TokenListener.NONE)
                        .getFirst()
                        .tokens())
                .containsExactly(5, 6, 7);
    }

    @Test
    void aListenerOnItsOwnThreadMayWaitForAnotherSequence() {
        GenerationOptions options = sampled(80, 4); // more than wait for a listener
        GenerationRequest request = new GenerationRequest(prompt(5), options);
        List<Integer> heard = new ArrayList<>();
        Generation relayed = generator.relay(request, token -> {
            if (heard.isEmpty()) {
                assertThat(generator.generate(prompt(7), options).tokens()).hasSize(80);
            }
            return heard.add(token.token());
        });
        assertThat(relayed.tokens())
                .containsExactly(generator.generate(prompt(5), options).tokens());
        assertThat(heard)
                .containsExactlyElementsOf(
                        IntStream.of(relayed.tokens()).boxed().toList());
        assertThatThrownBy(() -> generator.relay(request, _ -> false)).isInstanceOf(CancellationException.class);
    }

    @Test
    void severalTextsAreGeneratedAtOnceAndABadOneIsNamed() throws IOException {
        Generator texts = new Generator(model(Optional.of(bytes()), OptionalInt.empty(), Set.of()));
        GenerationOptions options = sampled(5, 4);
        List<Generation> both = texts.generate(List.of("abc", "de"), options);
        assertThat(both)
                .usingRecursiveFieldByFieldElementComparatorIgnoringFields("timing")
                .containsExactly(texts.generate("abc", options), texts.generate("de", options));
        assertThatThrownBy(() -> texts.generate(List.of("abc", "x".repeat(CONTEXT + 1)), options))
                .isInstanceOfSatisfying(
                        InputException.class, e -> assertThat(e.index()).isEqualTo(1))
                .hasMessageStartingWith("input 2: prompt: expected at most 96 tokens");
    }

    @Test
    void aPromptThatIsTooLongLosesItsLeftEndIfThatIsAsked() {
        GenerationOptions options = sampled(6, 1).withTruncatePrompt(true);
        int[] longer = prompt(CONTEXT + 20);
        Generation generation = generator.generate(longer, options);
        assertThat(generation.promptTokens())
                .containsExactly(Arrays.copyOfRange(longer, 26, longer.length))
                .hasSize(CONTEXT - 6);
        assertThat(generation.tokens()).hasSize(6);
        Generation most = generator.generate(longer, options.withMaxNewTokens(Integer.MAX_VALUE));
        assertThat(most.promptTokens()).hasSize(CONTEXT / 2);
        assertThat(most.tokens()).hasSize(CONTEXT / 2 + 1);
        assertThat(generator.generate(prompt(CONTEXT), options).promptTokens()).hasSize(CONTEXT);
    }

    @Test
    void moreSequencesThanCachesHaveRoomForWaitInTheirOrder() {
        // 24 MB of keys and values in a full context
        CausalLM wide = CausalLM.create(SmallModels.gpt2(VOCABULARY, 4096, 256, 3, 4), 5, DType.F32);
        GenerationOptions options = sampled(4095, 1);
        List<GenerationRequest> requests = IntStream.range(0, 25)
                .mapToObj(i -> new GenerationRequest(prompt(1 + i), options))
                .toList();
        List<Integer> first = new ArrayList<>();
        new Generator(wide).generate(requests, token -> {
            if (!first.contains(token.sequence())) {
                first.add(token.sequence());
            }
            return false;
        });
        assertThat(first)
                .containsExactlyElementsOf(IntStream.range(0, 25).boxed().toList());
    }

    /** A vocabulary of the 256 bytes alone. */
    static Tokenizer bytes() throws IOException {
        List<String> entries = new ArrayList<>();
        int extra = 0;
        for (int b = 0; b < 256; b++) {
            boolean printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
            String symbol = Character.toString(printable ? b : 256 + extra++);
            entries.add(new ObjectMapper().writeValueAsString(symbol) + ":" + b);
        }
        String vocabulary = "{" + String.join(",", entries) + "}";
        return Tokenizer.fromVocabulary("bytes", vocabulary.getBytes(StandardCharsets.UTF_8), new byte[0]);
    }

    private static int[] prompt(int length) {
        return new Random(length).ints(length, 0, VOCABULARY).toArray();
    }

    private static int[] integers(JsonNode array) {
        return array.valueStream().mapToInt(JsonNode::intValue).toArray();
    }

    private static byte[] resource(String name) throws IOException {
        try (var in = Objects.requireNonNull(GeneratorTest.class.getResourceAsStream(name))) {
            return in.readAllBytes();
        }
    }
}
