package dev.causal4j.compute;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.IntConsumer;
import java.util.function.ObjIntConsumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Threads that share the arithmetic of a model. Thread-safe.
 *
 * <p>A caller posts a job of tasks, works on it itself, and workers help. With several callers at once, as many workers
 * pause as there are further callers, and no caller waits for another's job: more than {@link #threads} threads compute
 * only where there are more callers. A task owns whole outputs, so results do not depend on which thread ran it.
 *
 * <p>A decode step is about fifty short jobs, so workers spin briefly for the next one before they sleep.
 */
public final class Compute implements AutoCloseable {
    /** About 20 microseconds, longer than the gap between two products of a decode step. */
    private static final int SPINS = 2_000;

    /**
     * After this time a worker that has no task yields its core to other programs. Otherwise, beside a busy program,
     * the system would preempt it in the middle of a task, for some milliseconds, and its caller would wait.
     */
    private static final long TURN_NANOS = 1_000_000;

    private static final int MOST_THREADS = 1024;

    /** Jobs that workers can see at once; further callers compute alone. */
    private static final int SLOTS = 16;

    /** Tasks for each thread in {@link #each}: enough to even out a slow core. */
    private static final int RUNS_PER_THREAD = 4;

    private static final Compute SHARED = new Compute(physicalCores());

    private final AtomicReferenceArray<@Nullable Job<?>> jobs = new AtomicReferenceArray<>(SLOTS);
    private final AtomicInteger posts = new AtomicInteger();
    private final Background background = new Background(this);
    private final Background shortly = new Background(this); // work of its own, so that none waits for longer work
    private final Map<Class<?>, Object> parts = new ConcurrentHashMap<>();
    final AtomicInteger callers = new AtomicInteger();
    private volatile int threads;
    private volatile Worker[] workers = {};
    private volatile boolean closed;

    private Compute(int threads) {
        this.threads = threads;
    }

    /** The default of the process: as many threads as physical cores. It is never closed. */
    public static Compute shared() {
        return SHARED;
    }

    /**
     * A new set of threads, which the caller closes.
     *
     * @throws IllegalArgumentException if there are not 1 to 1024
     */
    public static Compute of(int threads) {
        return new Compute(checked(threads));
    }

    private static int checked(int threads) {
        if (threads < 1 || threads > MOST_THREADS) {
            throw new IllegalArgumentException("threads: expected 1 to " + MOST_THREADS + ", got " + threads);
        }
        return threads;
    }

    /** How many threads compute at once, callers included; more do only if there are more callers. */
    public int threads() {
        return threads;
    }

    /**
     * Sets how many threads compute at once from now on.
     *
     * @throws IllegalArgumentException if there are not 1 to 1024
     */
    public void use(int count) {
        threads = checked(count);
    }

    /**
     * Runs {@code work} for 0 to {@code tasks - 1} and returns when all are done. The caller takes part. Inside a task
     * the caller does all of it alone.
     *
     * @throws RuntimeException the exception of the first task that failed; the others may or may not have run
     */
    public void run(int tasks, IntConsumer work) {
        run(tasks, Scratch.NONE, (_, task) -> work.accept(task));
    }

    /**
     * Runs tasks as {@link #run(int, IntConsumer)} does, with scratch: each thread uses one piece for all its tasks.
     */
    public <S> void run(int tasks, Scratch<S> scratch, ObjIntConsumer<S> work) {
        Job<S> job = new Job<>(tasks, scratch, work);
        if (isInTask()) {
            job.takePart(() -> true);
        } else {
            int seats = threads - callers.incrementAndGet();
            int slot = Math.min(threads, job.tasks) > 1 && !closed ? post(job) : -1;
            try {
                if (slot >= 0) {
                    wake(Math.min(seats, job.tasks - 1));
                }
                job.takePart(() -> true);
                job.await();
            } finally {
                callers.decrementAndGet();
                if (slot >= 0) {
                    jobs.set(slot, null);
                }
            }
        }
        job.rethrow();
    }

