package dev.causal4j.backbone;

import dev.causal4j.kernel.Threads;
import java.util.function.IntConsumer;

/** Shares rows among the threads. Thread-safe: stateless. */
final class EachRow {
    private EachRow() {}

    /** In a few runs each; one row is not worth a hand-over. */
    static void run(int rows, IntConsumer work) {
        int tasks = Math.min(rows, 4 * Threads.count());
        Threads.run(tasks, task -> {
            int to = (int) ((long) rows * (task + 1) / tasks);
            for (int r = (int) ((long) rows * task / tasks); r < to; r++) {
                work.accept(r);
            }
        });
    }
}
