package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** Sums of products that go on from what is there: the register tile of {@link VectorProducts}, loaded and not zeroed. */
final class VectorAccumulation {
    private static final VectorSpecies<Float> S = VectorWidth.floats();
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final int W = S.length();
    private static final int STEP = 4 * Panels.WIDTH;
    private static final int TILE = 6;

    private VectorAccumulation() {}

    static void addProductF32(Panels w, Rows x, MemorySegment y, long offset) {
        for (int r = 0; r < x.count(); r += TILE) {
            for (int j = 0; j < Panels.WIDTH; j += 2 * W) {
                tile(w.data(), w.offset() + j * 4L, w.depth(), x, y, r, offset + j * 4L);
            }
        }
    }

    private static FloatVector f32(MemorySegment m, long offset) {
        return FloatVector.fromMemorySegment(S, m, offset, LE);
    }

    /** Six rows against 2 W outputs. Rows past the last repeat the last: all is loaded before anything is stored. */
    private static void tile(MemorySegment w, long panel, int depth, Rows x, MemorySegment y, int row, long out) {
        float[] xs = x.data();
        int last = x.count() - 1;
        int r1 = Math.min(row + 1, last), r2 = Math.min(row + 2, last), r3 = Math.min(row + 3, last);
        int r4 = Math.min(row + 4, last), r5 = Math.min(row + 5, last);
        int x0 = x.start(row), x1 = x.start(r1), x2 = x.start(r2), x3 = x.start(r3), x4 = x.start(r4), x5 = x.start(r5);
        long o0 = out + (long) row * STEP, o1 = out + (long) r1 * STEP, o2 = out + (long) r2 * STEP;
        long o3 = out + (long) r3 * STEP, o4 = out + (long) r4 * STEP, o5 = out + (long) r5 * STEP;
        FloatVector a0 = f32(y, o0), b0 = f32(y, o0 + 4L * W);
        FloatVector a1 = f32(y, o1), b1 = f32(y, o1 + 4L * W);
        FloatVector a2 = f32(y, o2), b2 = f32(y, o2 + 4L * W);
        FloatVector a3 = f32(y, o3), b3 = f32(y, o3 + 4L * W);
        FloatVector a4 = f32(y, o4), b4 = f32(y, o4 + 4L * W);
        FloatVector a5 = f32(y, o5), b5 = f32(y, o5 + 4L * W);
        for (int k = 0; k < depth; k++) {
            long o = panel + (long) k * STEP;
            FloatVector a = f32(w, o), b = f32(w, o + 4L * W), v;
            v = FloatVector.broadcast(S, xs[x0 + k]);
            a0 = v.fma(a, a0);
            b0 = v.fma(b, b0);
            v = FloatVector.broadcast(S, xs[x1 + k]);
            a1 = v.fma(a, a1);
            b1 = v.fma(b, b1);
            v = FloatVector.broadcast(S, xs[x2 + k]);
            a2 = v.fma(a, a2);
            b2 = v.fma(b, b2);
            v = FloatVector.broadcast(S, xs[x3 + k]);
            a3 = v.fma(a, a3);
            b3 = v.fma(b, b3);
            v = FloatVector.broadcast(S, xs[x4 + k]);
            a4 = v.fma(a, a4);
            b4 = v.fma(b, b4);
            v = FloatVector.broadcast(S, xs[x5 + k]);
            a5 = v.fma(a, a5);
            b5 = v.fma(b, b5);
        }
        a0.intoMemorySegment(y, o0, LE);
        b0.intoMemorySegment(y, o0 + 4L * W, LE);
        a1.intoMemorySegment(y, o1, LE);
        b1.intoMemorySegment(y, o1 + 4L * W, LE);
        a2.intoMemorySegment(y, o2, LE);
        b2.intoMemorySegment(y, o2 + 4L * W, LE);
        a3.intoMemorySegment(y, o3, LE);
        b3.intoMemorySegment(y, o3 + 4L * W, LE);
        a4.intoMemorySegment(y, o4, LE);
        b4.intoMemorySegment(y, o4 + 4L * W, LE);
        a5.intoMemorySegment(y, o5, LE);
        b5.intoMemorySegment(y, o5 + 4L * W, LE);
    }
}
