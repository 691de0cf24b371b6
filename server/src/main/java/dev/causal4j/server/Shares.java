package dev.causal4j.server;

import java.util.HashMap;
import java.util.Map;

/**
 * Shares of a bounded resource that callers hold. Where there is not enough, a caller still gets up to an equal share, and
 * at least a little, whatever others hold. Thread-safe.
 */
final class Shares {
    private final long most;
    private final long little;
    private final Map<Object, Long> held = new HashMap<>(); // by caller
    private long sum;

    /**
     * @param most units that all may hold together
     * @param little units that each caller may hold in any case
     */
    Shares(long most, long little) {
        this.most = most;
        this.little = little;
    }

    /** Takes some; false if there is not enough. */
    synchronized boolean take(Object caller, long amount) {
        long own = held.getOrDefault(caller, 0L) + amount;
        int callers = held.size() + (held.containsKey(caller) ? 0 : 1);
        if (sum + amount > most && own > Math.max(little, most / callers)) {
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
