package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.decoder.PagePool;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A disk that does not answer, such as a network mount that is gone. */
@Timeout(120)
class StuckPrefixStoreTest extends PrefixStoreFixture {
    private static final Duration PATIENCE = Duration.ofSeconds(3);
    private static final int PAGES = 6; // of each prompt

    private final AtomicInteger asked = new AtomicInteger();
    private final CountDownLatch answers = new CountDownLatch(1);

    /** A store whose disk says which pages it has, and stops to answer when the first of them is read. */
    private PrefixStore store() {
        Path folder = folder();
        Path stuck = (Path) Proxy.newProxyInstance(
                getClass().getClassLoader(), new Class<?>[] {Path.class}, (_, method, arguments) -> {
                    boolean isFile = method.getName().equals("resolve");
                    if (isFile && Thread.currentThread().getName().equals("causal4j-prefix-reader")) {
                        if (asked.incrementAndGet() > PAGES) {
                            answers.await();
                        }
                    }
                    return method.invoke(folder, arguments);
                });
        return new PrefixStore(stuck, PrefixStore.DEFAULT_BYTES, PATIENCE);
    }

    private Engine stuckEngine() {
        return new Engine(model, EngineOptions.DEFAULT.withPrefixStore(store()));
    }

    @AfterEach
    void allPagesComeBack() throws InterruptedException {
        answers.countDown();
        PagePool pool = model.decoder().pool();
        for (int i = 0; i < 2000 && pool.freePages() < capacity; i++) {
            Thread.sleep(5);
        }
    }

    private static boolean isFromDisk(Generation made) {
        return made.timing().cachedTokens() == 64 * PAGES;
    }

    /** One prompt waits for a late read, and none after it until that returns. */
    @Test
    void oneLateReadHoldsNobodyElseUp() throws IOException, InterruptedException {
        load("gpt2", DType.F32);
        for (int i = 0; i < 20; i++) {
            assertEqual(prompt(i, 400));
        }
        int last = 0;
        boolean isRead = false;
        try (Engine alone = new Engine(model);
                Engine engine = stuckEngine()) {
            long start = System.nanoTime();
            for (; last < 10; last++) {
                Generation made = generate(engine, prompt(last, 400), options());
                assertThat(made.predictions())
                        .isEqualTo(generate(alone, prompt(last, 400), options()).predictions());
                assertThat(made.timing().cachedTokens()).isZero();
            }
            Duration took = Duration.ofNanos(System.nanoTime() - start);
            assertThat(took).isGreaterThan(PATIENCE).isLessThan(PATIENCE.multipliedBy(8));
            assertThat(asked).hasValue(PAGES + 1);
            answers.countDown();
            for (; last < 20 && !isRead; last++) {
                Thread.sleep(100);
                isRead = isFromDisk(generate(engine, prompt(last, 400), options()));
            }
        }
        assertThat(isRead).isTrue();
    }

    /** Prompts that wait for their turn to be read are let go with the first. */
    @Test
    void theQueueOfALateReadIsLetGo() throws Exception {
        load("gpt2", DType.F32);
        assertEqual(prompt(0, 400));
        try (Engine engine = stuckEngine()) {
            CompletableFuture<Generation> first =
                    engine.submit(new GenerationRequest(prompt(0, 400), options()), TokenListener.NONE);
            while (asked.get() <= PAGES) {
                Thread.sleep(5);
            }
            Thread.sleep(PATIENCE.toMillis() * 3 / 4);
            long start = System.nanoTime();
            generate(engine, prompt(1, 400), options());
            assertThat(first.join().tokens()).hasSize(6);
            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(PATIENCE);
        }
    }

    /** Closing waits once, and what the thread still holds may be gone when its read returns. */
    @Test
    void closingWaitsOnce() throws Exception {
        load("gpt2", DType.F32);
        assertEqual(prompt(0, 400));
        Engine engine = stuckEngine();
        assertThat(generate(engine, prompt(0, 400), options()).tokens()).hasSize(6);
        CompletableFuture.runAsync(engine::close).get(30, TimeUnit.SECONDS);
        model.close();
        answers.countDown();
    }
}
