package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;

/**
 * Recurrences over positions in plain Java: the specification. {@link VectorRecurrences} is the twin with equal bits;
 * {@code Kernels} has checked every argument. Thread-safe.
 */
public class Recurrences {
    /** The formulas of {@link DeltaRule}. */
    public void delta(DeltaRule rule) {
        int size = rule.depth() * DeltaRule.COLUMNS;
        float[] state = new float[size];
        MemorySegment.copy(rule.state(), Panels.FLOAT, rule.at(), state, 0, size);
        for (int t = 0; t < rule.count(); t++) {
            for (int column = 0; column < rule.columns(); column++) {
                step(rule, state, t, column);
            }
        }
        MemorySegment.copy(state, 0, rule.state(), Panels.FLOAT, rule.at(), size);
    }

    private static void step(DeltaRule rule, float[] state, int t, int column) {
        float[] q = rule.queries().data();
        float[] k = rule.keys().data();
        int query = rule.queries().start(t);
        int key = rule.keys().start(t);
        float decay = rule.decays().data()[rule.decays().start(t)];
        float rate = rule.rates().data()[rule.rates().start(t)];
        float known = 0;
        for (int i = 0; rule.corrects() && i < rule.depth(); i++) {
            // 1: h = g S    2: a = hᵀ k
            known = Math.fma(decay * state[i * DeltaRule.COLUMNS + column], k[key + i], known);
        }
        float d = (rule.values().data()[rule.values().start(t) + column] - known) * rate; // 3: d = b (v - a)
        float y = 0;
        for (int i = 0; i < rule.depth(); i++) {
            int at = i * DeltaRule.COLUMNS + column;
            state[at] = Math.fma(k[key + i], d, decay * state[at]); // 4: S = h + k dᵀ
            y = Math.fma(q[query + i], state[at], y); // 5: y = Sᵀ q
        }
        rule.out().data()[rule.out().start(t) + column] = y;
    }
}
