package dev.causal4j.kernel;

import static dev.causal4j.kernel.VectorProducts.BF16_STEP;
import static dev.causal4j.kernel.VectorProducts.F32_STEP;
import static dev.causal4j.kernel.VectorProducts.INT8_STEP;
import static dev.causal4j.kernel.VectorProducts.LE;
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
 * Several rows of x against one panel: register tiles of 4 rows by 64 outputs, widened on the way, for rows where they lie,
 * and of 6 rows by 64 or by 2 W outputs of f32 for {@link RowTiles}. Rows past the last repeat the last: what they compute
 * is what they would store there anyway, so nothing has to be told apart.
 *
 * <p>Accumulators are locals of one method each, written out: C2 keeps a vector in a register only if it never leaves.
 */
final class VectorTiles {
    private VectorTiles() {}

    // The three tiles of four rows are for 16 lanes: 16 accumulators, 4 weights and a broadcast of the 32 registers.

    static void fourRowsF32(Panels w, long panel, Rows x, Rows y, int row, int out) {
        MemorySegment m = w.data();
        int depth = w.depth();
        float[] xs = x.data();
        float[] ys = y.data();
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
        a0.intoArray(ys, y.start(row) + out);
        b0.intoArray(ys, y.start(row) + out + 16);
        c0.intoArray(ys, y.start(row) + out + 32);
        d0.intoArray(ys, y.start(row) + out + 48);
        a1.intoArray(ys, y.start(r1) + out);
        b1.intoArray(ys, y.start(r1) + out + 16);
        c1.intoArray(ys, y.start(r1) + out + 32);
        d1.intoArray(ys, y.start(r1) + out + 48);
        a2.intoArray(ys, y.start(r2) + out);
        b2.intoArray(ys, y.start(r2) + out + 16);
        c2.intoArray(ys, y.start(r2) + out + 32);
        d2.intoArray(ys, y.start(r2) + out + 48);
        a3.intoArray(ys, y.start(r3) + out);
        b3.intoArray(ys, y.start(r3) + out + 16);
        c3.intoArray(ys, y.start(r3) + out + 32);
        d3.intoArray(ys, y.start(r3) + out + 48);
    }

    static void fourRowsBf16(Panels w, long panel, Rows x, Rows y, int row, int out) {
        MemorySegment m = w.data();
        int depth = w.depth();
        float[] xs = x.data();
        float[] ys = y.data();
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
        a0.intoArray(ys, y.start(row) + out);
        b0.intoArray(ys, y.start(row) + out + 16);
        c0.intoArray(ys, y.start(row) + out + 32);
        d0.intoArray(ys, y.start(row) + out + 48);
        a1.intoArray(ys, y.start(r1) + out);
        b1.intoArray(ys, y.start(r1) + out + 16);
        c1.intoArray(ys, y.start(r1) + out + 32);
        d1.intoArray(ys, y.start(r1) + out + 48);
        a2.intoArray(ys, y.start(r2) + out);
        b2.intoArray(ys, y.start(r2) + out + 16);
        c2.intoArray(ys, y.start(r2) + out + 32);
        d2.intoArray(ys, y.start(r2) + out + 48);
        a3.intoArray(ys, y.start(r3) + out);
        b3.intoArray(ys, y.start(r3) + out + 16);
        c3.intoArray(ys, y.start(r3) + out + 32);
        d3.intoArray(ys, y.start(r3) + out + 48);
    }

    static void fourRowsInt8(Panels w, long panel, Rows x, Rows y, int row, int out) {
        MemorySegment m = w.data();
        int depth = w.depth();
        float[] xs = x.data();
        float[] ys = y.data();
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
        a0.intoArray(ys, y.start(row) + out);
        b0.intoArray(ys, y.start(row) + out + 16);
        c0.intoArray(ys, y.start(row) + out + 32);
        d0.intoArray(ys, y.start(row) + out + 48);
        a1.intoArray(ys, y.start(r1) + out);
        b1.intoArray(ys, y.start(r1) + out + 16);
        c1.intoArray(ys, y.start(r1) + out + 32);
        d1.intoArray(ys, y.start(r1) + out + 48);
        a2.intoArray(ys, y.start(r2) + out);
        b2.intoArray(ys, y.start(r2) + out + 16);
        c2.intoArray(ys, y.start(r2) + out + 32);
        d2.intoArray(ys, y.start(r2) + out + 48);
        a3.intoArray(ys, y.start(r3) + out);
        b3.intoArray(ys, y.start(r3) + out + 16);
        c3.intoArray(ys, y.start(r3) + out + 32);
        d3.intoArray(ys, y.start(r3) + out + 48);
    }

