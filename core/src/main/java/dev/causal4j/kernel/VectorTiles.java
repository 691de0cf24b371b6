package dev.causal4j.kernel;

import static dev.causal4j.kernel.VectorProducts.BF16_STEP;
import static dev.causal4j.kernel.VectorProducts.F32_STEP;
import static dev.causal4j.kernel.VectorProducts.INT8_STEP;
import static dev.causal4j.kernel.VectorProducts.S;
import static dev.causal4j.kernel.VectorProducts.W;
import static dev.causal4j.kernel.VectorProducts.broadcast;
import static dev.causal4j.kernel.VectorProducts.f32;
import static dev.causal4j.kernel.VectorProducts.high;
import static dev.causal4j.kernel.VectorProducts.int8;
import static dev.causal4j.kernel.VectorProducts.low;
import static dev.causal4j.kernel.VectorProducts.words;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * Several rows of x against one panel: register tiles of 4 rows by 64 outputs, widened on the way, and of 6 rows by 2 W
 * outputs of f32. Rows past the last repeat the last: what they compute is what they would store there anyway, so nothing
 * has to be told apart.
 */
final class VectorTiles {
    private VectorTiles() {}

    // The three tiles of four rows are for 16 lanes: 16 accumulators, 4 weights and a broadcast of the 32 registers.

    static void fourRowsF32(Panels w, long panel, Rows x, Rows y, int row, int out) {
        MemorySegment m = w.data();
        int depth = w.depth();
        float[] xs = x.data();
        int last = y.count() - 1;
        int r1 = Math.min(row + 1, last), r2 = Math.min(row + 2, last), r3 = Math.min(row + 3, last);
        int x0 = x.start(row), x1 = x.start(r1), x2 = x.start(r2), x3 = x.start(r3);
        FloatVector z = FloatVector.zero(S);
        FloatVector a0 = z, b0 = z, c0 = z, d0 = z;
        FloatVector a1 = z, b1 = z, c1 = z, d1 = z;
        FloatVector a2 = z, b2 = z, c2 = z, d2 = z;
        FloatVector a3 = z, b3 = z, c3 = z, d3 = z;
        int one = VectorProducts.one;
        for (int k = 0; k < depth; k += one) {
            long o = panel + (long) k * F32_STEP;
            FloatVector a = f32(m, o), b = f32(m, o + 4L * W), c = f32(m, o + 8L * W), d = f32(m, o + 12L * W), v;
            v = broadcast(xs[x0 + k]);
            a0 = v.fma(a, a0);
            b0 = v.fma(b, b0);
            c0 = v.fma(c, c0);
            d0 = v.fma(d, d0);
            v = broadcast(xs[x1 + k]);
            a1 = v.fma(a, a1);
            b1 = v.fma(b, b1);
            c1 = v.fma(c, c1);
            d1 = v.fma(d, d1);
            v = broadcast(xs[x2 + k]);
            a2 = v.fma(a, a2);
            b2 = v.fma(b, b2);
            c2 = v.fma(c, c2);
            d2 = v.fma(d, d2);
            v = broadcast(xs[x3 + k]);
            a3 = v.fma(a, a3);
            b3 = v.fma(b, b3);
            c3 = v.fma(c, c3);
            d3 = v.fma(d, d3);
        }
        store(y, row, out, a0, b0, c0, d0);
        store(y, r1, out, a1, b1, c1, d1);
        store(y, r2, out, a2, b2, c2, d2);
        store(y, r3, out, a3, b3, c3, d3);
    }

    static void fourRowsBf16(Panels w, long panel, Rows x, Rows y, int row, int out) {
        MemorySegment m = w.data();
        int depth = w.depth();
        float[] xs = x.data();
        int last = y.count() - 1;
        int r1 = Math.min(row + 1, last), r2 = Math.min(row + 2, last), r3 = Math.min(row + 3, last);
        int x0 = x.start(row), x1 = x.start(r1), x2 = x.start(r2), x3 = x.start(r3);
        FloatVector z = FloatVector.zero(S);
        FloatVector a0 = z, b0 = z, c0 = z, d0 = z;
        FloatVector a1 = z, b1 = z, c1 = z, d1 = z;
        FloatVector a2 = z, b2 = z, c2 = z, d2 = z;
        FloatVector a3 = z, b3 = z, c3 = z, d3 = z;
        int one = VectorProducts.one;
        for (int k = 0; k < depth; k += one) {
            long o = panel + (long) k * BF16_STEP;
            IntVector first = words(m, o), second = words(m, o + 4L * W);
            FloatVector a = low(first), b = high(first), c = low(second), d = high(second), v;
            v = broadcast(xs[x0 + k]);
            a0 = v.fma(a, a0);
            b0 = v.fma(b, b0);
            c0 = v.fma(c, c0);
            d0 = v.fma(d, d0);
            v = broadcast(xs[x1 + k]);
            a1 = v.fma(a, a1);
            b1 = v.fma(b, b1);
            c1 = v.fma(c, c1);
            d1 = v.fma(d, d1);
            v = broadcast(xs[x2 + k]);
            a2 = v.fma(a, a2);
            b2 = v.fma(b, b2);
            c2 = v.fma(c, c2);
            d2 = v.fma(d, d2);
            v = broadcast(xs[x3 + k]);
            a3 = v.fma(a, a3);
            b3 = v.fma(b, b3);
            c3 = v.fma(c, c3);
            d3 = v.fma(d, d3);
        }
        store(y, row, out, a0, b0, c0, d0);
        store(y, r1, out, a1, b1, c1, d1);
        store(y, r2, out, a2, b2, c2, d2);
        store(y, r3, out, a3, b3, c3, d3);
    }

