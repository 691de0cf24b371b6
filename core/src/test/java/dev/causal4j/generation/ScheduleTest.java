package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.Whole;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.generation.Engine.Requester;
import dev.causal4j.head.Prediction;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.EmbeddingConfig.Pooling;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Turns, slots and pages: which sequence begins, which is set back, and that neither changes a bit. */
class ScheduleTest extends EngineFixture {
    private static GenerationRequest request(int seed, int length, int tokens) {
        return new GenerationRequest(
                prompt(seed, length),
                GenerationOptions.DEFAULT
                        .withMaxNewTokens(tokens)
                        .withSeed(seed)
                        .withFrequencyPenalty(0.5)
                        .withLogProbabilities(2));
    }

    private Generation alone(GenerationRequest request) {
        return new Generator(model)
                .generate(List.of(request), TokenListener.NONE)
                .getFirst();
    }

    private static void assertEqual(Generation actual, Generation expected) {
        assertThat(actual.tokens()).containsExactly(expected.tokens());
        assertThat(actual.predictions()).isEqualTo(expected.predictions());
        assertThat(actual.finishReason()).isEqualTo(expected.finishReason());
        Generation.Timing timing = actual.timing();
        assertThat(timing.cachedTokens() + timing.prefillTokens()).isEqualTo(actual.promptTokens().length);
        assertThat(timing.decodedTokens()).isEqualTo(actual.tokens().length - 1);
    }

    private static List<Integer> keptPages() {
        return Whole.RUN ? List.of(0, 4) : List.of(4);
    }

    @ParameterizedTest
    @MethodSource("keptPages")
    void aPoolOfATenthOfTheNeedChangesNoBit(int prefixPages) {
        List<GenerationRequest> requests = IntStream.range(0, 10)
                .mapToObj(i -> request(i / 2, i % 3 == 0 ? 200 : 20, 300))
                .toList(); // some 75 pages
        int[] scored = prompt(50, 400);
        List<int[]> ends = List.of(prompt(51, 30), prompt(52, 40), prompt(53, 70));
        List<Generation> expected = requests.stream().map(this::alone).toList();
        Function<Engine, List<List<Prediction>>> score = engine -> engine.scoreContinuations(scored, ends, 2).stream()
                .map(CompletableFuture::join)
                .toList();
        List<List<Prediction>> expectedScores = score.apply(Engine.shared(model));
        List<KVCache> others = fill(model, 9);
        try (Engine engine = engine(prefixPages)) {
            List<CompletableFuture<Generation>> all = requests.stream()
                    .map(each -> engine.submit(each, Requester.of(""), TokenListener.NONE))
                    .toList();
            assertThat(score.apply(engine)).isEqualTo(expectedScores);
            for (int i = 0; i < all.size(); i++) {
                assertEqual(all.get(i).join(), expected.get(i));
            }
        }
        others.forEach(KVCache::close);
    }

    /** Parts of many texts in a step are slower than whole ones. Beside others all have equal parts. */
    @Test
    void textsToEmbedAreFedWholeAsFarAsThereIsRoom() {
        StepCosts costs = new StepCosts(false, new Steps());
        EngineOptions options = EngineOptions.DEFAULT.withPromptRows(300);
        PrefixCache prefixes = new PrefixCache(model, 0, null);
        Schedule schedule = new Schedule(model, options, prefixes, costs, new DraftLengths(costs, false));
        try (Engine engine = engine(0)) {
            List<Sequence<?>> all = new ArrayList<>(IntStream.range(0, 5)
                    .mapToObj(i -> new EmbeddedSequence(engine, Requester.of(i), prompt(i, 128), Pooling.MEAN))
                    .toList());
            schedule.add(all);
            schedule.begin();
            assertThat(schedule.plan()).extracting(each -> each.promptRows).containsExactly(128, 128, 44);
            all.add(engine.generating(request(1, 128, 9), Requester.of(9), 0, TokenListener.NONE));
            schedule.add(all.subList(5, 6));
            schedule.begin();
            assertThat(schedule.plan()).extracting(each -> each.promptRows).containsOnly(50);
            all.forEach(Sequence::close);
        }
        prefixes.close();
    }

