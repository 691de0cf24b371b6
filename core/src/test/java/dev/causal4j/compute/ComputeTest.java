package dev.causal4j.compute;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ComputeTest {
    private final Compute compute = Compute.of(2);

    @AfterEach
    void close() {
        compute.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 8})
    void everyTaskRunsExactlyOnce(int threads) {
        compute.use(threads);
        for (int tasks = 0; tasks < 300; tasks++) {
            AtomicIntegerArray runs = new AtomicIntegerArray(tasks + 1);
            compute.run(tasks, runs::incrementAndGet);
            for (int i = 0; i < tasks; i++) {
                assertThat(runs.get(i)).isEqualTo(1);
            }
        }
    }

    /**
     * Each job has one task more than the last, and is so short that workers come late: they must claim tasks of this
     * job alone.
     */
    @Test
    void aLateWorkerTakesNoTaskOfTheNextJobEarly() {
        compute.use(3);
        AtomicIntegerArray runs = new AtomicIntegerArray(8);
        for (int job = 1; job <= 100_000; job++) {
            int tasks = 2 + job % 7;
            compute.run(tasks, runs::incrementAndGet);
            for (int i = 0; i < tasks; i++) {
                if (runs.getAndSet(i, 0) != 1) {
                    throw new AssertionError("job " + job + ", task " + i);
                }
            }
        }
    }

    @Test
    void aFailingTaskFailsTheCallerAndLeavesThePoolUsable() {
        compute.use(3);
        assertThatThrownBy(() -> compute.run(50, i -> {
                    if (i == 17) {
                        throw new IllegalStateException("task 17");
                    }
                }))
                .hasMessage("task 17");
        AtomicInteger runs = new AtomicInteger();
        compute.run(50, i -> runs.incrementAndGet());
        assertThat(runs).hasValue(50);
    }

    @Test
    void severalCallersAndNestedCallsGetAllTheirWorkDone() {
        compute.use(2);
        AtomicInteger runs = new AtomicInteger();
        IntStream.range(0, 8)
                .parallel()
                .forEach(caller -> compute.run(10, i -> compute.run(10, j -> runs.incrementAndGet())));
        assertThat(runs).hasValue(800);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void noMoreThreadsComputeThanAreInUse(int threads) {
        compute.use(4);
        compute.run(100, i -> Thread.onSpinWait()); // four threads have worked
        compute.use(threads);
        AtomicInteger running = new AtomicInteger();
        AtomicInteger most = new AtomicInteger();
        for (int job = 0; job < 20; job++) {
            compute.run(50, i -> {
                most.accumulateAndGet(running.incrementAndGet(), Math::max);
                LockSupport.parkNanos(20_000);
                running.decrementAndGet();
            });
        }
        assertThat(most.get()).isBetween(1, threads);
    }

    /** Two callers use both threads, so a worker ends its task and takes no other. */
    @Test
    void workersStepBackForFurtherCallers() throws Exception {
        compute.use(2);
        CountDownLatch inside = new CountDownLatch(2);
        AtomicInteger left = new AtomicInteger(200);
        AtomicInteger byWorkers = new AtomicInteger();
        Runnable caller = () -> {
            Thread self = Thread.currentThread();
            compute.run(400, i -> {
                if (Thread.currentThread() == self) {
                    inside.countDown();
                }
                if (inside.getCount() == 0 && left.getAndDecrement() > 0) {
                    byWorkers.addAndGet(Thread.currentThread().getName().startsWith("causal4j") ? 1 : 0);
                    LockSupport.parkNanos(20_000);
                } else if (left.get() > 0) {
                    await(inside);
                }
            });
        };
        Thread other = Thread.ofPlatform().start(caller);
        caller.run();
        other.join();
        assertThat(left.get()).isNotPositive();
        assertThat(byWorkers.get()).isLessThanOrEqualTo(1);
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void afterCloseCallersComputeAlone() {
        compute.use(2);
        compute.run(100, i -> Thread.onSpinWait());
        compute.close();
        Thread self = Thread.currentThread();
        compute.run(100, i -> assertThat(Thread.currentThread()).isSameAs(self));
    }

    @Test
    void aTaskThatRunsTasksRunsThemItself() {
        compute.use(2);
        compute.run(20, i -> {
            Thread self = Thread.currentThread();
            compute.run(20, j -> assertThat(Thread.currentThread()).isSameAs(self));
        });
    }

    @Test
    void scratchIsOneThreadsAtATimeAndUsedAgain() {
        compute.use(3);
        AtomicInteger made = new AtomicInteger();
        Compute.Scratch<AtomicInteger> scratch = new Compute.Scratch<>(() -> {
            made.incrementAndGet();
            return new AtomicInteger();
        });
        for (int job = 0; job < 50; job++) {
            compute.run(40, scratch, (own, task) -> {
                assertThat(own.incrementAndGet()).isEqualTo(1);
                Thread.onSpinWait();
                own.decrementAndGet();
            });
        }
        assertThat(made.get()).isBetween(1, 3);
    }

    @Test
    void thereIsAPhysicalCoreAndNoMoreThanJavaCounts() {
        assertThat(Compute.physicalCores()).isBetween(1, Runtime.getRuntime().availableProcessors());
    }

    @Test
    void aCountOutOfRangeIsRefused() {
        assertThatThrownBy(() -> compute.use(0)).hasMessage("threads: expected 1 to 1024, got 0");
        assertThatThrownBy(() -> compute.use(1025)).hasMessage("threads: expected 1 to 1024, got 1025");
    }

    @Test
    void aCheckedExceptionThrownUncheckedIsNotLost() {
        compute.use(2);
        assertThatThrownBy(() -> compute.run(8, i -> ComputeTest.<RuntimeException>sneak(new Exception("task"))))
                .hasRootCauseMessage("task");
    }

    @SuppressWarnings("unchecked")
    private static <E extends Exception> void sneak(Exception e) throws E {
        throw (E) e;
    }

    /** Keeps the thread of the background busy until the latch is counted down. */
    private CountDownLatch occupied() {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        var _ = compute.background("", () -> {
            begun.countDown();
            await(go);
        });
        await(begun);
        return go;
    }

    @Test
    void workInTheBackgroundIsDoneOnOneOfTwoThreadsAndCallersTakeTurns() throws Exception {
        List<String> order = new CopyOnWriteArrayList<>();
        CountDownLatch go = occupied();
        for (String work : List.of("a1", "a2", "a3", "b1", "b2", "c1")) {
            var _ = compute.background(work.substring(0, 1), () -> order.add(work));
        }
        CompletableFuture<@Nullable Void> last = compute.background("a", () -> order.add("a4"));
        go.countDown();
        last.get(1, TimeUnit.MINUTES);
        assertThat(order).containsExactly("a1", "b1", "c1", "a2", "b2", "a3", "a4");
    }

    @Test
    void shortWorkWaitsForNoLongerWork() throws Exception {
        CountDownLatch go = occupied();
        CompletableFuture<@Nullable Void> longer = compute.background("a", () -> {});
        compute.shortly("s", () -> {}).get(1, TimeUnit.MINUTES);
        compute.shortly("t", () -> {}).get(1, TimeUnit.MINUTES);
        assertThat(longer).isNotDone();
        go.countDown();
        longer.get(1, TimeUnit.MINUTES);
    }

    @Test
    void workThatThrowsFailsItsFutureAlone() throws Exception {
        CompletableFuture<@Nullable Void> fails = compute.background("a", () -> {
            throw new IllegalStateException("mine");
        });
        compute.background("a", () -> {}).get(1, TimeUnit.MINUTES);
        assertThat(fails).isCompletedExceptionally();
        assertThatThrownBy(fails::join)
                .hasCauseInstanceOf(IllegalStateException.class)
                .hasMessageContaining("mine");
    }

    @Test
    void cancelledWorkNeverRunsAndIsReleasedAtOnce() throws Exception {
        CountDownLatch go = new CountDownLatch(1);
        CompletableFuture<@Nullable Void> first = compute.background("a", () -> await(go));
        List<byte[]> large = new ArrayList<>(List.of(new byte[1 << 20]));
        WeakReference<byte[]> held = new WeakReference<>(large.getFirst());
        CompletableFuture<@Nullable Void> cancelled = compute.background("b", runner(large.removeFirst()));
        cancelled.cancel(false);
        for (int i = 0; i < 100 && held.get() != null; i++) {
            System.gc();
        }
        assertThat(held.get()).isNull();
        go.countDown();
        first.get(1, TimeUnit.MINUTES);
        compute.background("c", () -> {}).get(1, TimeUnit.MINUTES);
        assertThat(cancelled).isCancelled();
    }

    private static Runnable runner(byte[] large) {
        return () -> {
            throw new AssertionError("ran with " + large.length);
        };
    }

    @Test
    void aWorkerPausesBesideWorkInTheBackground() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        CompletableFuture<@Nullable Void> work = compute.background("a", () -> {
            begun.countDown();
            await(go);
        });
        await(begun);
        Set<Thread> threads = ConcurrentHashMap.newKeySet();
        for (int job = 0; job < 1000; job++) {
            compute.run(8, _ -> threads.add(Thread.currentThread()));
        }
        assertThat(threads).containsExactly(Thread.currentThread());
        go.countDown();
        work.get(1, TimeUnit.MINUTES);
    }

    @Test
    void closingCancelsQueuedWorkAndEndsTheThread() throws Exception {
        CountDownLatch go = new CountDownLatch(1);
        AtomicReference<Thread> thread = new AtomicReference<>();
        CountDownLatch begun = new CountDownLatch(1);
        var _ = compute.background("a", () -> {
            thread.set(Thread.currentThread());
            begun.countDown();
            await(go);
        });
        await(begun);
        CompletableFuture<@Nullable Void> queued = compute.background("b", () -> {});
        compute.close();
        assertThat(queued).isCancelled();
        assertThat(compute.background("b", () -> {})).isCancelled();
        go.countDown();
        assertThat(thread.get().join(Duration.ofMinutes(1))).isTrue();
    }
}
