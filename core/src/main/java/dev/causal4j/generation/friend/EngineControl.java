package dev.causal4j.generation.friend;

import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;

/**
 * Controls an engine from outside. Immutable and thread-safe.
 *
 * @param wake lets the engine ask the listeners of slow readers again; never waits
 * @param cancelWaiting cancels the waiting requests that have not begun
 * @param checkCaller throws an IllegalStateException if called on the engine's own thread, which would wait for itself
 */
public record EngineControl(Runnable wake, Runnable cancelWaiting, Runnable checkCaller) {
    /**
     * Waits for a result, and throws the exception that ended its sequence.
     *
     * @throws InterruptedException if this thread is interrupted, even if the result is available
     */
    public static <T> T await(CompletableFuture<T> result) throws InterruptedException {
        if (Thread.interrupted()) {
            throw new InterruptedException();
        }
        try {
            return result.get();
        } catch (CancellationException e) { // made by the call above, without a message
            throw e.getCause() instanceof CancellationException cause ? cause : e;
        } catch (ExecutionException e) {
            throw switch (e.getCause()) {
                case RuntimeException cause -> cause;
                case Error cause -> throw cause;
                case null, default -> new IllegalStateException(e.getCause());
            };
        }
    }
}
