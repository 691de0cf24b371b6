package dev.causal4j.server;

import java.util.HashMap;
import java.util.Map;

/**
 * What callers hold of something that is bounded. A caller that holds nothing of it gets a little, whatever others hold.
 * Thread-safe.
 */
final class Shares {
    private final long most;
    private final long little;
    private final Map<Object, Long> held = new HashMap<>(); // by caller
    private long sum;

    /**
     * @param most what all may hold together
     * @param little what a caller that holds nothing gets also when there is not so much left
     */
    Shares(long most, long little) {
        this.most = most;
        this.little = little;
    }

    /** Takes some; false if there is not enough. */
    synchronized boolean take(Object caller, long amount) {
        if (sum + amount > most && (held.containsKey(caller) || amount > little)) {
            return false;
        }
        held.merge(caller, amount, Long::sum);
        sum += amount;
        return true;
    }

    /** Gives back what was taken. */
    synchronized void give(Object caller, long amount) {
        held.computeIfPresent(caller, (_, all) -> all > amount ? all - amount : null);
        sum -= amount;
    }
}
