package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.generation.Engine.Requester;
import dev.causal4j.head.Prediction;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Sequences of a model with recurrent layers continue their common prefixes from snapshots of the states. */
class SnapshotsTest {
    private static final int VOCABULARY = 101;

    private final CausalLM model = CausalLM.create(SmallModels.config("""
            {"model_type": "qwen3_5_text", "vocab_size": 101, "hidden_size": 24, "intermediate_size": 30,
             "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16,
             "full_attention_interval": 3, "linear_num_key_heads": 2, "linear_num_value_heads": 4,
             "linear_key_head_dim": 5, "linear_value_head_dim": 34, "max_position_embeddings": 2048}"""), 5, DType.F32);
    private final PagePool pool = model.decoder().pool();
    private final int capacity = pool.freePages();

    @AfterEach
    void allPagesAndStatesAreFree() {
        assertThat(pool.freePages()).isEqualTo(capacity);
        model.close();
    }

    private static int[] prompt(int seed, int length) {
        return new Random(seed).ints(length, 0, VOCABULARY).toArray();
    }

    private static int[] joined(int[] begin, int[] end) {
        return IntStream.concat(IntStream.of(begin), IntStream.of(end)).toArray();
    }

    private Engine engine(int snapshots) {
        long bytes = snapshots * (pool.stateBytes() + 8 * (pool.pageBytes() + PrefixCache.PREDICTION_BYTES));
        return new Engine(model, EngineOptions.DEFAULT.withPrefixBytes(bytes));
    }

    private static Generation generate(Engine engine, int[] prompt, int tokens) {
        GenerationOptions options = GenerationOptions.DEFAULT
                .withMaxNewTokens(tokens)
                .withLogProbabilities(2)
                .withTemperature(0);
        return engine.submit(new GenerationRequest(prompt, options), TokenListener.NONE)
                .join();
    }

    private void assertEqual(Generation actual, int[] prompt) {
        try (Engine alone = engine(0)) {
            Generation expected = generate(alone, prompt, actual.tokens().length);
            assertThat(actual.tokens()).isEqualTo(expected.tokens());
            assertThat(actual.predictions()).isEqualTo(expected.predictions());
        }
    }

    /** The snapshot is at the last full page before the last token, whose row is computed again. */
    @ParameterizedTest
    @CsvSource({"63, 0", "64, 0", "65, 64", "128, 64", "129, 128", "500, 448", "700, 640"})
    void aRepeatedPromptGoesOnFromItsLastFullPage(int length, int cached) {
        int[] prompt = prompt(1, length);
        try (Engine engine = engine(100)) {
            generate(engine, prompt, 1);
            Generation again = generate(engine, prompt, 5);
            assertThat(again.timing().cachedTokens()).isEqualTo(cached);
            assertEqual(again, prompt);
        }
    }

    @Test
    void aConversationGoesOnFromTheEndOfItsAnswer() {
        int[] prompt = prompt(1, 100);
        try (Engine engine = engine(100)) {
            Generation answer = generate(engine, prompt, 30);
            int[] next = joined(joined(prompt, answer.tokens()), prompt(2, 20));
            Generation second = generate(engine, next, 5);
            assertThat(second.timing().cachedTokens())
                    .as("all but the last token")
                    .isEqualTo(129);
            assertEqual(second, next);
        }
    }

    @Test
    void othersGoOnFromEach512Positions() {
        int[] common = prompt(1, 1100);
        try (Engine engine = engine(100)) {
            generate(engine, joined(common, prompt(2, 200)), 1);
            int[] other = joined(common, prompt(3, 50));
            Generation second = generate(engine, other, 3);
            assertThat(second.timing().cachedTokens()).isEqualTo(1024);
            assertEqual(second, other);
            int[] earlier = joined(prompt(1, 1000), prompt(4, 50));
            assertThat(generate(engine, earlier, 1).timing().cachedTokens()).isEqualTo(512);
        }
    }

