package dev.causal4j.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Matrix products on panels with W = 4, 8 or 16 lanes over outputs.
 *
 * <p>One row is limited by how fast weights are read: each dtype has a loop of its own that widens in registers. Several
 * rows are limited by multiply-adds: a panel is widened to f32 once, into scratch that the second-level cache holds, and
 * then serves all rows, six at a time. Larger tiles were measured to be slower
 * (docs/results/2026-11-24.md).
 */
final class VectorProducts {
    private static final VectorSpecies<Float> S = VectorWidth.floats();
    private static final VectorSpecies<Integer> I = S.withLanes(int.class);
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final int W = S.length();

    // Bytes of one step of k in a panel.
    private static final int F32_STEP = 4 * Panels.WIDTH;
    private static final int BF16_STEP = 2 * Panels.WIDTH;
    private static final int INT8_STEP = Panels.WIDTH;

    /** Rows of the register tile: 6 x 2 accumulators, 2 weights and a broadcast fit the 16 registers of AVX2. */
    private static final int TILE = 6;

    /** Where a thread widens a panel to. */
    private static final ThreadLocal<MemorySegment> WIDE = ThreadLocal.withInitial(() -> MemorySegment.NULL);

    private VectorProducts() {}

    static void multiplyF32(Panels w, Rows x, Rows y) {
        if (y.count() > 1) {
            for (int p = 0; p < w.count(); p++) {
                tiles(w.data(), w.offset() + p * w.stride(), w.depth(), x, y, p * Panels.WIDTH);
            }
            return;
        }
        int groups = w.count() * (Panels.WIDTH / (4 * W));
        for (int g = 0; g < groups; g += 2) {
            // An odd group at the end is paired with itself: the same results are stored twice.
            int h = Math.min(g + 1, groups - 1);
            rowF32(w, group(w, g), group(w, h), x, y.data(), y.offset() + g * 4 * W, y.offset() + h * 4 * W);
        }
    }

    static void multiplyBf16(Panels w, Rows x, Rows y) {
        for (int p = 0; p < w.count(); p++) {
            long panel = w.offset() + p * w.stride();
            if (y.count() > 1) {
                MemorySegment wide = wide(w.depth());
                widenBf16(w.data(), panel, w.depth(), wide);
                tiles(wide, 0, w.depth(), x, y, p * Panels.WIDTH);
                continue;
            }
            for (int word = 0; word < Panels.WIDTH / 2; word += 2 * W) {
                rowBf16(w, panel + word * 4L, x, y.data(), y.offset() + p * Panels.WIDTH + lowOutput(word));
            }
        }
    }

    static void multiplyInt8(Panels w, Rows x, Rows y) {
        for (int p = 0; p < w.count(); p++) {
            long panel = w.offset() + p * w.stride();
            if (y.count() > 1) {
                MemorySegment wide = wide(w.depth());
                widenInt8(w.data(), panel, w.depth(), wide);
                tiles(wide, 0, w.depth(), x, y, p * Panels.WIDTH);
                continue;
            }
            for (int word = 0; word < 16; word += W) {
                rowInt8(w, panel + word * 4L, x, y.data(), y.offset() + p * Panels.WIDTH + word);
            }
        }
    }

    /** This thread's scratch for one f32 panel. */
    private static MemorySegment wide(int depth) {
        MemorySegment scratch = WIDE.get();
        if (scratch.byteSize() < (long) depth * F32_STEP) {
            scratch = Arena.ofAuto().allocate((long) depth * F32_STEP, 64);
            WIDE.set(scratch);
        }
        return scratch;
    }

    /** Byte offset of group {@code g} of 4 W outputs in f32 panels. */
    private static long group(Panels w, int g) {
        int output = g * 4 * W;
        return w.offset() + output / Panels.WIDTH * w.stride() + output % Panels.WIDTH * 4L;
    }

    private static FloatVector f32(MemorySegment m, long offset) {
        return FloatVector.fromMemorySegment(S, m, offset, LE);
    }

    private static IntVector words(MemorySegment m, long offset) {
        return IntVector.fromMemorySegment(I, m, offset, LE);
    }

    /** One row against two groups, two steps at a time: with one step the loop reads a third less. */
    private static void rowF32(Panels w, long p, long q, Rows x, float[] y, int outP, int outQ) {
        MemorySegment m = w.data();
        float[] xs = x.data();
        int start = x.offset();
        int depth = w.depth();
        FloatVector a = FloatVector.zero(S), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
        int k = 0;
        for (; k + 2 <= depth; k += 2) {
            long o = p + (long) k * F32_STEP;
            long u = q + (long) k * F32_STEP;
            FloatVector v = FloatVector.broadcast(S, xs[start + k]);
            a = v.fma(f32(m, o), a);
            b = v.fma(f32(m, o + 4L * W), b);
            c = v.fma(f32(m, o + 8L * W), c);
            d = v.fma(f32(m, o + 12L * W), d);
            e = v.fma(f32(m, u), e);
            f = v.fma(f32(m, u + 4L * W), f);
            g = v.fma(f32(m, u + 8L * W), g);
            h = v.fma(f32(m, u + 12L * W), h);
            v = FloatVector.broadcast(S, xs[start + k + 1]);
            a = v.fma(f32(m, o + F32_STEP), a);
            b = v.fma(f32(m, o + F32_STEP + 4L * W), b);
            c = v.fma(f32(m, o + F32_STEP + 8L * W), c);
            d = v.fma(f32(m, o + F32_STEP + 12L * W), d);
            e = v.fma(f32(m, u + F32_STEP), e);
            f = v.fma(f32(m, u + F32_STEP + 4L * W), f);
            g = v.fma(f32(m, u + F32_STEP + 8L * W), g);
            h = v.fma(f32(m, u + F32_STEP + 12L * W), h);
        }
        if (k < depth) {
            long o = p + (long) k * F32_STEP;
            long u = q + (long) k * F32_STEP;
            FloatVector v = FloatVector.broadcast(S, xs[start + k]);
            a = v.fma(f32(m, o), a);
            b = v.fma(f32(m, o + 4L * W), b);
            c = v.fma(f32(m, o + 8L * W), c);
            d = v.fma(f32(m, o + 12L * W), d);
            e = v.fma(f32(m, u), e);
            f = v.fma(f32(m, u + 4L * W), f);
            g = v.fma(f32(m, u + 8L * W), g);
            h = v.fma(f32(m, u + 12L * W), h);
        }
        store(y, outP, W, a, b);
        store(y, outP + 2 * W, W, c, d);
        store(y, outQ, W, e, f);
        store(y, outQ + 2 * W, W, g, h);
    }

