package dev.causal4j.compute;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.SequencedSet;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Runs work in the background of steps. Its few threads end when they are idle. Callers take turns. Thread-safe.
 *
 * <p>Each thread counts as a caller of the arithmetic, so a worker pauses meanwhile: a step that runs beside such work
 * takes at most twice as long on two cores, and the system never preempts it for the work.
 */
final class Background {
    private static final long IDLE_MILLIS = 1000;

    private final Compute compute;
    private final Queue shorter = new Queue(); // guarded by this, as all here
    private final Queue longer = new Queue();
    private boolean shortNext;
    private int threads;
    private boolean closed;

    Background(Compute compute) {
        this.compute = compute;
    }

    /** Queues work. See {@link Compute#background}. */
    synchronized CompletableFuture<@Nullable Void> add(Object caller, boolean isShort, Runnable task) {
        Work work = new Work(isShort ? shorter : longer, caller, task);
        if (closed) {
            work.cancel(false);
            return work;
        }
        try {
            if (threads < Math.max(1, compute.threads() / 2)) {
                Thread.ofPlatform().daemon().name("causal4j-background").start(this::run);
                threads++;
            }
        } catch (OutOfMemoryError e) { // the system gives no more threads
            if (threads == 0) {
                work.completeExceptionally(e);
                return work;
            }
        }
        work.queue.add(work);
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
            shortNext = !shortNext;
            Work work = (shortNext ? shorter : longer).poll();
            work = work == null ? (shortNext ? longer : shorter).poll() : work;
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

    private synchronized void remove(Work work) {
        work.queue.remove(work);
    }

    /** Cancels what is queued and ends the threads. */
    void close() {
        List<Work> cancelled;
        synchronized (this) {
            closed = true;
            cancelled = Stream.of(shorter, longer).flatMap(Queue::clear).toList();
            notifyAll();
        }
        cancelled.forEach(work -> work.cancel(false));
    }

    /** Work that has not begun, by caller. */
    private static final class Queue {
        private final SequencedMap<Object, SequencedSet<Work>> waiting = new LinkedHashMap<>(); // by caller, in turn

        void add(Work work) {
            waiting.computeIfAbsent(work.caller, _ -> new LinkedHashSet<>()).add(work);
        }

        /** Removes and returns the oldest work of the caller whose turn it is; null if no work waits. */
        @Nullable
        Work poll() {
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

        void remove(Work work) {
            SequencedSet<Work> others = waiting.get(work.caller);
            if (others != null && others.remove(work) && others.isEmpty()) {
                waiting.remove(work.caller);
            }
        }

        Stream<Work> clear() {
            List<Work> all =
                    waiting.values().stream().flatMap(Collection::stream).toList();
            waiting.clear();
            return all.stream();
        }
    }

    /** Refers to its task until it runs or is cancelled. */
    private final class Work extends CompletableFuture<@Nullable Void> {
        private final Queue queue;
        private final Object caller;
        private volatile @Nullable Runnable task;

        Work(Queue queue, Object caller, Runnable task) {
            this.queue = queue;
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