    /** A step of guesses ends where a state is kept. */
    @Test
    void othersGoOnFrom512PositionsOfAnAnswerThatWasGuessed() {
        int[] prompt = prompt(1, 470);
        int[] whole;
        try (Engine alone = engine(0)) {
            whole = joined(prompt, generate(alone, prompt, 80).tokens());
        }
        Draft.Source right = (_, length, most, into) -> {
            int count = Math.clamp(whole.length - length, 0, most);
            System.arraycopy(whole, Math.min(length, whole.length), into, 0, count);
            return count;
        };
        EngineOptions options = EngineOptions.DEFAULT.withPrefixBytes(100 * (pool.stateBytes() + 8 * pool.pageBytes()));
        try (Engine engine = EngineFixture.drafting(model, options, right, 16)) {
            assertEqual(generate(engine, prompt, 80), prompt);
            int[] other = joined(IntStream.of(whole).limit(540).toArray(), prompt(3, 30));
            Generation second = generate(engine, other, 3);
            assertThat(second.timing().cachedTokens()).isEqualTo(512);
            assertEqual(second, other);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 100}) // snapshots
    void whatIsKeptChangesNoBit(int snapshots) {
        Random random = new Random(1);
        List<int[]> texts = IntStream.range(0, 30)
                .mapToObj(i -> joined(
                        IntStream.of(prompt(i % 3, 700))
                                .limit(random.nextInt(700))
                                .toArray(),
                        prompt(random.nextInt(20), 2 + random.nextInt(70))))
                .toList();
        try (Engine engine = engine(snapshots);
                Engine alone = engine(0)) {
            List<CompletableFuture<List<Prediction>>> scores = new ArrayList<>();
            List<CompletableFuture<List<Prediction>>> expected = new ArrayList<>();
            for (int[] text : texts) {
                int first = random.nextInt(4) == 0 ? 1 + random.nextInt(text.length) : 1;
                scores.add(engine.score(text, first, 1));
                if (random.nextInt(3) == 0) {
                    scores.getLast().join();
                }
                expected.add(alone.score(text, first, 1));
            }
            for (int i = 0; i < scores.size(); i++) {
                assertThat(scores.get(i).join())
                        .as("text %d", i)
                        .isEqualTo(expected.get(i).join());
            }
        }
    }

    /** Also where nothing is kept for others. */
    @ParameterizedTest
    @CsvSource({"0, 300", "0, 5", "0, 1", "0, 65", "0, 64", "100, 300"})
    void continuationsComputeTheirPromptOnce(int snapshots, int length) {
        int[] prompt = prompt(1, length);
        try (Engine engine = engine(snapshots);
                Engine alone = engine(0)) {
            List<int[]> endings =
                    IntStream.range(0, 5).mapToObj(i -> prompt(10 + i, 9)).toList();
            ScoredSequence whole =
                    new ScoredSequence(engine, Requester.of(""), prompt, length, 0, Optional.of(""), length + 8, null);
            List<ScoredSequence> all = endings.stream()
                    .map(ending -> new ScoredSequence(
                            engine,
                            whole.requester,
                            joined(prompt, ending),
                            length,
                            1,
                            Optional.of(""),
                            length + 8,
                            whole))
                    .toList();
            engine.start(List.of(whole));
            engine.start(all);
            for (ScoredSequence each : all) {
                assertThat(each.result.join())
                        .isEqualTo(alone.score(each.tokens, length, 1).join());
                assertThat(each.cachedTokens).isEqualTo(length - 1);
            }
        }
    }

    /** Other sequences take the pages meanwhile: sequences are set back, and snapshots are evicted. */
    @Test
    void shortMemoryChangesNoBit() {
        var others = EngineFixture.fill(model, 24);
        List<int[]> texts = IntStream.range(0, 12)
                .mapToObj(i -> joined(prompt(i % 2, 300), prompt(20 + i, 100)))
                .toList();
        List<List<Prediction>> actual;
        try (Engine engine = engine(100)) {
            var scores = texts.stream().map(text -> engine.score(text, 1, 0)).toList();
            actual = scores.stream().map(CompletableFuture::join).toList();
        }
        others.forEach(KVCache::close);
        try (Engine alone = engine(0)) {
            for (int i = 0; i < texts.size(); i++) {
                assertThat(actual.get(i))
                        .isEqualTo(alone.score(texts.get(i), 1, 0).join());
            }
        }
    }
}