    private static void store(float[] y, int offset, int gap, FloatVector a, FloatVector b) {
        a.intoArray(y, offset);
        b.intoArray(y, offset + gap);
    }

    /** The output in the low half of a bf16 word; the high half holds the one 16 further on. */
    private static int lowOutput(int word) {
        return word / 16 * 32 + word % 16;
    }

    private static FloatVector low(IntVector words) {
        return words.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
    }

    private static FloatVector high(IntVector words) {
        return words.and(0xffff0000).reinterpretAsFloats();
    }

    /** One row against 2 W words of bf16. */
    private static void rowBf16(Panels w, long p, Rows x, float[] y, int out) {
        MemorySegment m = w.data();
        float[] xs = x.data();
        int start = x.offset();
        FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
        for (int k = 0; k < w.depth(); k++) {
            long o = p + (long) k * BF16_STEP;
            FloatVector v = FloatVector.broadcast(S, xs[start + k]);
            IntVector first = words(m, o), second = words(m, o + 4L * W);
            a = v.fma(low(first), a);
            b = v.fma(high(first), b);
            c = v.fma(low(second), c);
            d = v.fma(high(second), d);
        }
        store(y, out, 16, a, b);
        // The second vector of words goes on where the first ends: 2 W further in a half of 16, or in the next half.
        store(y, out + (W == 16 ? 32 : W), 16, c, d);
    }

    /** Byte {@code 3 - shift / 8} of each word as a signed number. */
    private static FloatVector int8(IntVector words, int shift) {
        return (FloatVector) words.lanewise(VectorOperators.LSHL, shift)
                .lanewise(VectorOperators.ASHR, 24)
                .convert(VectorOperators.I2F, 0);
    }

    /** One row against W words of int8: outputs j, j + 16, j + 32, j + 48. */
    private static void rowInt8(Panels w, long p, Rows x, float[] y, int out) {
        MemorySegment m = w.data();
        float[] xs = x.data();
        int start = x.offset();
        FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
        for (int k = 0; k < w.depth(); k++) {
            FloatVector v = FloatVector.broadcast(S, xs[start + k]);
            IntVector word = words(m, p + (long) k * INT8_STEP);
            a = v.fma(int8(word, 24), a);
            b = v.fma(int8(word, 16), b);
            c = v.fma(int8(word, 8), c);
            d = v.fma(int8(word, 0), d);
        }
        store(y, out, 16, a, b);
        store(y, out + 32, 16, c, d);
    }

    private static void widenBf16(MemorySegment m, long block, int steps, MemorySegment wide) {
        for (int s = 0; s < steps; s++) {
            for (int word = 0; word < Panels.WIDTH / 2; word += W) {
                IntVector both = words(m, block + (long) s * BF16_STEP + word * 4L);
                long to = (long) s * F32_STEP + lowOutput(word) * 4L;
                low(both).intoMemorySegment(wide, to, LE);
                high(both).intoMemorySegment(wide, to + 64, LE);
            }
        }
    }

    private static void widenInt8(MemorySegment m, long block, int steps, MemorySegment wide) {
        for (int s = 0; s < steps; s++) {
            for (int word = 0; word < 16; word += W) {
                IntVector four = words(m, block + (long) s * INT8_STEP + word * 4L);
                long to = (long) s * F32_STEP + word * 4L;
                int8(four, 24).intoMemorySegment(wide, to, LE);
                int8(four, 16).intoMemorySegment(wide, to + 64, LE);
                int8(four, 8).intoMemorySegment(wide, to + 128, LE);
                int8(four, 0).intoMemorySegment(wide, to + 192, LE);
            }
        }
    }

    /** All rows against one f32 panel. */
    private static void tiles(MemorySegment m, long panel, int depth, Rows x, Rows y, int out) {
        for (int r = 0; r < y.count(); r += TILE) {
            for (int j = 0; j < Panels.WIDTH; j += 2 * W) {
                tile(m, panel + j * 4L, depth, x, y, r, out + j);
            }
        }
    }

    /**
     * Six rows from {@code row} on against 2 W outputs. Rows past the last repeat the last: what they compute is what
     * they would store there anyway, so nothing has to be told apart.
     */
    private static void tile(MemorySegment m, long panel, int depth, Rows x, Rows y, int row, int out) {
        float[] xs = x.data();
        float[] ys = y.data();
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
        store(ys, y.start(row) + out, W, a0, b0);
        store(ys, y.start(r1) + out, W, a1, b1);
        store(ys, y.start(r2) + out, W, a2, b2);
        store(ys, y.start(r3) + out, W, a3, b3);
        store(ys, y.start(r4) + out, W, a4, b4);
        store(ys, y.start(r5) + out, W, a5, b5);
    }
}
