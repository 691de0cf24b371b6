package dev.causal4j.decoder;

import dev.causal4j.kernel.Panels;
import org.jspecify.annotations.Nullable;

/**
 * The rule by which the queries of neighbouring key heads attend.
 *
 * @param group query heads that share a key head: the queries of a position and key head
 * @param window positions a query sees, its own included; 0 for all up to its own
 * @param length 0 if a query sees none after its own. Otherwise the positions of the sequence, all of which it sees, or
 *     those at most half a window away
 * @param cap c of c · tanh(score / c); 0 for none
 * @param sinks a logit for each query head, which joins its softmax with value zero; null for none
 */
public record AttentionRule(int group, int window, int length, float cap, float @Nullable [] sinks) {
    /** The first position that a query at this position sees. */
    public int first(int position) {
        int before = length == 0 ? window - 1 : window / 2;
        return window == 0 ? 0 : Math.max(0, position - before);
    }

    /** The position after the last that a query at this position sees. */
    public int end(int position) {
        int after = length == 0 ? 0 : window == 0 ? length : window / 2;
        return length == 0 ? position + 1 : Math.min(length, position + after + 1);
    }

    /** The first position of the page that {@link #first} is in. */
    public int base(int position) {
        return first(position) / Panels.WIDTH * Panels.WIDTH;
    }

    /** The sink of a query head; -infinity for none. */
    public float sink(int head) {
        return sinks == null ? Float.NEGATIVE_INFINITY : sinks[head];
    }
}