    static void fourRowsInt8(Panels w, long panel, Rows x, Rows y, int row, int out) {
        MemorySegment m = w.data();
        int depth = w.depth();
        float[] xs = x.data();
        int last = y.count() - 1;
        int r1 = Math.min(row + 1, last), r2 = Math.min(row + 2, last), r3 = Math.min(row + 3, last);
        int x0 = x.start(row), x1 = x.start(r1), x2 = x.start(r2), x3 = x.start(r3);
        FloatVector z = FloatVector.zero(S);
        FloatVector a0 = z, b0 = z, c0 = z, d0 = z;
        FloatVector a1 = z, b1 = z, c1 = z, d1 = z;
        FloatVector a2 = z, b2 = z, c2 = z, d2 = z;
        FloatVector a3 = z, b3 = z, c3 = z, d3 = z;
        int one = VectorProducts.one;
        for (int k = 0; k < depth; k += one) {
            long o = panel + (long) k * INT8_STEP;
            IntVector word = words(m, o);
            FloatVector a = int8(word, 24), b = int8(word, 16), c = int8(word, 8), d = int8(word, 0), v;
            v = broadcast(xs[x0 + k]);
            a0 = v.fma(a, a0);
            b0 = v.fma(b, b0);
            c0 = v.fma(c, c0);
            d0 = v.fma(d, d0);
            v = broadcast(xs[x1 + k]);
            a1 = v.fma(a, a1);
            b1 = v.fma(b, b1);
            c1 = v.fma(c, c1);
            d1 = v.fma(d, d1);
            v = broadcast(xs[x2 + k]);
            a2 = v.fma(a, a2);
            b2 = v.fma(b, b2);
            c2 = v.fma(c, c2);
            d2 = v.fma(d, d2);
            v = broadcast(xs[x3 + k]);
            a3 = v.fma(a, a3);
            b3 = v.fma(b, b3);
            c3 = v.fma(c, c3);
            d3 = v.fma(d, d3);
        }
        store(y, row, out, a0, b0, c0, d0);
        store(y, r1, out, a1, b1, c1, d1);
        store(y, r2, out, a2, b2, c2, d2);
        store(y, r3, out, a3, b3, c3, d3);
    }

    private static void store(Rows y, int row, int out, FloatVector a, FloatVector b, FloatVector c, FloatVector d) {
        float[] ys = y.data();
        int to = y.start(row) + out;
        a.intoArray(ys, to);
        b.intoArray(ys, to + 16);
        c.intoArray(ys, to + 32);
        d.intoArray(ys, to + 48);
    }

    /** All rows against one f32 panel, six at a time. */
    static void sixRows(MemorySegment m, long panel, int depth, Rows x, Rows y, int out) {
        for (int r = 0; r < y.count(); r += 6) {
            for (int j = 0; j < Panels.WIDTH; j += 2 * W) {
                sixRows(m, panel + j * 4L, depth, x, y, r, out + j);
            }
        }
    }

    /** Six rows by 2 W outputs: 12 accumulators, 2 weights and a broadcast fit the 16 registers of AVX2. */
    private static void sixRows(MemorySegment m, long panel, int depth, Rows x, Rows y, int row, int out) {
        float[] xs = x.data();
        int last = y.count() - 1;
        int r1 = Math.min(row + 1, last), r2 = Math.min(row + 2, last), r3 = Math.min(row + 3, last);
        int r4 = Math.min(row + 4, last), r5 = Math.min(row + 5, last);
        int x0 = x.start(row), x1 = x.start(r1), x2 = x.start(r2), x3 = x.start(r3), x4 = x.start(r4), x5 = x.start(r5);
        FloatVector z = FloatVector.zero(S);
        FloatVector a0 = z, b0 = z;
        FloatVector a1 = z, b1 = z;
        FloatVector a2 = z, b2 = z;
        FloatVector a3 = z, b3 = z;
        FloatVector a4 = z, b4 = z;
        FloatVector a5 = z, b5 = z;
        for (int k = 0; k < depth; k++) {
            long o = panel + (long) k * F32_STEP;
            FloatVector a = f32(m, o), b = f32(m, o + 4L * W), v;
            v = broadcast(xs[x0 + k]);
            a0 = v.fma(a, a0);
            b0 = v.fma(b, b0);
            v = broadcast(xs[x1 + k]);
            a1 = v.fma(a, a1);
            b1 = v.fma(b, b1);
            v = broadcast(xs[x2 + k]);
            a2 = v.fma(a, a2);
            b2 = v.fma(b, b2);
            v = broadcast(xs[x3 + k]);
            a3 = v.fma(a, a3);
            b3 = v.fma(b, b3);
            v = broadcast(xs[x4 + k]);
            a4 = v.fma(a, a4);
            b4 = v.fma(b, b4);
            v = broadcast(xs[x5 + k]);
            a5 = v.fma(a, a5);
            b5 = v.fma(b, b5);
        }
        storeTwo(y, row, out, a0, b0);
        storeTwo(y, r1, out, a1, b1);
        storeTwo(y, r2, out, a2, b2);
        storeTwo(y, r3, out, a3, b3);
        storeTwo(y, r4, out, a4, b4);
        storeTwo(y, r5, out, a5, b5);
    }

    private static void storeTwo(Rows y, int row, int out, FloatVector a, FloatVector b) {
        a.intoArray(y.data(), y.start(row) + out);
        b.intoArray(y.data(), y.start(row) + out + W);
    }
}
