package dev.causal4j.kernel;

import static dev.causal4j.kernel.Lanes.LE;
import static dev.causal4j.kernel.Lanes.S;
import static dev.causal4j.kernel.Lanes.W;
import static dev.causal4j.kernel.Lanes.at;
import static dev.causal4j.kernel.Lanes.f32;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * The twin of {@link Recurrences}, with lanes over columns. The specification computes blocks of fewer columns, which
 * only models with odd sizes of heads have.
 */
final class VectorRecurrences extends Recurrences {
    /** Whether four vectors are computed at once, a block or a part of one; with 16 lanes two vectors are a block. */
    private static final boolean FOUR = W < 16;

    private static final int TOGETHER = FOUR ? 4 * W : 2 * W;

    @Override
    public void delta(DeltaRule rule) {
        if (rule.columns() < DeltaRule.COLUMNS) {
            super.delta(rule);
            return;
        }
        float[] changes = new float[DeltaRule.COLUMNS];
        for (int t = 0; t < rule.count(); t++) {
            for (int j = 0; j < DeltaRule.COLUMNS; j += TOGETHER) {
                float decay = rule.decays().data()[rule.decays().start(t)];
                float rate = rule.rates().data()[rule.rates().start(t)];
                changes(rule, t, j, decay, rate, changes);
                update(rule, t, j, decay, changes);
            }
        }
    }

    /** d of the columns from j on. */
    private static void changes(DeltaRule rule, int t, int j, float decay, float rate, float[] changes) {
        MemorySegment s = rule.state();
        float[] k = rule.keys().data();
        float[] v = rule.values().data();
        int key = rule.keys().start(t);
        int value = rule.values().start(t) + j;
        FloatVector g = FloatVector.broadcast(S, decay);
        FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
        int depth = rule.corrects() ? rule.depth() : 0;
        for (int i = 0, one = Lanes.one; i < depth; i += one) {
            long o = rule.at() + 4L * (i * DeltaRule.COLUMNS + j);
            FloatVector x = FloatVector.broadcast(S, k[key + i]);
            a = f32(s, o).mul(g).fma(x, a);
            b = f32(s, o + 4L * W).mul(g).fma(x, b);
            if (FOUR) {
                c = f32(s, o + 8L * W).mul(g).fma(x, c);
                d = f32(s, o + 12L * W).mul(g).fma(x, d);
            }
        }
        at(v, value).sub(a).mul(rate).intoArray(changes, j);
        at(v, value + W).sub(b).mul(rate).intoArray(changes, j + W);
        if (FOUR) {
            at(v, value + 2 * W).sub(c).mul(rate).intoArray(changes, j + 2 * W);
            at(v, value + 3 * W).sub(d).mul(rate).intoArray(changes, j + 3 * W);
        }
    }

    /** S and y of the columns from j on. */
    private static void update(DeltaRule rule, int t, int j, float decay, float[] changes) {
        MemorySegment s = rule.state();
        float[] q = rule.queries().data();
        float[] k = rule.keys().data();
        int query = rule.queries().start(t);
        int key = rule.keys().start(t);
        FloatVector g = FloatVector.broadcast(S, decay);
        FloatVector da = at(changes, j), db = at(changes, j + W), dc = da, dd = db;
        if (FOUR) {
            dc = at(changes, j + 2 * W);
            dd = at(changes, j + 3 * W);
        }
        FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
        for (int i = 0, one = Lanes.one; i < rule.depth(); i += one) {
            long o = rule.at() + 4L * (i * DeltaRule.COLUMNS + j);
            FloatVector x = FloatVector.broadcast(S, k[key + i]);
            FloatVector z = FloatVector.broadcast(S, q[query + i]);
            FloatVector sa = x.fma(da, f32(s, o).mul(g)),
                    sb = x.fma(db, f32(s, o + 4L * W).mul(g));
            sa.intoMemorySegment(s, o, LE);
            sb.intoMemorySegment(s, o + 4L * W, LE);
            a = z.fma(sa, a);
            b = z.fma(sb, b);
            if (FOUR) {
                FloatVector sc = x.fma(dc, f32(s, o + 8L * W).mul(g)),
                        sd = x.fma(dd, f32(s, o + 12L * W).mul(g));
                sc.intoMemorySegment(s, o + 8L * W, LE);
                sd.intoMemorySegment(s, o + 12L * W, LE);
                c = z.fma(sc, c);
                d = z.fma(sd, d);
            }
        }
        float[] y = rule.out().data();
        int out = rule.out().start(t) + j;
        store(a, y, out);
        store(b, y, out + W);
        if (FOUR) {
            store(c, y, out + 2 * W);
            store(d, y, out + 3 * W);
        }
    }

    /** Stores a loop's variable; {@link VectorLoops} says why -0 is added. */
    private static void store(FloatVector sums, float[] to, int offset) {
        FloatVector.broadcast(S, -0f).add(sums).intoArray(to, offset);
    }
}
