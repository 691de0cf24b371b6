package dev.causal4j.benchmarks;

import dev.causal4j.compute.Compute;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/**
 * The cost of handing work over: {@code Threads.run} with tasks that do next to nothing, beside Java's parallel
 * streams. A token of GPT-2 small is about a hundred such jobs.
 */
@State(Scope.Benchmark)
public class ThreadsBenchmark extends Protocol {
    @Param("8")
    public int tasks;

    /** The sum of the numbers of all tasks so far. */
    static final AtomicLong DONE = new AtomicLong();

    private static void work(int task) {
        DONE.addAndGet(task);
    }

    @Benchmark
    public void run() {
        Compute.shared().run(tasks, ThreadsBenchmark::work);
    }

    @Benchmark
    public void naiveRun() {
        IntStream.range(0, tasks).parallel().forEach(ThreadsBenchmark::work);
    }
}