    /** All rows against one f32 panel, a tile at a time. */
    static void tiles(MemorySegment m, long panel, int depth, RowTiles x, Rows y, int out) {
        for (int row = 0, tile = x.offset(); row < y.count(); row += RowTiles.ROWS, tile += x.stride()) {
            if (W == 16) {
                tileOf64(m, panel, depth, x.data(), tile, y, row, out);
            } else {
                for (int j = 0; j < Panels.WIDTH; j += 2 * W) {
                    tileOf2W(m, panel + j * 4L, depth, x.data(), tile, y, row, out + j);
                }
            }
        }
    }

    /** The same for sums that go on from what is in {@code y}, as one panel [x.count()][64]. */
    static void addTiles(Panels w, RowTiles x, MemorySegment y, long offset) {
        for (int row = 0, tile = x.offset(); row < x.count(); row += RowTiles.ROWS, tile += x.stride()) {
            int count = Math.min(RowTiles.ROWS, x.count() - row);
            long out = offset + (long) row * F32_STEP;
            if (W == 16) {
                addTileOf64(w.data(), w.offset(), w.depth(), x.data(), tile, count, y, out);
            } else {
                for (int j = 0; j < Panels.WIDTH; j += 2 * W) {
                    addTileOf2W(w.data(), w.offset() + j * 4L, w.depth(), x.data(), tile, count, y, out + j * 4L);
                }
            }
        }
    }

    /** Six rows by a whole panel of 64 outputs: 24 accumulators, 4 weights and a broadcast of the 32 registers of AVX-512. */
    private static void tileOf64(MemorySegment m, long panel, int depth, float[] xs, int x, Rows y, int row, int out) {
        FloatVector z = FloatVector.zero(S);
        FloatVector a0 = z, b0 = z, c0 = z, d0 = z;
        FloatVector a1 = z, b1 = z, c1 = z, d1 = z;
        FloatVector a2 = z, b2 = z, c2 = z, d2 = z;
        FloatVector a3 = z, b3 = z, c3 = z, d3 = z;
        FloatVector a4 = z, b4 = z, c4 = z, d4 = z;
        FloatVector a5 = z, b5 = z, c5 = z, d5 = z;
        int end = depth * RowTiles.STEP;
        for (int i = 0; i < end; i += RowTiles.STEP) {
            long o = panel + (long) i * (F32_STEP / RowTiles.STEP);
            FloatVector a = f32(m, o), b = f32(m, o + 4L * W), c = f32(m, o + 8L * W), d = f32(m, o + 12L * W), v;
            v = broadcast(xs[x + i]);
            a0 = v.fma(a, a0);
            b0 = v.fma(b, b0);
            c0 = v.fma(c, c0);
            d0 = v.fma(d, d0);
            v = broadcast(xs[x + i + 1]);
            a1 = v.fma(a, a1);
            b1 = v.fma(b, b1);
            c1 = v.fma(c, c1);
            d1 = v.fma(d, d1);
            v = broadcast(xs[x + i + 2]);
            a2 = v.fma(a, a2);
            b2 = v.fma(b, b2);
            c2 = v.fma(c, c2);
            d2 = v.fma(d, d2);
            v = broadcast(xs[x + i + 3]);
            a3 = v.fma(a, a3);
            b3 = v.fma(b, b3);
            c3 = v.fma(c, c3);
            d3 = v.fma(d, d3);
            v = broadcast(xs[x + i + 4]);
            a4 = v.fma(a, a4);
            b4 = v.fma(b, b4);
            c4 = v.fma(c, c4);
            d4 = v.fma(d, d4);
            v = broadcast(xs[x + i + 5]);
            a5 = v.fma(a, a5);
            b5 = v.fma(b, b5);
            c5 = v.fma(c, c5);
            d5 = v.fma(d, d5);
        }
        float[] ys = y.data();
        int last = y.count() - 1;
        int o = y.start(row) + out;
        a0.intoArray(ys, o);
        b0.intoArray(ys, o + W);
        c0.intoArray(ys, o + 2 * W);
        d0.intoArray(ys, o + 3 * W);
        o = y.start(Math.min(row + 1, last)) + out;
        a1.intoArray(ys, o);
        b1.intoArray(ys, o + W);
        c1.intoArray(ys, o + 2 * W);
        d1.intoArray(ys, o + 3 * W);
        o = y.start(Math.min(row + 2, last)) + out;
        a2.intoArray(ys, o);
        b2.intoArray(ys, o + W);
        c2.intoArray(ys, o + 2 * W);
        d2.intoArray(ys, o + 3 * W);
        o = y.start(Math.min(row + 3, last)) + out;
        a3.intoArray(ys, o);
        b3.intoArray(ys, o + W);
        c3.intoArray(ys, o + 2 * W);
        d3.intoArray(ys, o + 3 * W);
        o = y.start(Math.min(row + 4, last)) + out;
        a4.intoArray(ys, o);
        b4.intoArray(ys, o + W);
        c4.intoArray(ys, o + 2 * W);
        d4.intoArray(ys, o + 3 * W);
        o = y.start(Math.min(row + 5, last)) + out;
        a5.intoArray(ys, o);
        b5.intoArray(ys, o + W);
        c5.intoArray(ys, o + 2 * W);
        d5.intoArray(ys, o + 3 * W);
    }

