package dev.causal4j.kernel;

import static dev.causal4j.kernel.VectorProducts.F32_STEP;
import static dev.causal4j.kernel.VectorProducts.LE;
import static dev.causal4j.kernel.VectorProducts.S;
import static dev.causal4j.kernel.VectorProducts.W;
import static dev.causal4j.kernel.VectorProducts.broadcast;
import static dev.causal4j.kernel.VectorProducts.f32;

import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * Many rows of x, in tiles of six, against one f32 panel: register tiles of 6 rows by 64 or by 2 W outputs. Rows past the
 * last repeat the last: what they compute is what they would store there anyway, so nothing has to be told apart.
 *
 * <p>Accumulators are locals of one method each, written out: C2 keeps a vector in a register only if it never leaves.
 */
final class VectorTiles {
    private VectorTiles() {}

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

    /**
     * The same for sums that go on from what is in {@code y}, one panel [x.count()][64], by way of an array: 48 accesses to a
     * memory segment are more than the first compiler takes. Rows past the last compute what is not copied back.
     */
    static void addTiles(Panels w, RowTiles x, MemorySegment y, long offset) {
        float[] sums = new float[RowTiles.ROWS * Panels.WIDTH];
        for (int row = 0, tile = x.offset(); row < x.count(); row += RowTiles.ROWS, tile += x.stride()) {
            int count = Math.min(RowTiles.ROWS, x.count() - row) * Panels.WIDTH;
            long out = offset + (long) row * F32_STEP;
            MemorySegment.copy(y, Panels.FLOAT, out, sums, 0, count);
            if (W == 16) {
                addTileOf64(w.data(), w.offset(), w.depth(), x.data(), tile, sums);
            } else {
                for (int j = 0; j < Panels.WIDTH; j += 2 * W) {
                    addTileOf2W(w.data(), w.offset() + j * 4L, w.depth(), x.data(), tile, sums, j);
                }
            }
            MemorySegment.copy(sums, 0, y, Panels.FLOAT, out, count);
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

    /**
     * A tile of 64 outputs whose sums [6][64] go on from what is there. Written with the methods of the Vector API itself: of
     * any others C2 inlines only so many (NodeCountInliningCutoff).
     */
    private static void addTileOf64(MemorySegment m, long panel, int depth, float[] xs, int x, float[] sums) {
        FloatVector a0 = FloatVector.fromArray(S, sums, 0),
                b0 = FloatVector.fromArray(S, sums, W),
                c0 = FloatVector.fromArray(S, sums, 2 * W),
                d0 = FloatVector.fromArray(S, sums, 3 * W);
        FloatVector a1 = FloatVector.fromArray(S, sums, 64),
                b1 = FloatVector.fromArray(S, sums, 64 + W),
                c1 = FloatVector.fromArray(S, sums, 64 + 2 * W),
                d1 = FloatVector.fromArray(S, sums, 64 + 3 * W);
        FloatVector a2 = FloatVector.fromArray(S, sums, 128),
                b2 = FloatVector.fromArray(S, sums, 128 + W),
                c2 = FloatVector.fromArray(S, sums, 128 + 2 * W),
                d2 = FloatVector.fromArray(S, sums, 128 + 3 * W);
        FloatVector a3 = FloatVector.fromArray(S, sums, 192),
                b3 = FloatVector.fromArray(S, sums, 192 + W),
                c3 = FloatVector.fromArray(S, sums, 192 + 2 * W),
                d3 = FloatVector.fromArray(S, sums, 192 + 3 * W);
        FloatVector a4 = FloatVector.fromArray(S, sums, 256),
                b4 = FloatVector.fromArray(S, sums, 256 + W),
                c4 = FloatVector.fromArray(S, sums, 256 + 2 * W),
                d4 = FloatVector.fromArray(S, sums, 256 + 3 * W);
        FloatVector a5 = FloatVector.fromArray(S, sums, 320),
                b5 = FloatVector.fromArray(S, sums, 320 + W),
                c5 = FloatVector.fromArray(S, sums, 320 + 2 * W),
                d5 = FloatVector.fromArray(S, sums, 320 + 3 * W);
        int end = depth * RowTiles.STEP;
        for (int i = 0; i < end; i += RowTiles.STEP) {
            long o = panel + (long) i * (F32_STEP / RowTiles.STEP);
            FloatVector a = FloatVector.fromMemorySegment(S, m, o, LE),
                    b = FloatVector.fromMemorySegment(S, m, o + 4L * W, LE),
                    c = FloatVector.fromMemorySegment(S, m, o + 8L * W, LE),
                    d = FloatVector.fromMemorySegment(S, m, o + 12L * W, LE),
                    v;
            v = FloatVector.broadcast(S, xs[x + i]);
            a0 = v.fma(a, a0);
            b0 = v.fma(b, b0);
            c0 = v.fma(c, c0);
            d0 = v.fma(d, d0);
            v = FloatVector.broadcast(S, xs[x + i + 1]);
            a1 = v.fma(a, a1);
            b1 = v.fma(b, b1);
            c1 = v.fma(c, c1);
            d1 = v.fma(d, d1);
            v = FloatVector.broadcast(S, xs[x + i + 2]);
            a2 = v.fma(a, a2);
            b2 = v.fma(b, b2);
            c2 = v.fma(c, c2);
            d2 = v.fma(d, d2);
            v = FloatVector.broadcast(S, xs[x + i + 3]);
            a3 = v.fma(a, a3);
            b3 = v.fma(b, b3);
            c3 = v.fma(c, c3);
            d3 = v.fma(d, d3);
            v = FloatVector.broadcast(S, xs[x + i + 4]);
            a4 = v.fma(a, a4);
            b4 = v.fma(b, b4);
            c4 = v.fma(c, c4);
            d4 = v.fma(d, d4);
            v = FloatVector.broadcast(S, xs[x + i + 5]);
            a5 = v.fma(a, a5);
            b5 = v.fma(b, b5);
            c5 = v.fma(c, c5);
            d5 = v.fma(d, d5);
        }
        a0.intoArray(sums, 0);
        b0.intoArray(sums, W);
        c0.intoArray(sums, 2 * W);
        d0.intoArray(sums, 3 * W);
        a1.intoArray(sums, 64);
        b1.intoArray(sums, 64 + W);
        c1.intoArray(sums, 64 + 2 * W);
        d1.intoArray(sums, 64 + 3 * W);
        a2.intoArray(sums, 128);
        b2.intoArray(sums, 128 + W);
        c2.intoArray(sums, 128 + 2 * W);
        d2.intoArray(sums, 128 + 3 * W);
        a3.intoArray(sums, 192);
        b3.intoArray(sums, 192 + W);
        c3.intoArray(sums, 192 + 2 * W);
        d3.intoArray(sums, 192 + 3 * W);
        a4.intoArray(sums, 256);
        b4.intoArray(sums, 256 + W);
        c4.intoArray(sums, 256 + 2 * W);
        d4.intoArray(sums, 256 + 3 * W);
        a5.intoArray(sums, 320);
        b5.intoArray(sums, 320 + W);
        c5.intoArray(sums, 320 + 2 * W);
        d5.intoArray(sums, 320 + 3 * W);
    }

    /** The same of 2 W outputs. */
    private static void addTileOf2W(MemorySegment m, long panel, int depth, float[] xs, int x, float[] sums, int at) {
        FloatVector a0 = FloatVector.fromArray(S, sums, at), b0 = FloatVector.fromArray(S, sums, at + W);
        FloatVector a1 = FloatVector.fromArray(S, sums, at + 64), b1 = FloatVector.fromArray(S, sums, at + 64 + W);
        FloatVector a2 = FloatVector.fromArray(S, sums, at + 128), b2 = FloatVector.fromArray(S, sums, at + 128 + W);
        FloatVector a3 = FloatVector.fromArray(S, sums, at + 192), b3 = FloatVector.fromArray(S, sums, at + 192 + W);
        FloatVector a4 = FloatVector.fromArray(S, sums, at + 256), b4 = FloatVector.fromArray(S, sums, at + 256 + W);
        FloatVector a5 = FloatVector.fromArray(S, sums, at + 320), b5 = FloatVector.fromArray(S, sums, at + 320 + W);
        int end = depth * RowTiles.STEP;
        for (int i = 0; i < end; i += RowTiles.STEP) {
            long o = panel + (long) i * (F32_STEP / RowTiles.STEP);
            FloatVector a = FloatVector.fromMemorySegment(S, m, o, LE),
                    b = FloatVector.fromMemorySegment(S, m, o + 4L * W, LE),
                    v;
            v = FloatVector.broadcast(S, xs[x + i]);
            a0 = v.fma(a, a0);
            b0 = v.fma(b, b0);
            v = FloatVector.broadcast(S, xs[x + i + 1]);
            a1 = v.fma(a, a1);
            b1 = v.fma(b, b1);
            v = FloatVector.broadcast(S, xs[x + i + 2]);
            a2 = v.fma(a, a2);
            b2 = v.fma(b, b2);
            v = FloatVector.broadcast(S, xs[x + i + 3]);
            a3 = v.fma(a, a3);
            b3 = v.fma(b, b3);
            v = FloatVector.broadcast(S, xs[x + i + 4]);
            a4 = v.fma(a, a4);
            b4 = v.fma(b, b4);
            v = FloatVector.broadcast(S, xs[x + i + 5]);
            a5 = v.fma(a, a5);
            b5 = v.fma(b, b5);
        }
        a0.intoArray(sums, at);
        b0.intoArray(sums, at + W);
        a1.intoArray(sums, at + 64);
        b1.intoArray(sums, at + 64 + W);
        a2.intoArray(sums, at + 128);
        b2.intoArray(sums, at + 128 + W);
        a3.intoArray(sums, at + 192);
        b3.intoArray(sums, at + 192 + W);
        a4.intoArray(sums, at + 256);
        b4.intoArray(sums, at + 256 + W);
        a5.intoArray(sums, at + 320);
        b5.intoArray(sums, at + 320 + W);
    }
}
