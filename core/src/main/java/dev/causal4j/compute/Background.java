package dev.causal4j.compute;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.SequencedSet;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * Runs work in the background of steps. Its few threads end when they are idle. Callers take turns. Thread-safe.
 *
 * <p>Each thread counts as a caller of the arithmetic, so a worker pauses meanwhile. On two cores a step takes at most
 * twice as long beside one of these threads, and three times as long beside two, one for each kind of work.
 */
final class Background {
    private static final long IDLE_MILLIS = 1000;

    private final Compute compute;
    private final SequencedMap<Object, SequencedSet<Work>> waiting = new LinkedHashMap<>(); // by caller, in turn
    private int threads; // guarded by this, as all here
    private boolean closed;

    Background(Compute compute) {
        this.compute = compute;
    }

    /** Queues work. See {@link Compute#background}. */
    synchronized CompletableFuture<@Nullable Void> add(Object caller, Runnable task) {
        Work work = new Work(caller, task);
        if (closed) {
            work.cancel(false);
            return work;
        }
        try {
            if (threads < Math.max(1, compute.threads() / 4)) {
                Thread.ofPlatform().daemon().name("causal4j-background").start(this::run);
                threads++;
            }
        } catch (OutOfMemoryError e) { // the system gives no more threads
            if (threads == 0) {
                work.completeExceptionally(e);
                return work;
            }
        }
        waiting.computeIfAbsent(caller, _ -> new LinkedHashSet<>()).add(work);
        notify();
        return work;
    }

    private void run() {
        for (Work work = next(); work != null; work = next()) {
            compute.callers.incrementAndGet();
            try {
                work.run();
            } finally {
                compute.callers.decrementAndGet();
            }
        }
    }

    /** Waits for work of the caller whose turn it is. Returns null if the thread is to end. */
    private synchronized @Nullable Work next() {
        for (boolean waited = false; ; waited = true) {
            Work work = poll();
            if (work != null) {
                return work;
            }
            if (waited || closed) {
                threads--;
                return null;
            }
            try {
                wait(IDLE_MILLIS);
            } catch (InterruptedException e) {
                // Ignore: work interrupted a thread that is not its own.
            }
        }
    }

    /** Removes and returns the oldest work of the caller whose turn it is; null if no work waits. */
    private @Nullable Work poll() {
        Map.Entry<Object, SequencedSet<Work>> turn = waiting.pollFirstEntry();
        if (turn == null) {
            return null;
        }
        Work work = turn.getValue().removeFirst();
        if (!turn.getValue().isEmpty()) {
            waiting.putLast(turn.getKey(), turn.getValue());
        }
        return work;
    }

    private synchronized void remove(Work work) {
        SequencedSet<Work> others = waiting.get(work.caller);
        if (others != null && others.remove(work) && others.isEmpty()) {
            waiting.remove(work.caller);
        }
    }

    /** Cancels what is queued and ends the threads. */
    void close() {
        List<Work> cancelled;
        synchronized (this) {
            closed = true;
            cancelled = waiting.values().stream().flatMap(Collection::stream).toList();
            waiting.clear();
            notifyAll();
        }
        cancelled.forEach(work -> work.cancel(false));
    }

    /** Refers to its task until it runs or is cancelled. */
    private final class Work extends CompletableFuture<@Nullable Void> {
        private final Object caller;
        private volatile @Nullable Runnable task;

        Work(Object caller, Runnable task) {
            this.caller = caller;
            this.task = task;
        }

        private void run() {
            Runnable taken = task;
            task = null;
            try {
                if (taken != null) {
                    taken.run();
                }
                complete(null);
            } catch (Throwable e) {
                completeExceptionally(e);
            }
        }

        @Override
        public boolean cancel(boolean interrupts) {
            remove(this);
            task = null;
            return super.cancel(interrupts);
        }
    }
}