    /** All use the rotary frequencies of the longest continuation. */
    @Test
    void aContinuationThatIsSetBackKeepsItsRotations() {
        try (CausalLM scaled = CausalLM.create(SmallModels.config("""
                {"model_type": "llama", "vocab_size": 301, "hidden_size": 24, "num_hidden_layers": 2, "head_dim": 4,
                 "num_attention_heads": 2, "intermediate_size": 40, "max_position_embeddings": 512,
                 "rope_scaling": {"rope_type": "longrope", "original_max_position_embeddings": 64,
                  "short_factor": [1, 1], "long_factor": [3, 7]}}
                """), 3, DType.F32)) {
            List<int[]> ends = List.of(prompt(2, 130), prompt(3, 10));
            List<List<List<Prediction>>> scores = new ArrayList<>();
            for (int free : List.of(scaled.decoder().pool().freePages(), 3)) {
                List<KVCache> others = fill(scaled, free);
                try (Engine engine = new Engine(scaled)) {
                    scores.add(engine.scoreContinuations(prompt(1, 40), ends, 0).stream()
                            .map(CompletableFuture::join)
                            .toList());
                }
                others.forEach(KVCache::close);
            }
            assertThat(scores.getLast()).isEqualTo(scores.getFirst());
        }
    }

    /** A reader that takes some tokens, and more only when it is told to. */
    private static final class Reader implements TokenListener {
        private final Semaphore permits;

        Reader(int tokens) {
            permits = new Semaphore(tokens);
        }

        @Override
        public boolean accept(GeneratedToken token) {
            return permits.tryAcquire();
        }

        @Override
        public boolean ready() {
            return permits.availablePermits() > 0;
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 100}) // pages
    void readersThatStopGiveTheirSlotsBackAndGoOnWithEqualBits(int prefixPages) {
        EngineOptions options = keeping(prefixPages).withParallel(2).withQueue(2);
        try (Engine engine = new Engine(model, options)) {
            Requester slow = Requester.of("");
            List<Reader> readers = List.of(new Reader(5), new Reader(70), new Reader(3));
            List<CompletableFuture<Generation>> stopped = new ArrayList<>();
            for (int i = 0; i < readers.size(); i++) {
                stopped.add(engine.submit(request(i, 100, 90), slow, readers.get(i)));
                while (engine.waiting() > 1) {
                    Thread.onSpinWait();
                }
            }
            while (readers.stream().anyMatch(Reader::ready)) {
                Thread.onSpinWait();
            }
            for (int i = 0; i < 4; i++) { // nor do they take room in the queue
                List<CompletableFuture<Generation>> quick = List.of(
                        engine.submit(request(10 + i, 20, 30), Requester.of(""), TokenListener.NONE),
                        engine.submit(request(20 + i, 20, 30), Requester.of(""), TokenListener.NONE));
                assertEqual(quick.get(0).join(), alone(request(10 + i, 20, 30)));
                assertEqual(quick.get(1).join(), alone(request(20 + i, 20, 30)));
            }
            assertThat(stopped).noneMatch(CompletableFuture::isDone);
            readers.forEach(reader -> reader.permits.release(100));
            engine.wake();
            for (int i = 0; i < stopped.size(); i++) {
                assertEqual(stopped.get(i).join(), alone(request(i, 100, 90)));
            }
        }
    }

    /** @param many whether another caller has many requests; else the same caller has one large request */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aSmallRequestBesideALargeOneOrManyBeginsWithinAStep(boolean many) {
        try (Engine engine = new Engine(model, EngineOptions.DEFAULT.withParallel(4))) {
            Requester large = Requester.of("large");
            AtomicInteger steps = new AtomicInteger(); // of the oldest sequence, which is never set back
            Semaphore submitted = new Semaphore(0); // else it may take ten steps before the others are submitted
            Semaphore reached = new Semaphore(0);
            Semaphore go = new Semaphore(0);
            List<CompletableFuture<Generation>> choices = new ArrayList<>();
            choices.add(engine.submit(request(0, 20, 60), large, _ -> {
                int step = steps.incrementAndGet();
                if (step == 1) {
                    submitted.acquireUninterruptibly();
                } else if (step == 10) {
                    reached.release();
                    go.acquireUninterruptibly();
                }
                return true;
            }));
            for (int i = 1; i < 20; i++) {
                Requester requester = many ? Requester.of("large") : large;
                choices.add(engine.submit(request(i, 20, 60), requester, TokenListener.NONE));
            }
            submitted.release();
            reached.acquireUninterruptibly();
            assertThat(engine.running()).isEqualTo(4);
            AtomicInteger begun = new AtomicInteger();
            Requester other = Requester.of(many ? "small" : "large");
            CompletableFuture<Generation> small = engine.submit(request(30, 20, 3), other, _ -> {
                begun.compareAndSet(0, steps.get());
                return true;
            });
            go.release();
            assertEqual(small.join(), alone(request(30, 20, 3)));
            assertThat(begun.get()).isEqualTo(11);
            for (int i = 0; i < choices.size(); i++) {
                assertEqual(choices.get(i).join(), alone(request(i, 20, 60)));
            }
        }
    }