    /** Six rows by 2 W outputs: 12 accumulators, 2 weights and a broadcast fit the 16 registers of AVX2. */
    private static void tileOf2W(MemorySegment m, long panel, int depth, float[] xs, int x, Rows y, int row, int out) {
        FloatVector z = FloatVector.zero(S);
        FloatVector a0 = z, b0 = z;
        FloatVector a1 = z, b1 = z;
        FloatVector a2 = z, b2 = z;
        FloatVector a3 = z, b3 = z;
        FloatVector a4 = z, b4 = z;
        FloatVector a5 = z, b5 = z;
        int end = depth * RowTiles.STEP;
        for (int i = 0; i < end; i += RowTiles.STEP) {
            long o = panel + (long) i * (F32_STEP / RowTiles.STEP);
            FloatVector a = f32(m, o), b = f32(m, o + 4L * W), v;
            v = broadcast(xs[x + i]);
            a0 = v.fma(a, a0);
            b0 = v.fma(b, b0);
            v = broadcast(xs[x + i + 1]);
            a1 = v.fma(a, a1);
            b1 = v.fma(b, b1);
            v = broadcast(xs[x + i + 2]);
            a2 = v.fma(a, a2);
            b2 = v.fma(b, b2);
            v = broadcast(xs[x + i + 3]);
            a3 = v.fma(a, a3);
            b3 = v.fma(b, b3);
            v = broadcast(xs[x + i + 4]);
            a4 = v.fma(a, a4);
            b4 = v.fma(b, b4);
            v = broadcast(xs[x + i + 5]);
            a5 = v.fma(a, a5);
            b5 = v.fma(b, b5);
        }
        float[] ys = y.data();
        int last = y.count() - 1;
        int o = y.start(row) + out;
        a0.intoArray(ys, o);
        b0.intoArray(ys, o + W);
        o = y.start(Math.min(row + 1, last)) + out;
        a1.intoArray(ys, o);
        b1.intoArray(ys, o + W);
        o = y.start(Math.min(row + 2, last)) + out;
        a2.intoArray(ys, o);
        b2.intoArray(ys, o + W);
        o = y.start(Math.min(row + 3, last)) + out;
        a3.intoArray(ys, o);
        b3.intoArray(ys, o + W);
        o = y.start(Math.min(row + 4, last)) + out;
        a4.intoArray(ys, o);
        b4.intoArray(ys, o + W);
        o = y.start(Math.min(row + 5, last)) + out;
        a5.intoArray(ys, o);
        b5.intoArray(ys, o + W);
    }

