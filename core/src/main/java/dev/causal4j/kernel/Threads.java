package dev.causal4j.kernel;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
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

    private static final AtomicBoolean BUSY = new AtomicBoolean();
    private static volatile int count = physicalCores();
    private static volatile @Nullable Job job;
    private static long posted; // jobs so far; only whoever holds BUSY counts
    private static volatile long latest; // the same, written after job, for the workers to see
    private static volatile Thread[] workers = {};

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
            Job shared = new Job(work, tasks, helpers);
            Thread[] crew = crew(helpers);
            job = shared;
            latest = ++posted;
            for (int i = 0; i < crew.length && i < helpers; i++) {
                LockSupport.unpark(crew[i]);
            }
            shared.work();
            shared.await();
        } finally {
            job = null;
            BUSY.set(false);
        }
    }

    /** The workers, at least {@code helpers} of them; called by the one caller that has the pool. */
    private static Thread[] crew(int helpers) {
        Thread[] crew = workers;
        if (crew.length < helpers) {
            List<Thread> larger = new ArrayList<>(List.of(crew));
            try {
                while (larger.size() < helpers) {
                    larger.add(Thread.ofPlatform()
                            .name("causal4j-worker-" + (larger.size() + 1))
                            .daemon()
                            .start(Threads::serve));
                }
            } catch (OutOfMemoryError e) {
                count = larger.size() + 1; // the system gives no more threads: go on with those there are
            }
            crew = larger.toArray(Thread[]::new);
            workers = crew;
        }
        return crew;
    }

    private static void serve() {
        long seen = 0; // a number, not the job: an idle worker must not keep a model alive
        while (true) {
            for (int spin = 0; latest == seen && spin < SPINS; spin++) {
                Thread.onSpinWait();
            }
            if (latest == seen) {
                // A job posted meanwhile has left its permit, so this returns at once.
                LockSupport.park(Threads.class);
                continue;
            }
            seen = latest;
            takePart(job);
        }
    }

    private static void takePart(@Nullable Job shared) {
        if (shared != null && shared.seats.getAndDecrement() > 0) {
            shared.work();
        }
    }

    /** One piece of shared work. */
    private static final class Job {
        private final IntConsumer work;
        private final int tasks;
        private final AtomicInteger seats;
        private final AtomicInteger next = new AtomicInteger();
        private final AtomicInteger done = new AtomicInteger();
        private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();

        Job(IntConsumer work, int tasks, int helpers) {
            this.work = work;
            this.tasks = tasks;
            this.seats = new AtomicInteger(helpers);
        }

        void work() {
            for (int i = next.getAndIncrement(); i < tasks; i = next.getAndIncrement()) {
                try {
                    if (failure.get() == null) {
                        work.accept(i);
                    }
                } catch (Throwable t) {
                    failure.compareAndSet(null, t);
                } finally {
                    done.incrementAndGet();
                }
            }
        }

        void await() {
            for (int spin = 0; done.get() < tasks; spin++) {
                if (spin < 10 * SPINS) {
                    Thread.onSpinWait();
                } else {
                    LockSupport.parkNanos(this, 20_000);
                }
            }
            Throwable thrown = failure.get();
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
    }

    /** Physical cores this process may use: hyper-threads share the units that multiply, so they would not help. */
    private static int physicalCores() {
        int logical = Runtime.getRuntime().availableProcessors();
        Set<String> cores = new HashSet<>();
        try (DirectoryStream<Path> cpus = Files.newDirectoryStream(Path.of("/sys/devices/system/cpu"), "cpu[0-9]*")) {
            for (Path cpu : cpus) {
                cores.add(Files.readString(cpu.resolve("topology/thread_siblings_list")));
            }
        } catch (IOException e) {
            return logical; // not Linux, or hidden from us
        }
        return cores.isEmpty() ? logical : Math.min(logical, cores.size());
    }
}
