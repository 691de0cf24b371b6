package dev.causal4j.generation;

import dev.causal4j.compute.Compute;
import java.util.Collection;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The steps of all engines that compute with the same threads: one at a time, in the order in which engines ask, and
 * with one budget of time for prompts. Otherwise each would have a part of the threads, and would not know that another
 * model's tokens wait for its prompts. Thread-safe.
 */
final class Steps {
    /**
     * The work of the next steps of engines.
     *
     * @param decoding seconds of a step of each without prompts
     * @param prompting how many of them compute prompts
     */
    record Load(int engines, double decoding, int prompting) {
        private Load plus(Load other) {
            return new Load(engines + other.engines, decoding + other.decoding, prompting + other.prompting);
        }
    }

    private static final Load NONE = new Load(0, 0, 0);

    private final ReentrantLock turn = new ReentrantLock(true);
    private final Map<Object, Load> loads = new ConcurrentHashMap<>(); // by engine

    static Steps of(Compute compute) {
        return compute.shared(Steps.class, Steps::new);
    }

    /**
     * Waits for an engine's turn.
     *
     * @param pause seconds in which others have it before
     */
    void begin(double pause) {
        LockSupport.parkNanos((long) (1e9 * pause)); // perhaps for less, which only holds others up
        turn.lock();
    }

    /** Gives the turn to the next engine, unless this one did so already: none may have it while it calls a listener. */
    void end() {
        if (turn.isHeldByCurrentThread()) {
            turn.unlock();
        }
    }

    /** Sets what an engine computes next. Returns what all compute. */
    Load plan(Object engine, double decoding, boolean prompts) {
        loads.put(engine, new Load(1, decoding, prompts ? 1 : 0));
        Collection<Load> all = loads.values();
        return all.stream().reduce(NONE, Load::plus);
    }

    /** Forgets an engine, which computes nothing. */
    void rest(Object engine) {
        loads.remove(engine);
    }
}