    /** A tile of 64 outputs whose sums go on from what is there. All is loaded before anything is stored. */
    private static void addTileOf64(
            MemorySegment m, long panel, int depth, float[] xs, int x, int count, MemorySegment y, long out) {
        int last = count - 1;
        long y0 = out;
        long y1 = out + Math.min(1, last) * (long) F32_STEP;
        long y2 = out + Math.min(2, last) * (long) F32_STEP;
        long y3 = out + Math.min(3, last) * (long) F32_STEP;
        long y4 = out + Math.min(4, last) * (long) F32_STEP;
        long y5 = out + Math.min(5, last) * (long) F32_STEP;
        FloatVector a0 = f32(y, y0), b0 = f32(y, y0 + 4L * W), c0 = f32(y, y0 + 8L * W), d0 = f32(y, y0 + 12L * W);
        FloatVector a1 = f32(y, y1), b1 = f32(y, y1 + 4L * W), c1 = f32(y, y1 + 8L * W), d1 = f32(y, y1 + 12L * W);
        FloatVector a2 = f32(y, y2), b2 = f32(y, y2 + 4L * W), c2 = f32(y, y2 + 8L * W), d2 = f32(y, y2 + 12L * W);
        FloatVector a3 = f32(y, y3), b3 = f32(y, y3 + 4L * W), c3 = f32(y, y3 + 8L * W), d3 = f32(y, y3 + 12L * W);
        FloatVector a4 = f32(y, y4), b4 = f32(y, y4 + 4L * W), c4 = f32(y, y4 + 8L * W), d4 = f32(y, y4 + 12L * W);
        FloatVector a5 = f32(y, y5), b5 = f32(y, y5 + 4L * W), c5 = f32(y, y5 + 8L * W), d5 = f32(y, y5 + 12L * W);
        int end = depth * RowTiles.STEP;
        for (int i = 0; i < end; i += RowTiles.STEP) {
            long o = panel + (long) i * (F32_STEP / RowTiles.STEP);
            FloatVector a = f32(m, o), b = f32(m, o + 4L * W), c = f32(m, o + 8L * W), d = f32(m, o + 12L * W), v;
            v = broadcast(xs[x + i]);
            a0 = v.fma(a, a0);
            b0 = v.fma(b, b0);
            c0 = v.fma(c, c0);
            d0 = v.fma(d, d0);
            v = broadcast(xs[x + i + 1]);
            a1 = v.fma(a, a1);
            b1 = v.fma(b, b1);
            c1 = v.fma(c, c1);
            d1 = v.fma(d, d1);
            v = broadcast(xs[x + i + 2]);
            a2 = v.fma(a, a2);
            b2 = v.fma(b, b2);
            c2 = v.fma(c, c2);
            d2 = v.fma(d, d2);
            v = broadcast(xs[x + i + 3]);
            a3 = v.fma(a, a3);
            b3 = v.fma(b, b3);
            c3 = v.fma(c, c3);
            d3 = v.fma(d, d3);
            v = broadcast(xs[x + i + 4]);
            a4 = v.fma(a, a4);
            b4 = v.fma(b, b4);
            c4 = v.fma(c, c4);
            d4 = v.fma(d, d4);
            v = broadcast(xs[x + i + 5]);
            a5 = v.fma(a, a5);
            b5 = v.fma(b, b5);
            c5 = v.fma(c, c5);
            d5 = v.fma(d, d5);
        }
        a0.intoMemorySegment(y, y0, LE);
        b0.intoMemorySegment(y, y0 + 4L * W, LE);
        c0.intoMemorySegment(y, y0 + 8L * W, LE);
        d0.intoMemorySegment(y, y0 + 12L * W, LE);
        a1.intoMemorySegment(y, y1, LE);
        b1.intoMemorySegment(y, y1 + 4L * W, LE);
        c1.intoMemorySegment(y, y1 + 8L * W, LE);
        d1.intoMemorySegment(y, y1 + 12L * W, LE);
        a2.intoMemorySegment(y, y2, LE);
        b2.intoMemorySegment(y, y2 + 4L * W, LE);
        c2.intoMemorySegment(y, y2 + 8L * W, LE);
        d2.intoMemorySegment(y, y2 + 12L * W, LE);
        a3.intoMemorySegment(y, y3, LE);
        b3.intoMemorySegment(y, y3 + 4L * W, LE);
        c3.intoMemorySegment(y, y3 + 8L * W, LE);
        d3.intoMemorySegment(y, y3 + 12L * W, LE);
        a4.intoMemorySegment(y, y4, LE);
        b4.intoMemorySegment(y, y4 + 4L * W, LE);
        c4.intoMemorySegment(y, y4 + 8L * W, LE);
        d4.intoMemorySegment(y, y4 + 12L * W, LE);
        a5.intoMemorySegment(y, y5, LE);
        b5.intoMemorySegment(y, y5 + 4L * W, LE);
        c5.intoMemorySegment(y, y5 + 8L * W, LE);
        d5.intoMemorySegment(y, y5 + 12L * W, LE);
    }

