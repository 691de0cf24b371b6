package dev.causal4j.spark;

import dev.causal4j.generation.friend.EngineControl;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.UnaryOperator;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.Row;
import org.apache.spark.util.TaskCompletionListener;

/**
 * The results of a task's rows, in their order. Some rows are under way at once, each on a virtual thread that waits for the
 * engine, so that the engine always has a batch. Read by the task's thread alone; all ends with the task.
 */
final class RowsInOrder implements Iterator<Row> {
    private final Iterator<Row> rows;
    private final int most; // rows under way
    private final UnaryOperator<Row> work;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final Deque<CompletableFuture<Row>> underWay = new ArrayDeque<>();

    RowsInOrder(Iterator<Row> rows, int most, UnaryOperator<Row> work, TaskContext task) {
        this.rows = rows;
        this.most = most;
        this.work = work;
        TaskCompletionListener end = _ -> {
            threads.shutdownNow();
            threads.close();
        };
        task.addTaskCompletionListener(end);
    }

    @Override
    public boolean hasNext() {
        return !underWay.isEmpty() || rows.hasNext();
    }

    @Override
    public Row next() {
        while (underWay.size() < most && rows.hasNext()) {
            Row row = rows.next();
            underWay.add(CompletableFuture.supplyAsync(() -> work.apply(row), threads));
        }
        try {
            return EngineControl.await(underWay.removeFirst()); // none: NoSuchElementException
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException("rows: cancelled with their task");
        }
    }
}