    /** Each sequence may need the whole context, and the smaller pool has room for one. */
    @ParameterizedTest
    @ValueSource(longs = {0, 1}) // bytes of keys and values; 0 is the default
    void eightChatsOfALongContextRunAtOnce(long bytes) {
        LoadOptions options = LoadOptions.DEFAULT.withCacheBytes(bytes);
        try (CausalLM wide = CausalLM.random(SmallModels.gpt2(VOCABULARY, 32_768, 40, 2, 4), 1, options);
                Engine engine = new Engine(wide)) {
            Semaphore answered = new Semaphore(0);
            List<CompletableFuture<Generation>> chats = IntStream.range(0, 8)
                    .mapToObj(i -> {
                        AtomicInteger own = new AtomicInteger();
                        return engine.submit(request(i, 100, 32_768), Requester.of(i), _ -> {
                            if (own.incrementAndGet() == 3) { // of each: one may be many tokens further than the others
                                answered.release();
                            }
                            return true;
                        });
                    })
                    .toList();
            answered.acquireUninterruptibly(8);
            assertThat(engine.running()).isEqualTo(8);
            chats.forEach(each -> each.cancel(true));
        }
    }

    @Test
    void callersBeginInTurnAndSoDoTheirRequests() {
        List<String> order = new ArrayList<>();
        try (Engine engine = new Engine(model, EngineOptions.DEFAULT.withParallel(1))) {
            CountDownLatch submitted = new CountDownLatch(1);
            List<CompletableFuture<Generation>> all = new ArrayList<>();
            all.add(engine.submit(request(1, 5, 2), Requester.of("a"), _ -> awaited(submitted)));
            Map<String, Requester> requesters = new HashMap<>();
            for (String name : List.of("a1", "a1", "a2", "b1", "a3", "c1", "b1")) {
                Requester requester = requesters.computeIfAbsent(name, each -> Requester.of(each.substring(0, 1)));
                all.add(engine.submit(request(1, 5, 1), requester, _ -> order.add(name)));
            }
            submitted.countDown();
            all.forEach(CompletableFuture::join);
        }
        assertThat(order).containsExactly("b1", "c1", "a1", "b1", "a2", "a3", "a1");
    }

    private static boolean awaited(CountDownLatch latch) {
        try {
            latch.await();
            return true;
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void aSequenceThatWaitsHoldsItsPromptAndLittleMore() {
        try (Engine engine = new Engine(model)) {
            GeneratedSequence sequence =
                    engine.generating(request(1, 20, 400), Requester.of(""), 0, TokenListener.NONE);
            assertThat(sequence.tokens).hasSizeLessThan(100);
            assertThat(alone(request(1, 20, 400)).tokens()).hasSize(400);
        }
    }

    @Test
    void aReaderMayNeedALockWhoseOwnerAsksTheEngine() throws InterruptedException {
        Object lock = new Object();
        CountDownLatch asked = new CountDownLatch(1);
        AtomicBoolean first = new AtomicBoolean(true);
        try (Engine engine = new Engine(model)) {
            CompletableFuture<Generation> generation;
            synchronized (lock) {
                generation = engine.submit(request(1, 10, 5), new TokenListener() {
                    @Override
                    public boolean accept(GeneratedToken token) {
                        return true;
                    }

                    @Override
                    public boolean ready() {
                        if (first.getAndSet(false)) {
                            asked.countDown();
                        }
                        synchronized (lock) {
                            return true;
                        }
                    }
                });
                asked.await();
                assertThat(engine.waiting()).isZero(); // while its thread waits for the lock
            }
            assertThat(generation.join().tokens()).hasSize(5);
        }
    }

    @Test
    void aStreamThatIsDroppedGivesItsPagesBack() {
        List<GeneratedToken> taken = drop();
        long end = System.nanoTime() + 30_000_000_000L;
        while (pool.freePages() < capacity && System.nanoTime() < end) {
            System.gc();
            pool.reclaim();
        }
        assertThat(pool.freePages()).isEqualTo(capacity);
        assertThat(taken).hasSize(1);
    }

    private List<GeneratedToken> drop() {
        List<GeneratedToken> taken = new ArrayList<>();
        taken.add(new Generator(model).stream(request(1, 10, 450)).iterator().next());
        assertThat(pool.freePages()).isLessThan(capacity);
        return taken;
    }
}
