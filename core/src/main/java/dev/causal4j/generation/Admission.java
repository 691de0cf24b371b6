package dev.causal4j.generation;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.RejectedExecutionException;

/**
 * The sequences that have never run, by caller. If there is no room, the last request of the caller with the most
 * sequences is dropped, unless the new request's caller would have as many. So a caller with few is never kept out by
 * one with many. Sequences that continue another do not count. Not thread-safe.
 */
final class Admission {
    private final int most;
    private final Map<Object, List<Sequence<?>>> callers = new HashMap<>(); // each caller's in order of arrival

    Admission(int most) {
        this.most = most;
    }

    /** How many wait. */
    int count() {
        return callers.values().stream().mapToInt(Admission::count).sum();
    }

    private static int count(List<? extends Sequence<?>> sequences) {
        return (int) sequences.stream().filter(each -> each.continued == null).count();
    }

    /**
     * Adds sequences of a request, all or none.
     *
     * @throws RejectedExecutionException if there is no room for them
     */
    void add(List<? extends Sequence<?>> sequences) {
        Object caller = sequences.getFirst().requester.caller();
        int more = count(sequences);
        if (more > most - count()) {
            int own = more + count(callers.getOrDefault(caller, List.of()));
            int above = callers.values().stream()
                    .mapToInt(each -> Math.max(0, count(each) - own))
                    .sum();
            if (more > most - count() + above) {
                throw full(more);
            }
            while (more > most - count()) {
                drop(full(more));
            }
        }
        callers.computeIfAbsent(caller, _ -> new ArrayList<>()).addAll(sequences);
    }

    private RejectedExecutionException full(int more) {
        return new RejectedExecutionException("queue: expected at most " + most + " waiting sequences, got "
                + (count() + more) + "; try again later");
    }

    /** Drops the last request of the caller with the most sequences. */
    private void drop(RejectedExecutionException reason) {
        List<Sequence<?>> largest = callers.values().stream()
                .max(Comparator.comparingInt(Admission::count))
                .orElseThrow();
        Sequence<?> last = largest.getLast();
        boolean alone = last.requester.equals(Engine.ANYBODY); // sequences without a requester are many requests
        largest.stream()
                .filter(each -> alone ? each.equals(last) : each.requester.equals(last.requester))
                .forEach(each -> each.end(reason));
        update();
    }

    /** Removes the sequences that have run or are over. */
    void update() {
        callers.values().forEach(each -> each.removeIf(sequence -> sequence.hasRun || sequence.over()));
        callers.values().removeIf(List::isEmpty);
    }

    /** Cancels the requests that have not begun. */
    void cancel() {
        for (List<Sequence<?>> all : callers.values()) {
            all.stream().filter(each -> !each.requester.begun().get()).forEach(each -> each.result.cancel(false));
        }
    }
}
