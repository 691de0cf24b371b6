package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.decoder.KVCache;
import dev.causal4j.generation.Engine.Requester;
import dev.causal4j.head.Prediction;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Scored prefixes: their pages and predictions are kept, as far as there is room. */
class PrefixCacheTest extends EngineFixture {
    private static int[] joined(int[] begin, int[] end) {
        return IntStream.concat(IntStream.of(begin), IntStream.of(end)).toArray();
    }

    private static ScoredSequence scored(Engine engine, int[] tokens, int first, int alternatives) {
        return new ScoredSequence(
                engine, Requester.of(""), tokens, first, alternatives, Optional.of(""), tokens.length - 1, null);
    }

    private static GenerationRequest request(int[] prompt, int tokens) {
        return new GenerationRequest(
                prompt, GenerationOptions.DEFAULT.withMaxNewTokens(tokens).withSeed(1));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4, 100}) // pages
    void keptPredictionsChangeNoBit(int pages) {
        Random random = new Random(1);
        List<int[]> texts = IntStream.range(0, 50)
                .mapToObj(i -> joined(
                        IntStream.of(prompt(i % 3, 200))
                                .limit(random.nextInt(200))
                                .toArray(),
                        prompt(random.nextInt(20), 2 + random.nextInt(70))))
                .toList();
        try (Engine engine = engine(pages);
                Engine alone = engine(0)) {
            List<CompletableFuture<List<Prediction>>> scores = new ArrayList<>();
            List<CompletableFuture<List<Prediction>>> expected = new ArrayList<>();
            for (int[] text : texts) {
                int first = random.nextInt(4) == 0 ? 1 + random.nextInt(text.length) : 1;
                int alternatives = random.nextInt(10) == 0 ? 25 : random.nextInt(4);
                if (random.nextInt(4) == 0) {
                    var _ = engine.submit(request(text, 3), TokenListener.NONE); // pages without predictions
                }
                scores.add(engine.score(text, first, alternatives));
                if (random.nextInt(3) == 0) {
                    scores.getLast().join();
                }
                expected.add(alone.score(text, first, alternatives));
            }
            for (int i = 0; i < scores.size(); i++) {
                assertThat(scores.get(i).join())
                        .as("text %d", i)
                        .isEqualTo(expected.get(i).join());
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"true, 300", "false, 300", "true, 250", "false, 256"})
    void endingsOfOneContextComputeItOnce(boolean together, int length) {
        int[] context = prompt(1, length);
        try (Engine engine = engine(100)) {
            List<ScoredSequence> all = IntStream.range(0, 4)
                    .mapToObj(i -> scored(engine, joined(context, prompt(10 + i, 10)), 1, 2))
                    .toList();
            if (together) {
                engine.start(all);
            }
            for (ScoredSequence each : all) {
                if (!together) {
                    engine.start(List.of(each));
                }
                assertThat(each.result.join()).hasSize(length + 9);
            }
            assertThat(all.stream().map(each -> each.cachedTokens))
                    .as("all but the last, which predicts the ending's first")
                    .containsExactly(0, length - 1, length - 1, length - 1);
        }
    }

    /** Also where no pages are kept for others, and where the prompt's last page is not full. */
    @ParameterizedTest
    @CsvSource({"0, 300", "0, 5", "0, 1", "0, 65", "1, 257", "100, 300"})
    void continuationsComputeTheirPromptOnce(int pages, int length) {
        int[] prompt = prompt(1, length);
        try (Engine engine = new Engine(model, keeping(pages).withParallel(3))) {
            ScoredSequence whole = scored(engine, prompt, length, 0);
            List<ScoredSequence> all = IntStream.range(0, 10)
                    .mapToObj(i -> {
                        int[] tokens = joined(prompt, prompt(10 + i, 70));
                        return new ScoredSequence(
                                engine, whole.requester, tokens, length, 1, Optional.of(""), length + 69, whole);
                    })
                    .toList();
            engine.start(List.of(whole));
            engine.start(all);
            try (Engine alone = engine(0)) {
                for (ScoredSequence each : all) {
                    assertThat(each.result.join())
                            .isEqualTo(alone.score(each.tokens, length, 1).join());
                    assertThat(each.cachedTokens).isEqualTo(length - 1);
                }
            }
        }
    }

    @Test
    void fewerAlternativesComeFromMoreAndMoreAreComputed() {
        int[] text = prompt(1, 100);
        try (Engine engine = engine(100)) {
            assertThat(IntStream.of(2, 1, 3, 3, 25, 25).map(alternatives -> {
                        ScoredSequence each = scored(engine, text, 1, alternatives);
                        engine.start(List.of(each));
                        each.result.join();
                        return each.cachedTokens;
                    }))
                    .containsExactly(0, 98, 0, 98, 0, 0);
        }
    }

    @Test
    void whatIsNotCachedNeitherTakesNorLeavesAnything() {
        int[] text = prompt(1, 200);
        try (Engine engine = engine(100)) {
            var _ = engine.score(text, 1, 0, Optional.empty(), Requester.of("")).join();
            GenerationRequest plain = request(text, 3);
            GenerationRequest uncached =
                    new GenerationRequest(text, plain.options().uncached());
            for (GenerationRequest each : List.of(uncached, uncached, plain, uncached)) {
                Generation made = engine.submit(each, TokenListener.NONE).join();
                assertThat(made.timing().cachedTokens()).isZero();
            }
            assertThat(engine.submit(plain, TokenListener.NONE).join().timing().cachedTokens())
                    .isEqualTo(199);
        }
    }

    @Test
    void pagesThatGoWhileTheirSequenceIsSetBackAreNotUsed() {
        int[] begin = prompt(1, 200);
        List<KVCache> others;
        try (Engine engine = engine(3)) {
            Generation expected =
                    new Generator(model).generate(begin, request(begin, 300).options());
            engine.submit(request(begin, 1), TokenListener.NONE).join();
            others = fill(model, 9);
            Semaphore go = new Semaphore(0);
            CompletableFuture<Generation> first = engine.submit(request(prompt(2, 10), 300), _ -> {
                go.acquireUninterruptibly();
                return true;
            });
            CompletableFuture<Generation> second = engine.submit(request(begin, 300), TokenListener.NONE);
            go.release(300); // its pages replace the kept ones
            assertThat(first.join().tokens()).hasSize(300);
            assertThat(second.join().tokens()).containsExactly(expected.tokens());
        }
        others.forEach(KVCache::close);
    }

    /** Room for 5 pages, and two prompts of 3 full ones: the first prompt's last page is evicted, the others stay. */
    @ParameterizedTest
    @CsvSource({"1, 1", "3, 1", "1, 2"})
    void theLastPagesOfTheOldestPromptGoFirst(int newTokens, int times) {
        int[] first = prompt(1, 194);
        try (Engine engine = engine(5)) {
            for (int i = 0; i < times; i++) {
                engine.submit(request(first, newTokens), TokenListener.NONE).join();
            }
            engine.submit(request(prompt(2, 194), 1), TokenListener.NONE).join();
            Generation again =
                    engine.submit(request(first, 1), TokenListener.NONE).join();
            assertThat(again.timing().cachedTokens()).isEqualTo(128);
        }
    }
}
