package dev.causal4j.cli;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Lets long work finish cleanly on Ctrl-C or SIGTERM: the program waits, for a bounded time, until the work has closed
 * this object. Thread-safe.
 */
final class Interruption implements AutoCloseable {
    private final CountDownLatch requested = new CountDownLatch(1);
    private final CountDownLatch ended = new CountDownLatch(1);

    /** @param mostSeconds how long the program waits for the work to end */
    Interruption(long mostSeconds) {
        this(mostSeconds, () -> {});
    }

    /** @param last runs then, for at most a second, unless this object is closed */
    Interruption(long mostSeconds, Runnable last) {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            boolean works = ended.getCount() > 0;
            requested.countDown();
            try {
                if (works) {
                    Thread.ofPlatform().daemon().start(last).join(1000); // it may wait for a reader
                }
                boolean _ = ended.await(mostSeconds, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }));
    }

    /** Whether the work should end. */
    boolean requested() {
        return requested.getCount() == 0;
    }

    /** Waits until the work should end. */
    void await() throws InterruptedException {
        requested.await();
    }

    /** Signals that the work has ended. */
    @Override
    public void close() {
        ended.countDown();
    }
}
