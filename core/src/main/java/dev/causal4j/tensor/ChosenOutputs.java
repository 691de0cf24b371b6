package dev.causal4j.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Single outputs of a product, eight at a time: each is its own chain of fused multiply-adds in the order of k, and eight
 * chains side by side hide what one would wait for. Thread-safe: functions without state.
 */
final class ChosenOutputs {
    /** Chains that run side by side. */
    static final int SIDE_BY_SIDE = 8;

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN);

    private ChosenOutputs() {}

    /**
     * Sums of x[starts[i] + k] · w[k], for eight columns w of f32.
     *
     * @param at bytes to step 0 of each
     * @param step bytes from one step of k to the next
     */
    static void f32(MemorySegment m, long[] at, int step, float[] x, int[] starts, int depth, float[] sums) {
        long p = at[0], q = at[1], r = at[2], s = at[3], t = at[4], u = at[5], v = at[6], w = at[7];
        int x0 = starts[0], x1 = starts[1], x2 = starts[2], x3 = starts[3];
        int x4 = starts[4], x5 = starts[5], x6 = starts[6], x7 = starts[7];
        float a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
        for (int k = 0; k < depth; k++) {
            long o = (long) k * step;
            a = Math.fma(x[x0 + k], m.get(FLOAT, p + o), a);
            b = Math.fma(x[x1 + k], m.get(FLOAT, q + o), b);
            c = Math.fma(x[x2 + k], m.get(FLOAT, r + o), c);
            d = Math.fma(x[x3 + k], m.get(FLOAT, s + o), d);
            e = Math.fma(x[x4 + k], m.get(FLOAT, t + o), e);
            f = Math.fma(x[x5 + k], m.get(FLOAT, u + o), f);
            g = Math.fma(x[x6 + k], m.get(FLOAT, v + o), g);
            h = Math.fma(x[x7 + k], m.get(FLOAT, w + o), h);
        }
        store(sums, a, b, c, d, e, f, g, h);
    }

    /** The same for columns of bf16. */
    static void bf16(MemorySegment m, long[] at, int step, float[] x, int[] starts, int depth, float[] sums) {
        long p = at[0], q = at[1], r = at[2], s = at[3], t = at[4], u = at[5], v = at[6], w = at[7];
        int x0 = starts[0], x1 = starts[1], x2 = starts[2], x3 = starts[3];
        int x4 = starts[4], x5 = starts[5], x6 = starts[6], x7 = starts[7];
        float a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
        for (int k = 0; k < depth; k++) {
            long o = (long) k * step;
            a = Math.fma(x[x0 + k], DType.fromBFloat16(m.get(SHORT, p + o)), a);
            b = Math.fma(x[x1 + k], DType.fromBFloat16(m.get(SHORT, q + o)), b);
            c = Math.fma(x[x2 + k], DType.fromBFloat16(m.get(SHORT, r + o)), c);
            d = Math.fma(x[x3 + k], DType.fromBFloat16(m.get(SHORT, s + o)), d);
            e = Math.fma(x[x4 + k], DType.fromBFloat16(m.get(SHORT, t + o)), e);
            f = Math.fma(x[x5 + k], DType.fromBFloat16(m.get(SHORT, u + o)), f);
            g = Math.fma(x[x6 + k], DType.fromBFloat16(m.get(SHORT, v + o)), g);
            h = Math.fma(x[x7 + k], DType.fromBFloat16(m.get(SHORT, w + o)), h);
        }
        store(sums, a, b, c, d, e, f, g, h);
    }

    private static void store(float[] sums, float a, float b, float c, float d, float e, float f, float g, float h) {
        sums[0] = a;
        sums[1] = b;
        sums[2] = c;
        sums[3] = d;
        sums[4] = e;
        sums[5] = f;
        sums[6] = g;
        sums[7] = h;
    }
}