    /** A tile of 2 W outputs whose sums go on from what is there. */
    private static void addTileOf2W(
            MemorySegment m, long panel, int depth, float[] xs, int x, int count, MemorySegment y, long out) {
        int last = count - 1;
        long y0 = out;
        long y1 = out + Math.min(1, last) * (long) F32_STEP;
        long y2 = out + Math.min(2, last) * (long) F32_STEP;
        long y3 = out + Math.min(3, last) * (long) F32_STEP;
        long y4 = out + Math.min(4, last) * (long) F32_STEP;
        long y5 = out + Math.min(5, last) * (long) F32_STEP;
        FloatVector a0 = f32(y, y0), b0 = f32(y, y0 + 4L * W);
        FloatVector a1 = f32(y, y1), b1 = f32(y, y1 + 4L * W);
        FloatVector a2 = f32(y, y2), b2 = f32(y, y2 + 4L * W);
        FloatVector a3 = f32(y, y3), b3 = f32(y, y3 + 4L * W);
        FloatVector a4 = f32(y, y4), b4 = f32(y, y4 + 4L * W);
        FloatVector a5 = f32(y, y5), b5 = f32(y, y5 + 4L * W);
        int end = depth * RowTiles.STEP;
        for (int i = 0; i < end; i += RowTiles.STEP) {
            long o = panel + (long) i * (F32_STEP / RowTiles.STEP);
            FloatVector a = f32(m, o), b = f32(m, o + 4L * W), v;
            v = broadcast(xs[x + i]);
            a0 = v.fma(a, a0);
            b0 = v.fma(b, b0);
            v = broadcast(xs[x + i + 1]);
            a1 = v.fma(a, a1);
            b1 = v.fma(b, b1);
            v = broadcast(xs[x + i + 2]);
            a2 = v.fma(a, a2);
            b2 = v.fma(b, b2);
            v = broadcast(xs[x + i + 3]);
            a3 = v.fma(a, a3);
            b3 = v.fma(b, b3);
            v = broadcast(xs[x + i + 4]);
            a4 = v.fma(a, a4);
            b4 = v.fma(b, b4);
            v = broadcast(xs[x + i + 5]);
            a5 = v.fma(a, a5);
            b5 = v.fma(b, b5);
        }
        a0.intoMemorySegment(y, y0, LE);
        b0.intoMemorySegment(y, y0 + 4L * W, LE);
        a1.intoMemorySegment(y, y1, LE);
        b1.intoMemorySegment(y, y1 + 4L * W, LE);
        a2.intoMemorySegment(y, y2, LE);
        b2.intoMemorySegment(y, y2 + 4L * W, LE);
        a3.intoMemorySegment(y, y3, LE);
        b3.intoMemorySegment(y, y3 + 4L * W, LE);
        a4.intoMemorySegment(y, y4, LE);
        b4.intoMemorySegment(y, y4 + 4L * W, LE);
        a5.intoMemorySegment(y, y5, LE);
        b5.intoMemorySegment(y, y5 + 4L * W, LE);
    }
}
