package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.Whole;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.generation.Engine.Requester;
import dev.causal4j.head.Prediction;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Sequences of many callers: equal bits, pages, order, failures. */
class EngineTest extends EngineFixture {
    private static GenerationOptions options(int tokens, int seed) {
        return GenerationOptions.DEFAULT.withMaxNewTokens(tokens).withSeed(seed);
    }

    private static GenerationRequest request(int[] prompt, int tokens, int seed) {
        return new GenerationRequest(prompt, options(tokens, seed));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 3, 100})
    void whatOthersDoAndWhatIsCachedChangesNoBit(int prefixPages) {
        Random random = new Random(1);
        List<GenerationRequest> requests = IntStream.range(0, Whole.or(60, 24))
                .mapToObj(i -> {
                    int[] shared = prompt(i % 3, 250);
                    int[] own = prompt(100 + i, 1 + random.nextInt(90));
                    int[] both = Arrays.copyOf(shared, random.nextInt(250) + own.length);
                    System.arraycopy(own, 0, both, both.length - own.length, own.length);
                    return request(both, 1 + random.nextInt(40), i);
                })
                .toList();
        Generator alone = new Generator(model);
        List<int[]> expected = requests.stream()
                .map(each -> alone.generate(each.prompt(), each.options()).tokens())
                .toList();
        List<Prediction> scored;
        try (Engine engine = engine(prefixPages)) {
            scored = engine.score(prompt(7, 300), 200, 3).join();
        }
        try (Engine engine = engine(prefixPages)) {
            List<CompletableFuture<Generation>> generations = new ArrayList<>();
            List<CompletableFuture<List<Prediction>>> scores = new ArrayList<>();
            for (GenerationRequest each : requests) {
                generations.add(engine.submit(each, TokenListener.NONE));
                scores.add(engine.score(prompt(7, 300), 200, scores.size() % 4));
            }
            for (int i = 0; i < requests.size(); i++) {
                assertThat(generations.get(i).join().tokens())
                        .as("request %d", i)
                        .containsExactly(expected.get(i));
                int alternatives = i % 4;
                assertThat(scores.get(i).join())
                        .isEqualTo(scored.stream()
                                .map(each -> new Prediction(
                                        each.token(),
                                        each.logProbability(),
                                        each.rank(),
                                        each.alternatives(alternatives)))
                                .toList());
            }
        }
    }

    @Test
    void aPromptThatBeginsLikeAnotherComputesOnlyItsRest() {
        int[] first = prompt(1, 300);
        int[] second = Arrays.copyOf(first, 310);
        try (Engine engine = engine(100)) {
            Generation one =
                    engine.submit(request(first, 100, 1), TokenListener.NONE).join();
            assertThat(one.timing().cachedTokens()).isZero();
            Generation.Timing again = engine.submit(request(first, 1, 1), TokenListener.NONE)
                    .join()
                    .timing();
            assertThat(again.cachedTokens()).isEqualTo(299);
            assertThat(again.prefillTokens()).isEqualTo(1);
            assertThat(engine.submit(request(second, 1, 1), TokenListener.NONE)
                            .join()
                            .timing()
                            .cachedTokens())
                    .as("the part of a page")
                    .isEqualTo(300);
            int[] turn = Arrays.copyOf(one.promptTokens(), 401);
            System.arraycopy(one.tokens(), 0, turn, 300, 100);
            assertThat(engine.submit(request(turn, 1, 1), TokenListener.NONE)
                            .join()
                            .timing()
                            .cachedTokens())
                    .as("what was generated, too")
                    .isEqualTo(399);
            GenerationRequest salted =
                    new GenerationRequest(first, options(1, 1).withCacheSalt("mine"));
            assertThat(engine.submit(salted, TokenListener.NONE).join().timing().cachedTokens())
                    .as("another salt")
                    .isZero();
        }
    }

    /**
     * A window of 70 positions in each second layer, and so few free pages that sequences wait and kept pages are
     * evicted. Gemma 4's last layers read the pages of others.
     */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"model_type\": \"gemma2\", \"num_hidden_layers\": 2",
                "\"model_type\": \"lfm2\", \"num_hidden_layers\": 2, \"layer_types\": [\"conv\", \"full_attention\"]",
                "\"model_type\": \"gemma4_text\", \"num_hidden_layers\": 4, \"num_kv_shared_layers\": 2,"
                        + " \"global_head_dim\": 12, \"layer_types\": [\"sliding_attention\", \"full_attention\","
                        + " \"sliding_attention\", \"full_attention\"], \"hidden_size_per_layer_input\": 6,"
                        + " \"vocab_size_per_layer_input\": 301"
            })
    void windowsAndAFullPoolChangeNoBit(String family) {
        try (CausalLM windowed = CausalLM.create(SmallModels.config("""
                {%s, "vocab_size": 301, "hidden_size": 24, "head_dim": 12,
                 "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 40, "sliding_window": 70,
                 "max_position_embeddings": 2048}
                """.formatted(family)), 3, DType.F32)) {
            int[] begin = prompt(1, 900);
            List<int[]> ends =
                    IntStream.range(0, 6).mapToObj(i -> prompt(10 + i, 60)).toList();
            List<int[]> prompts = ends.stream()
                    .map(end -> IntStream.concat(IntStream.of(begin), IntStream.of(end))
                            .toArray())
                    .toList();
            PagePool pages = windowed.decoder().pool();
            int free = pages.freePages();
            Generator alone = new Generator(windowed);
            List<int[]> expected = prompts.stream()
                    .map(each -> alone.generate(each, options(20, 1)).tokens())
                    .toList();
            List<KVCache> others = fill(windowed, 70);
            EngineOptions options =
                    EngineOptions.DEFAULT.withPrefixBytes(1L << 30).withPromptRows(2048);
            try (Engine engine = new Engine(windowed, options)) {
                for (int round = 0; round < 2; round++) {
                    List<CompletableFuture<Generation>> all = prompts.stream()
                            .map(each -> engine.submit(request(each, 20, 1), TokenListener.NONE))
                            .toList();
                    List<CompletableFuture<List<Prediction>>> scored = engine.scoreContinuations(begin, ends, 1);
                    for (int i = 0; i < all.size(); i++) {
                        assertThat(all.get(i).join().tokens()).containsExactly(expected.get(i));
                        assertThat(scored.get(i).join())
                                .isEqualTo(engine.score(prompts.get(i), 900, 1).join());
                    }
                }
            }
            others.forEach(KVCache::close);
            while (pages.reclaim()) {}
            assertThat(pages.freePages()).isEqualTo(free);
        }
    }

    @Test
    void aWholeContextHasRoomAlsoBehindItsOwnKeptPages() {
        List<KVCache> others = fill(model, PagePool.needed(CONTEXT));
        try (Engine engine = engine(100)) {
            int[] begin = prompt(1, 200);
            engine.submit(request(begin, 10, 1), TokenListener.NONE).join();
            Generation whole = engine.submit(request(begin, CONTEXT, 1), TokenListener.NONE)
                    .join();
            assertThat(whole.tokens()).hasSize(CONTEXT - 200 + 1);
        }
        others.forEach(KVCache::close);
    }

    @Test
    void continuationsThatNobodyWantsEndTheirPromptToo() {
        Semaphore chosen = new Semaphore(0);
        Semaphore go = new Semaphore(0);
        try (Engine engine = new Engine(model, EngineOptions.DEFAULT.withPromptRows(1))) {
            CompletableFuture<Generation> other = engine.submit(request(prompt(4, 3), 5, 1), _ -> {
                chosen.release();
                go.acquireUninterruptibly();
                return true;
            });
            chosen.acquireUninterruptibly();
            List<CompletableFuture<List<Prediction>>> scored =
                    engine.scoreContinuations(prompt(1, 500), List.of(prompt(2, 3), prompt(3, 4)), 0);
            go.release();
            chosen.acquireUninterruptibly(); // the prompt is part of this step
            assertThat(engine.running()).isEqualTo(2);
            scored.forEach(each -> each.cancel(false));
            go.release(5);
            scored.forEach(each -> assertThatThrownBy(each::join).isInstanceOf(CancellationException.class));
            assertThat(other.join().tokens()).hasSize(5);
            assertThat(engine.scoreContinuations(prompt(1, 500), List.of(), 0)).isEmpty();
        }
    }

    @Test
    void sequencesThatComeTogetherComputeTheirBeginningOnce() {
        int[] prompt = prompt(1, 300);
        try (Engine engine = engine(100)) {
            List<GeneratedSequence> all = IntStream.range(0, 4)
                    .mapToObj(i -> engine.generating(request(prompt, 3, i), Requester.of(""), 0, TokenListener.NONE))
                    .toList();
            engine.start(all); // at once: none has ended before the last is submitted
            int computed = all.stream()
                    .mapToInt(each -> each.result.join().timing().prefillTokens())
                    .sum();
            assertThat(computed).isEqualTo(300 + 3 * 44);
        }
    }

    @Test
    void keptPagesAreBoundedAndTheOldestGoFirst() {
        try (Engine engine = engine(5)) {
            for (int seed = 0; seed < 6; seed++) {
                engine.submit(request(prompt(seed, 200), 1, 1), TokenListener.NONE)
                        .join();
                engine.submit(request(prompt(0, 200), 1, 1), TokenListener.NONE).join();
            }
            waitForPages(capacity - 5);
            Generation kept = engine.submit(request(prompt(0, 200), 1, 1), TokenListener.NONE)
                    .join();
            assertThat(kept.timing().cachedTokens()).as("used each time").isEqualTo(199);
            Generation gone = engine.submit(request(prompt(3, 200), 1, 1), TokenListener.NONE)
                    .join();
            assertThat(gone.timing().cachedTokens()).isZero();
        }
    }

    private void waitForPages(int free) {
        long end = System.nanoTime() + 10_000_000_000L;
        while (pool.freePages() != free && System.nanoTime() < end) {
            Thread.onSpinWait();
        }
        assertThat(pool.freePages()).isEqualTo(free);
    }

    @SuppressWarnings("unchecked")
    private static <E extends Throwable> void throwUndeclared(Throwable thrown) throws E {
        throw (E) thrown;
    }

    @Test
    void oneThatFailsEndsAlone() {
        LogitRule broken = (logits, soFar) -> {
            if (soFar.length() > 12) {
                throw new UnsupportedOperationException("a rule's");
            }
        };
        try (Engine engine = new Engine(model)) {
            GenerationRequest bad =
                    new GenerationRequest(prompt(1, 10), options(20, 1).withRule(broken));
            CompletableFuture<Generation> failing = engine.submit(bad, TokenListener.NONE);
            CompletableFuture<Generation> listening = engine.submit(request(prompt(2, 10), 20, 1), token -> {
                throw new AssertionError("a listener's");
            });
            CompletableFuture<Generation> unready = engine.submit(request(prompt(4, 10), 20, 1), new TokenListener() {
                @Override
                public boolean accept(GeneratedToken token) {
                    return true;
                }

                @Override
                public boolean ready() {
                    throw new IllegalStateException("a reader's");
                }
            });
            CompletableFuture<Generation> checked = engine.submit(request(prompt(5, 10), 20, 1), token -> {
                EngineTest.<RuntimeException>throwUndeclared(new IOException("another language's"));
                return true;
            });
            CompletableFuture<Generation> good = engine.submit(request(prompt(3, 10), 20, 1), TokenListener.NONE);
            assertThatThrownBy(unready::join).hasRootCauseMessage("a reader's");
            assertThatThrownBy(() -> engine.score(new int[0], 1, 0))
                    .hasMessageContaining("sequence to score: expected");
            assertThatThrownBy(() -> engine.score(prompt(1, CONTEXT + 2), 1, 0))
                    .hasMessageContaining("got 514, 1 and 0");
            assertThatThrownBy(failing::join).hasRootCauseMessage("a rule's");
            assertThatThrownBy(checked::join).hasRootCauseMessage("another language's");
            assertThatThrownBy(listening::join)
                    .isInstanceOf(CompletionException.class)
                    .hasRootCauseMessage("a listener's");
            assertThat(good.join().tokens()).hasSize(20);
        }
    }

    @Test
    void anErrorOfItsOwnEndsAllSequencesAndTheEngineGoesOn() {
        AtomicInteger asked = new AtomicInteger();
        Object broken = new Object() {
            @Override
            public int hashCode() {
                if (asked.incrementAndGet() > 1) { // the schedule asks, not the queue
                    throw new UnsupportedOperationException("a caller's");
                }
                return 1;
            }
        };
        try (Engine engine =
                new Engine(model, EngineOptions.DEFAULT.withParallel(1).withQueue(2))) {
            List<CompletableFuture<Generation>> others = new ArrayList<>();
            CompletableFuture<Generation> first = engine.submit(request(prompt(1, 10), 9, 1), _ -> {
                if (others.size() < 2) { // one that waits, then the broken one
                    Object caller = others.isEmpty() ? "" : broken;
                    others.add(engine.submit(request(prompt(2, 10), 9, 1), Requester.of(caller), TokenListener.NONE));
                }
                return true;
            });
            assertThatThrownBy(first::join).hasRootCauseMessage("a caller's");
            others.forEach(each -> assertThatThrownBy(each::join).hasRootCauseMessage("a caller's"));
            assertThat(engine.waiting() + engine.running()).isZero();
            assertThat(engine.submit(request(prompt(1, 10), 9, 1), TokenListener.NONE)
                            .join()
                            .tokens())
                    .hasSize(9);
        }
    }

    @Test
    void aCancelledSequenceGivesItsPagesBackBeforeItsResultIsThere() {
        try (Engine engine = new Engine(model)) {
            CountDownLatch begun = new CountDownLatch(1);
            CountDownLatch go = new CountDownLatch(1);
            CompletableFuture<Generation> generation = engine.submit(request(prompt(1, 10), 500, 1), _ -> {
                begun.countDown();
                await(go);
                return true;
            });
            await(begun);
            assertThat(generation.cancel(true)).isTrue();
            go.countDown();
            assertThatThrownBy(generation::join).isInstanceOf(CancellationException.class);
            assertThat(pool.freePages()).isEqualTo(capacity);
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void aSlowReaderHoldsNobodyUp() {
        try (Engine engine = new Engine(model)) {
            Semaphore read = new Semaphore(2);
            CompletableFuture<Generation> slow = engine.submit(request(prompt(1, 10), 10, 1), new TokenListener() {
                @Override
                public boolean accept(GeneratedToken token) {
                    return read.tryAcquire();
                }

                @Override
                public boolean ready() {
                    return read.availablePermits() > 0;
                }
            });
            assertThat(engine.submit(request(prompt(2, 10), 50, 1), TokenListener.NONE)
                            .join()
                            .tokens())
                    .hasSize(50);
            assertThat(slow).isNotDone();
            read.release(20);
            assertThat(slow.join().tokens()).hasSize(10);
        }
    }

    @Test
    void aShortPromptOvertakesALongOne() {
        List<Integer> first = new ArrayList<>();
        try (Engine engine = new Engine(model, EngineOptions.DEFAULT.withPromptRows(64))) {
            CountDownLatch begun = new CountDownLatch(1);
            CountDownLatch go = new CountDownLatch(1);
            CompletableFuture<Generation> decoding = engine.submit(request(prompt(3, 3), 60, 1), _ -> {
                begun.countDown();
                await(go);
                return true;
            });
            await(begun);
            CompletableFuture<Generation> slow = engine.submit(request(prompt(1, 500), 2, 1), _ -> first.add(500));
            CompletableFuture<Generation> quick = engine.submit(request(prompt(2, 20), 2, 1), _ -> first.add(20));
            go.countDown();
            CompletableFuture.allOf(decoding, slow, quick).join();
        }
        assertThat(first).containsExactly(20, 20, 500, 500);
    }

    @Test
    void whatCannotBeTakenIsRefusedInALine() {
        Engine engine = new Engine(model, EngineOptions.DEFAULT.withQueue(2).withParallel(1));
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        CompletableFuture<Generation> running = engine.submit(request(prompt(1, 3), 3, 1), token -> {
            begun.countDown();
            await(go);
            return true;
        });
        await(begun);
        CompletableFuture<Generation> waiting = engine.submit(request(prompt(2, 3), 3, 1), TokenListener.NONE);
        var _ = engine.submit(request(prompt(2, 3), 3, 1), TokenListener.NONE);
        assertThat(engine.waiting()).isEqualTo(2);
        assertThatThrownBy(() -> engine.submit(request(prompt(2, 3), 3, 1), TokenListener.NONE))
                .isInstanceOf(RejectedExecutionException.class)
                .hasMessage("queue: expected at most 2 waiting sequences, got 3; try again later");
        go.countDown();
        assertThat(running.join().tokens()).hasSize(3);
        assertThat(waiting.join().tokens()).hasSize(3);
        CompletableFuture<Generation> nested = engine.submit(
                request(prompt(1, 3), 3, 1),
                token -> new Generator(engine).generate(prompt(1, 3), options(1, 1)) != null);
        assertThatThrownBy(nested::join)
                .hasRootCauseMessage("engine: expected a call from another thread, got one from a listener");
        engine.close();
        assertThatThrownBy(() -> engine.submit(request(prompt(2, 3), 3, 1), TokenListener.NONE))
                .hasMessage("engine: expected an open one, got one that was closed");
        assertThatThrownBy(() -> EngineOptions.DEFAULT.withQueue(0)).hasMessageContaining("engine: expected");
    }

    @Test
    void closingEndsWhatRunsAndWaits() throws InterruptedException {
        Engine engine = new Engine(model, EngineOptions.DEFAULT.withParallel(1));
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        CompletableFuture<Generation> running = engine.submit(request(prompt(1, 3), 500, 1), token -> {
            begun.countDown();
            await(go);
            return true;
        });
        CompletableFuture<List<Prediction>> waiting = engine.score(prompt(1, 30), 3, 0);
        await(begun);
        Thread closing = Thread.ofPlatform().start(engine::close);
        while (closing.getState() != Thread.State.WAITING) { // for the step under way
            Thread.onSpinWait();
        }
        go.countDown();
        closing.join();
        assertThat(running).isCompletedExceptionally();
        assertThat(waiting).isCompletedExceptionally();
    }
}
