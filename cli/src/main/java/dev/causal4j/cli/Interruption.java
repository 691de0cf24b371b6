package dev.causal4j.cli;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Lets long work end in its own way when the program is interrupted (Ctrl-C, SIGTERM): the program waits until the work has
 * seen it and has closed this, though not for ever. Thread-safe.
 */
final class Interruption implements AutoCloseable {
    private final CountDownLatch ended = new CountDownLatch(1);
    private volatile boolean requested;

    /** @param mostSeconds how long the program waits for the work to end */
    Interruption(long mostSeconds) {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            requested = true;
            try {
                boolean _ = ended.await(mostSeconds, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }));
    }

    /** Whether the work is to end. */
    boolean requested() {
        return requested;
    }

    /** Says that the work has ended. */
    @Override
    public void close() {
        ended.countDown();
    }
}