    /**
     * Runs {@code work} for 0 to {@code items - 1} in a few tasks of neighbours: for items too small to be tasks of
     * their own.
     */
    public void each(int items, IntConsumer work) {
        int tasks = Math.min(items, RUNS_PER_THREAD * threads);
        run(tasks, task -> {
            int to = (int) ((long) items * (task + 1) / tasks);
            for (int i = (int) ((long) items * task / tasks); i < to; i++) {
                work.accept(i);
            }
        });
    }

    /**
     * Runs work that no step waits for, on at most a quarter as many threads as compute, but at least one. Callers
     * take turns.
     *
     * @param caller who asks for it, by {@code equals}
     * @return completed on the thread of the work, with its exception if it threw one. Cancelling removes work that has
     *     not begun; work that has begun continues
     */
    public CompletableFuture<@Nullable Void> background(Object caller, Runnable work) {
        return background.add(caller, work);
    }

    /**
     * Runs work that takes at most a tenth of a second as {@link #background} does, on threads of its own: it waits for
     * no longer work.
     */
    public CompletableFuture<@Nullable Void> shortly(Object caller, Runnable work) {
        return shortly.add(caller, work);
    }

    /** An object that all who compute with these threads share, such as the turns of engines. It is made once. */
    public <T> T shared(Class<T> type, Supplier<T> make) {
        return type.cast(parts.computeIfAbsent(type, _ -> make.get()));
    }

    /**
     * Ends the threads; later jobs run on their callers alone, and work in the background is cancelled. No job may be
     * under way.
     */
    @Override
    public void close() {
        if (this == SHARED) {
            throw new IllegalStateException("compute: expected one that was made by of(threads), got the shared one");
        }
        closed = true;
        background.close();
        shortly.close();
        for (Worker worker : workers) {
            LockSupport.unpark(worker);
        }
    }

    private boolean isInTask() {
        Thread thread = Thread.currentThread();
        for (int slot = 0; slot < SLOTS; slot++) {
            Job<?> job = jobs.get(slot);
            if (job != null && job.caller == thread) {
                return true;
            }
        }
        return thread instanceof Worker;
    }

    private int post(Job<?> job) {
        for (int slot = 0; slot < SLOTS; slot++) {
            if (jobs.get(slot) == null && jobs.compareAndSet(slot, null, job)) {
                posts.incrementAndGet();
                return slot;
            }
        }
        return -1;
    }

    private void wake(int helpers) {
        Worker[] crew = workers.length < helpers ? grow(helpers) : workers;
        for (int i = 0; i < crew.length && i < helpers; i++) {
            if (crew[i].asleep) {
                LockSupport.unpark(crew[i]);
            }
        }
    }

    private synchronized Worker[] grow(int helpers) {
        List<Worker> larger = new ArrayList<>(List.of(workers));
        try {
            while (larger.size() < helpers) {
                Worker worker = new Worker(larger.size());
                worker.start();
                larger.add(worker);
            }
        } catch (OutOfMemoryError e) {
            threads = larger.size() + 1; // the system gives no more threads
        }
        workers = larger.toArray(Worker[]::new);
        return workers;
    }

    /** Physical cores this process may use: hyper-threads share the units that multiply, so they would not help. */
    static int physicalCores() {
        int logical = Runtime.getRuntime().availableProcessors();
        Set<String> cores = new HashSet<>();
        try (DirectoryStream<Path> cpus = Files.newDirectoryStream(Path.of("/sys/devices/system/cpu"), "cpu[0-9]*")) {
            for (Path cpu : cpus) {
                cores.add(Files.readString(cpu.resolve("topology/thread_siblings_list")));
            }
        } catch (IOException e) {
            return logical; // not Linux, or not readable
        }
        return cores.isEmpty() ? logical : Math.min(logical, cores.size());
    }

    /** Pieces of scratch that threads borrow for a job; as many exist as ever computed at once. Thread-safe. */
    public static final class Scratch<S> {
        private static final Scratch<Object> NONE = new Scratch<>(Object::new);

        private final Supplier<S> make;
        private final ConcurrentLinkedDeque<S> free =
                new ConcurrentLinkedDeque<>(); // the last one given is in the cache

        /** @param make called when all pieces are taken */
        public Scratch(Supplier<S> make) {
            this.make = make;
        }

