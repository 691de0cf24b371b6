package dev.causal4j.server;

import dev.causal4j.compute.Compute;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.ConstraintException;
import dev.causal4j.generation.friend.EngineControl;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Reads large bodies and compiles constraints in the background, where callers take turns: few threads carry all requests,
 * and such work would hold one for long. Thread-safe.
 */
final class Turns {
    private final Compute compute;
    private final Set<Runnable> waiting = ConcurrentHashMap.newKeySet(); // to cancel each
    private final Shares compilations = new Shares(Limits.COMPILATIONS, 1);
    final UsedConstraints constraints = new UsedConstraints();
    private volatile boolean draining;

    Turns(Compute compute) {
        this.compute = compute;
    }

    /**
     * Compiles the constraint of a request. One that is compiled waits for nobody.
     *
     * @param param the field that asks for it
     * @throws ApiError if it cannot be compiled for the tokenizer, or too many wait
     * @throws java.util.concurrent.CancellationException if the client is gone or the server shuts down
     */
    void compile(Call call, Constraint constraint, String param, Tokenizer tokenizer) throws InterruptedException {
        if (constraint.isCompiled(tokenizer)) {
            return;
        }
        if (!compilations.take(call.caller, 1)) {
            throw ApiError.full("compilations", "at most " + Limits.COMPILATIONS + " that wait");
        }
        try {
            read(call, () -> constraint.start(tokenizer));
        } catch (ConstraintException e) {
            throw new ApiError(400, "invalid_value", param, String.valueOf(e.getMessage()));
        } finally {
            compilations.give(call.caller, 1);
        }
    }

    /** Reads a request. Errors as of the work, and as of {@link #compile}. */
    <T> T read(Call call, Supplier<T> work) throws InterruptedException {
        AtomicReference<T> made = new AtomicReference<>();
        CompletableFuture<@Nullable Void> turn = compute.background(call.caller, () -> made.set(work.get()));
        Runnable cancel = () -> turn.cancel(false);
        waiting.add(cancel);
        try {
            call.whenGone(cancel);
            if (draining) {
                cancel.run();
            }
            return EngineControl.await(turn.thenApply(_ -> made.get()));
        } finally {
            waiting.remove(cancel);
        }
    }

    /** Requests whose turn has not come or is not over. */
    int waiting() {
        return waiting.size();
    }

    /** Cancels all that waits, now and later. */
    void cancel() {
        draining = true;
        waiting.forEach(Runnable::run);
    }
}
