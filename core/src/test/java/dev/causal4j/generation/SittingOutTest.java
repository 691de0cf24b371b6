package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.Whole;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.Matcher;
import dev.causal4j.tokenizer.Vocabulary;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Sequences whose mask is not ready. */
@Timeout(120)
class SittingOutTest extends ConstrainedFixture {
    /** A constraint whose masks are never ready after some tokens. */
    private record Unready(Constraint same, int[] lengths, IntConsumer making) implements Constraint {
        @Override
        public Matcher start(Vocabulary vocabulary) {
            return new Slow(same.start(vocabulary), 0);
        }

        private final class Slow implements Matcher {
            private final Matcher matcher;
            private int length;

            private Slow(Matcher matcher, int length) {
                this.matcher = matcher;
                this.length = length;
            }

            private boolean isReady() {
                return IntStream.of(lengths).noneMatch(each -> each == length);
            }

            @Override
            public void mask(long[] allowed) {
                if (!isReady()) {
                    assertThat(Thread.currentThread().getName()).isEqualTo("causal4j-background");
                    making.accept(length);
                }
                matcher.mask(allowed);
            }

            @Override
            public boolean tryMask(long[] allowed) {
                return isReady() && matcher.tryMask(allowed);
            }

            @Override
            public void accept(int token) {
                matcher.accept(token);
                length++;
            }

            @Override
            public boolean tryAccept(int token) {
                if (length % 5 == 3 && !isReady()) {
                    return false;
                }
                accept(token);
                return true;
            }

            @Override
            public boolean isAccepting() {
                return matcher.isAccepting();
            }

            @Override
            public Matcher copy() {
                return new Slow(matcher.copy(), length);
            }
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(1, TimeUnit.MINUTES)).isTrue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static GenerationRequest request(Constraint constraint) {
        return new GenerationRequest(PROMPT, options(constraint));
    }