        /** Takes a piece for exclusive use until it is given back. */
        public S take() {
            S piece = free.pollFirst();
            return piece == null ? make.get() : piece;
        }

        /** Gives a piece back. */
        public void give(S piece) {
            free.offerFirst(piece);
        }
    }

    /** One call of run: its tasks are claimed one by one. */
    private static final class Job<S> {
        private final Thread caller = Thread.currentThread();
        private final int tasks;
        private final Scratch<S> scratch;
        private final ObjIntConsumer<S> work;
        private final AtomicInteger next = new AtomicInteger();
        private final AtomicInteger done = new AtomicInteger();
        private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();

        Job(int tasks, Scratch<S> scratch, ObjIntConsumer<S> work) {
            this.tasks = tasks;
            this.scratch = scratch;
            this.work = work;
        }

        boolean hasTasks() {
            return next.get() < tasks;
        }

        boolean isDone() {
            return done.get() >= tasks;
        }

        /** Claims tasks and runs them until none is left or the thread is to stop. */
        void takePart(BooleanSupplier goesOn) {
            @Nullable S own = null;
            while (hasTasks() && goesOn.getAsBoolean()) {
                int task = next.getAndIncrement();
                if (task >= tasks) {
                    break;
                }
                try {
                    own = own == null ? scratch.take() : own;
                    if (failure.get() == null) {
                        work.accept(own, task);
                    }
                } catch (Throwable t) {
                    failure.compareAndSet(null, t);
                } finally {
                    done.incrementAndGet();
                }
            }
            if (own != null) {
                scratch.give(own);
            }
        }

        /** Waits for helpers. */
        void await() {
            for (int spin = 0; !isDone(); spin++) {
                if (spin < 10 * SPINS) {
                    Thread.onSpinWait();
                } else {
                    LockSupport.parkNanos(this, 20_000);
                }
            }
        }

        void rethrow() {
            Throwable thrown = failure.get(); // no pattern switch: a job is short, and the first one is in a start
            if (thrown instanceof Error error) {
                throw error;
            } else if (thrown != null) {
                throw thrown instanceof RuntimeException e ? e : new IllegalStateException(thrown);
            }
        }
    }

    /** Helps with every job while there are few enough callers. */
    private final class Worker extends Thread {
        private final int index;
        private volatile boolean asleep;

        Worker(int index) {
            super("causal4j-worker-" + (index + 1));
            this.index = index;
            setDaemon(true);
        }

        /** Callers and workers together are at most {@link #threads}. */
        private boolean hasSeat() {
            return index < threads - callers.get();
        }

        @Override
        @SuppressWarnings("ThreadPriorityCheck") // yields its core to other programs
        public void run() {
            long offered = System.nanoTime();
            while (!closed) {
                int seen = posts.get();
                Job<?> last = help();
                if (System.nanoTime() - offered > TURN_NANOS) {
                    Thread.yield();
                    offered = System.nanoTime();
                }
                spin(seen, last);
                asleep = true; // a job posted from here on wakes it
                if (!closed && (posts.get() == seen || !hasSeat())) {
                    LockSupport.park(Compute.this);
                }
                asleep = false;
            }
        }

        /** Spins until the next job, a shorter time while the last one still runs: its caller may need this core. */
        private void spin(int seen, @Nullable Job<?> last) {
            for (int spin = 0; spin < SPINS && posts.get() == seen && hasSeat(); spin++) {
                if (spin >= SPINS / 4 && last != null && !last.isDone()) {
                    return;
                }
                Thread.onSpinWait();
            }
        }

        /**
         * Helps with jobs. Each worker skips another number of them first, so that every caller gets help. Returns the
         * last.
         */
        private @Nullable Job<?> help() {
            @Nullable Job<?> last = null;
            int pass = index % Math.max(1, callers.get());
            for (int i = 0; i < 2 * SLOTS && hasSeat(); i++) {
                Job<?> job = jobs.get(i % SLOTS);
                if (job != null && job.hasTasks() && pass-- <= 0) {
                    job.takePart(this::hasSeat);
                    last = job;
                }
            }
            return last;
        }
    }
}
