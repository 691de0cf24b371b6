package dev.causal4j.kernel;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * The threads that share the arithmetic: one fixed pool of physical cores for the whole process. Thread-safe.
 *
 * <p>A decode step is about fifty short products, so workers spin briefly for the next one before they sleep. Tasks are
 * claimed one by one, but a task owns whole outputs: which thread runs it never changes a bit of the result.
 */
public final class Threads {
    /** About 20 microseconds, longer than the gap between two products of a decode step. */
    private static final int SPINS = 2_000;

    private static final int MOST = 1024;

    /** Runs of small items for each thread: enough to even out a slow core. */
    private static final int RUNS_PER_THREAD = 4;

    private static final AtomicBoolean BUSY = new AtomicBoolean();
    private static volatile int count = Hardware.physicalCores();
    private static volatile Worker[] workers = {};

    // The one job there is at a time, in fields that are used again, since a token is many jobs. Whoever holds BUSY
    // writes them before it opens the job with TICKET.
    private static int posted;
    private static volatile @Nullable IntConsumer work;
    private static volatile int tasks;
    private static volatile int helpers;
    private static final AtomicReference<@Nullable Throwable> FAILURE = new AtomicReference<>();

    /**
     * The number of the latest job in the high half, its next task in the low: a late worker cannot claim from another.
     * While the fields of the next job are written a number of its own is closed.
     */
    private static final AtomicLong TICKET = new AtomicLong();

    private static final int CLOSED = Integer.MAX_VALUE;

    private static final AtomicInteger DONE = new AtomicInteger();

    private Threads() {}

    /** How many threads share a piece of work, the caller among them; at first the physical cores. */
    public static int count() {
        return count;
    }

    /**
     * Sets how many threads share a piece of work from now on, for the whole process.
     *
     * @throws IllegalArgumentException if it is not 1 to 1024
     */
    public static void use(int threads) {
        if (threads < 1 || threads > MOST) {
            throw new IllegalArgumentException("threads: expected 1 to " + MOST + ", got " + threads);
        }
        count = threads;
    }

    /**
     * Runs {@code work} for 0 to {@code tasks - 1} and returns when all are done. The caller takes part. While another
     * caller has the pool, or inside a task, the caller does all of it alone.
     *
     * @throws RuntimeException what the first failing task threw; the others may or may not have run
     */
    public static void run(int tasks, IntConsumer work) {
        int helpers = Math.min(count, tasks) - 1;
        if (helpers <= 0 || !BUSY.compareAndSet(false, true)) {
            for (int i = 0; i < tasks; i++) {
                work.accept(i);
            }
            return;
        }
        try {
            Worker[] crew = crew(helpers);
            TICKET.set((long) ++posted << 32 | CLOSED); // a claim that is under way fails before the fields change
            Threads.work = work;
            Threads.tasks = tasks;
            Threads.helpers = helpers;
            FAILURE.set(null);
            DONE.set(0);
            TICKET.set((long) ++posted << 32);
            for (int i = 0; i < crew.length && i < helpers; i++) {
                crew[i].wake();
            }
            takePart(posted);
            await(tasks);
        } finally {
            Threads.work = null;
            BUSY.set(false);
        }
    }

    /**
     * Runs {@code work} for 0 to {@code items - 1} in a few tasks of neighbours: for items too small to be tasks. One item
     * is not worth a hand-over.
     */
    public static void each(int items, IntConsumer work) {
        int tasks = Math.min(items, RUNS_PER_THREAD * count);
        run(tasks, task -> {
            int to = (int) ((long) items * (task + 1) / tasks);
            for (int i = (int) ((long) items * task / tasks); i < to; i++) {
                work.accept(i);
            }
        });
    }

    /** The workers, at least {@code helpers} of them; called by the one caller that has the pool. */
    private static Worker[] crew(int helpers) {
        Worker[] crew = workers;
        if (crew.length < helpers) {
            List<Worker> larger = new ArrayList<>(List.of(crew));
            try {
                while (larger.size() < helpers) {
                    larger.add(new Worker(larger.size()));
                }
            } catch (OutOfMemoryError e) {
                count = larger.size() + 1; // the system gives no more threads: go on with those there are
            }
            crew = larger.toArray(Worker[]::new);
            workers = crew;
        }
        return crew;
    }

    /** Claims tasks of a job and runs them until none is left. */
    private static void takePart(int job) {
        while (true) {
            long ticket = TICKET.get();
            int task = (int) ticket;
            IntConsumer current = work;
            if ((int) (ticket >>> 32) != job || task >= tasks || current == null) {
                return;
            }
            // What was read belongs to the job if the ticket is still the same: it changes before they do.
            if (TICKET.compareAndSet(ticket, ticket + 1)) {
                try {
                    if (FAILURE.get() == null) {
                        current.accept(task);
                    }
                } catch (Throwable t) {
                    FAILURE.compareAndSet(null, t);
                } finally {
                    DONE.incrementAndGet();
                }
            }
        }
    }

    private static void await(int tasks) {
        for (int spin = 0; DONE.get() < tasks; spin++) {
            if (spin < 10 * SPINS) {
                Thread.onSpinWait();
            } else {
                LockSupport.parkNanos(TICKET, 20_000);
            }
        }
        Throwable thrown = FAILURE.getAndSet(null);
        if (thrown instanceof Error error) {
            throw error;
        }
        if (thrown instanceof RuntimeException exception) {
            throw exception;
        }
        if (thrown != null) {
            throw new IllegalStateException(thrown); // a checked exception that was thrown unchecked
        }
    }

    /** A thread that takes part in every job that has a seat for it. */
    private static final class Worker implements Runnable {
        private final int index;
        private final Thread thread;
        private volatile boolean asleep;

        Worker(int index) {
            this.index = index;
            this.thread = Thread.ofPlatform()
                    .name("causal4j-worker-" + (index + 1))
                    .daemon()
                    .start(this);
        }

        void wake() {
            if (asleep) {
                LockSupport.unpark(thread);
            }
        }

        @Override
        public void run() {
            int seen = 0;
            while (true) {
                for (int spin = 0; latest() == seen && spin < SPINS; spin++) {
                    Thread.onSpinWait();
                }
                if (latest() == seen) {
                    asleep = true;
                    if (latest() == seen) { // a job posted since then finds the flag
                        LockSupport.park(Threads.class);
                    }
                    asleep = false;
                    continue;
                }
                seen = latest();
                if (index < helpers) {
                    takePart(seen);
                }
            }
        }

        private static int latest() {
            return (int) (TICKET.get() >>> 32);
        }
    }
}