    private static GenerationRequest free(int tokens) {
        return new GenerationRequest(
                PROMPT, GenerationOptions.DEFAULT.withMaxNewTokens(tokens).withEos(Set.of()));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 3})
    void neighboursGoOnWhileAMaskIsMade(int length) throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        Constraint slow = new Unready(oneOf("abcdefg", "abcxyz"), new int[] {length}, _ -> {
            begun.countDown();
            await(go);
        });
        AtomicInteger heard = new AtomicInteger();
        try (Engine engine = new Engine(model)) {
            CompletableFuture<Generation> sits = engine.submit(request(slow), token -> heard.incrementAndGet() > 0);
            await(begun);
            Generation neighbour = engine.submit(free(200), TokenListener.NONE).get(1, TimeUnit.MINUTES);
            assertThat(neighbour.tokens()).hasSize(200);
            Generation other = engine.submit(request(oneOf("abcdefg", "abcxyz")), TokenListener.NONE)
                    .get(1, TimeUnit.MINUTES);
            assertThat(sits).isNotDone();
            assertThat(heard.get())
                    .as("the token before the mask is told with it")
                    .isLessThanOrEqualTo(length);
            go.countDown();
            Generation made = sits.get(1, TimeUnit.MINUTES);
            assertThat(made.tokens()).containsExactly(other.tokens());
            assertThat(made.pieces()).isEqualTo(other.pieces());
            assertThat(made.constrained().orElseThrow().complete()).isTrue();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 3})
    void oneThatSitsOutHoldsNoSlot(int length) throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        Constraint slow = new Unready(oneOf("abcdefg", "abcxyz"), new int[] {length}, _ -> {
            begun.countDown();
            await(go);
        });
        try (Engine engine = new Engine(model, EngineOptions.DEFAULT.withParallel(1))) {
            CompletableFuture<Generation> sits = engine.submit(request(slow), TokenListener.NONE);
            await(begun);
            Generation neighbour = engine.submit(free(20), TokenListener.NONE).get(1, TimeUnit.MINUTES);
            assertThat(neighbour.tokens()).hasSize(20);
            assertThat(sits).isNotDone();
            go.countDown();
            assertThat(sits.get(1, TimeUnit.MINUTES).text()).startsWith("abc");
        }
    }

    @Test
    void oneThatIsCancelledEndsBeforeItsMaskIsMade() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        Constraint slow = new Unready(oneOf("abcdefg"), new int[] {0, 2}, length -> {
            begun.countDown();
            await(go);
        });
        try (Engine engine = new Engine(model)) {
            CompletableFuture<Generation> first = engine.submit(request(slow), TokenListener.NONE);
            await(begun);
            CompletableFuture<Generation> queued = engine.submit(request(slow), TokenListener.NONE);
            for (CompletableFuture<Generation> each : List.of(queued, first)) {
                each.cancel(false);
                assertThatThrownBy(() -> each.get(1, TimeUnit.MINUTES)).isInstanceOf(CancellationException.class);
            }
            go.countDown();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 3})
    void aDeadlineKeepsWhatWasChosenBeforeTheMask(int length) throws Exception {
        AtomicLong clock = new AtomicLong();
        CountDownLatch go = new CountDownLatch(1);
        Constraint slow = new Unready(oneOf("abcdefg"), new int[] {length}, _ -> {
            clock.set(TimeUnit.SECONDS.toNanos(1));
            await(go);
        });
        try (Engine engine = new Engine(model)) {
            engine.clock = clock::get;
            GenerationOptions options = options(slow).withDeadline(Duration.ofSeconds(1));
            Generation made = engine.submit(new GenerationRequest(PROMPT, options), TokenListener.NONE)
                    .get(1, TimeUnit.MINUTES);
            assertThat(made.finishReason()).isEqualTo(FinishReason.DEADLINE);
            assertThat(made.text()).isEqualTo("abc".substring(0, length));
            assertThat(made.timing().decodedTokens()).isEqualTo(Math.max(0, length - 1));
            go.countDown();
        }
    }

    @Test
    void aMaskThatFailsEndsItsSequenceAlone() throws Exception {
        Constraint broken = new Unready(oneOf("abcdefg"), new int[] {2}, _ -> {
            throw new UnsupportedOperationException("a mask's");
        });
        try (Engine engine = new Engine(model)) {
            CompletableFuture<Generation> fails = engine.submit(request(broken), TokenListener.NONE);
            CompletableFuture<Generation> other = engine.submit(free(50), TokenListener.NONE);
            assertThatThrownBy(() -> fails.get(1, TimeUnit.MINUTES)).hasRootCauseMessage("a mask's");
            assertThat(other.get(1, TimeUnit.MINUTES).tokens()).hasSize(50);
        }
    }

    /** However many masks one caller has, another caller waits for one of them at most. */
    @Test
    void callersTakeTurnsInTheBackground() throws Exception {
        Semaphore go = new Semaphore(0);
        Semaphore begun = new Semaphore(0);
        AtomicInteger made = new AtomicInteger();
        Constraint slow = new Unready(oneOf("abcdefg"), new int[] {0}, _ -> {
            begun.release();
            go.acquireUninterruptibly();
            made.incrementAndGet();
        });
        AtomicInteger before = new AtomicInteger();
        Constraint mine = new Unready(oneOf("abcdefg"), new int[] {0}, _ -> before.set(made.get()));
        try (Engine engine = new Engine(model)) {
            int threads = Math.max(1, model.head().compute().threads() / 2);
            List<CompletableFuture<Generation>> all = new ArrayList<>();
            for (int i = 0; i < 20; i++) {
                all.add(engine.submit(request(slow), Engine.Requester.of("a"), TokenListener.NONE));
            }
            begun.acquireUninterruptibly(threads);
            // Its mask is asked for once another sequence of the same moment has run.
            CompletableFuture<Generation> last =
                    engine.submit(request(mine), Engine.Requester.of("b"), TokenListener.NONE);
            engine.submit(free(5), TokenListener.NONE).get(1, TimeUnit.MINUTES);
            go.release(20);
            last.get(1, TimeUnit.MINUTES);
            assertThat(before.get()).isLessThanOrEqualTo(2 * threads);
            for (CompletableFuture<Generation> each : all) {
                assertThat(each.get(1, TimeUnit.MINUTES).text()).isEqualTo("abcdefg");
            }
        }
    }

    private static List<Integer> draftRows() {
        return Whole.RUN ? List.of(0, 1, 3, 16) : List.of(3);
    }

    /** With drafts, forced tokens, a stop string inside them, few slots and few pages. */
    @ParameterizedTest
    @MethodSource("draftRows")
    void sittingOutChangesNoResult(int rows) {
        List<GenerationRequest> requests = new ArrayList<>();
        List<GenerationRequest> plain = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            Constraint ready = i % 3 == 0
                    ? oneOf("abcdefghijklmnopqrstuvwxyz" + "0123456789".repeat(3), "abcdz")
                    : i % 3 == 1 ? oneOf("a0", "a1b2c3", "aXYZXYZXYZ!", "b", "") : oneOf("zzzzzzzz", "zzé");
            GenerationOptions options = options(ready)
                    .withSeed(i)
                    .withMaxNewTokens(i % 7 == 0 ? 9 : 90)
                    .withStop(i % 10 == 9 ? List.of("fgh") : i % 10 == 8 ? List.of("0123456789x", "z!") : List.of());
            if (i % 2 == 0) {
                options = options.withLogProbabilities(0);
            }
            int[] prompt = new Random(i / 8).ints(3 + i % 5, 1, 256).toArray();
            plain.add(new GenerationRequest(prompt, options));
            int[] lengths = new Random(i).ints(i % 4 * 8L, 0, 30).toArray();
            requests.add(new GenerationRequest(prompt, options.withConstraint(new Unready(ready, lengths, _ -> {}))));
        }
        Draft.Source wrong = (tokens, length, most, into) -> {
            for (int i = 0; i < most; i++) {
                into[i] = 'a' + i % 3;
            }
            return most;
        };
        EngineOptions few =
                EngineOptions.DEFAULT.withParallel(rows == 1 ? 3 : 32).withPrefixBytes(1 << 20);
        try (Engine engine = EngineFixture.drafting(model, few, wrong, rows);
                Engine other = EngineFixture.drafting(model, EngineOptions.DEFAULT, wrong, rows)) {
            List<CompletableFuture<Generation>> all = requests.stream()
                    .map(each -> engine.submit(each, TokenListener.NONE))
                    .toList();
            for (int i = 0; i < all.size(); i++) {
                Generation made = all.get(i).join();
                Generation alone =
                        other.submit(plain.get(i), TokenListener.NONE).join();
                assertThat(made.tokens()).as("request %d", i).containsExactly(alone.tokens());
                assertThat(made.pieces()).isEqualTo(alone.pieces());
                assertThat(made.predictions()).isEqualTo(alone.predictions());
                assertThat(made.finishReason()).isEqualTo(alone.finishReason());
                assertThat(made.timing().decodedTokens())
                        .isEqualTo(alone.timing().decodedTokens());
                assertThat(made.timing().prefillTokens() + made.timing().cachedTokens())
                        .as("request %d %s %s", i, made.timing(), alone.timing())
                        .isEqualTo(alone.timing().prefillTokens());
                Generation.Constrained constrained = made.constrained().orElseThrow();
                assertThat(constrained.complete())
                        .isEqualTo(alone.constrained().orElseThrow().complete());
                assertThat(constrained.logMasses())
                        .isEqualTo(alone.constrained().orElseThrow().logMasses());
            }
        }
    }
}
