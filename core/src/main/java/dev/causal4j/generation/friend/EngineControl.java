package dev.causal4j.generation.friend;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;

/**
 * Reaches into an engine. Immutable and thread-safe.
 *
 * @param wake lets the engine ask the listeners of slow readers again; never waits
 * @param cancelWaiting cancels the sequences that are in the queue
 * @param checkCaller throws an IllegalStateException on the engine's own thread, which would wait for itself
 */
public record EngineControl(Runnable wake, Runnable cancelWaiting, Runnable checkCaller) {
    /**
     * Waits for a result and throws what ended its sequence.
     *
     * @throws InterruptedException if this thread is interrupted, also when the result is there
     */
    public static <T> T await(CompletableFuture<T> result) throws InterruptedException {
        if (Thread.interrupted()) {
            throw new InterruptedException();
        }
        try {
            return result.get();
        } catch (ExecutionException e) {
            throw switch (e.getCause()) {
                case RuntimeException cause -> cause;
                case Error cause -> throw cause;
                case null, default -> new IllegalStateException(e.getCause());
            };
        }
    }
}
