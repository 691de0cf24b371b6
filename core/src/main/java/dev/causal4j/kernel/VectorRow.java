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
 * One row of x against two runs of weights at once, which the memory serves faster than one. Each output is one chain over
 * k in a lane of its own.
 */
final class VectorRow {
    private VectorRow() {}

    /** Two groups of 4 W outputs, two steps at a time: with one step the loop reads a third less. */
    static void rowF32(Panels w, long p, long q, Rows x, Rows y, int outP, int outQ) {
        MemorySegment m = w.data();
        float[] xs = x.data();
        int start = x.offset();
        int depth = w.depth();
        FloatVector a = FloatVector.zero(S), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
        int k = 0;
        int one = VectorProducts.one;
        for (; k + 2 <= depth; k += 2 * one) {
            long o = p + (long) k * F32_STEP;
            long u = q + (long) k * F32_STEP;
            FloatVector v = broadcast(xs[start + k]);
            a = v.fma(f32(m, o), a);
            b = v.fma(f32(m, o + 4L * W), b);
            c = v.fma(f32(m, o + 8L * W), c);
            d = v.fma(f32(m, o + 12L * W), d);
            e = v.fma(f32(m, u), e);
            f = v.fma(f32(m, u + 4L * W), f);
            g = v.fma(f32(m, u + 8L * W), g);
            h = v.fma(f32(m, u + 12L * W), h);
            v = broadcast(xs[start + k + 1]);
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
            FloatVector v = broadcast(xs[start + k]);
            a = v.fma(f32(m, o), a);
            b = v.fma(f32(m, o + 4L * W), b);
            c = v.fma(f32(m, o + 8L * W), c);
            d = v.fma(f32(m, o + 12L * W), d);
            e = v.fma(f32(m, u), e);
            f = v.fma(f32(m, u + 4L * W), f);
            g = v.fma(f32(m, u + 8L * W), g);
            h = v.fma(f32(m, u + 12L * W), h);
        }
        store(y, outP, W, 2 * W, a, b, c, d);
        store(y, outQ, W, 2 * W, e, f, g, h);
    }

    /** Two panels, of each 2 W words of bf16. */
    static void rowBf16(Panels w, long p, long q, Rows x, Rows y, int outP, int outQ) {
        MemorySegment m = w.data();
        float[] xs = x.data();
        int start = x.offset();
        int depth = w.depth();
        FloatVector a = FloatVector.zero(S), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
        int one = VectorProducts.one;
        for (int k = 0; k < depth; k += one) {
            long o = p + (long) k * BF16_STEP;
            long u = q + (long) k * BF16_STEP;
            IntVector first, second;
            FloatVector v = broadcast(xs[start + k]);
            first = words(m, o);
            second = words(m, o + 4L * W);
            a = v.fma(low(first), a);
            b = v.fma(high(first), b);
            c = v.fma(low(second), c);
            d = v.fma(high(second), d);
            first = words(m, u);
            second = words(m, u + 4L * W);
            e = v.fma(low(first), e);
            f = v.fma(high(first), f);
            g = v.fma(low(second), g);
            h = v.fma(high(second), h);
        }
        // The second vector of words goes on where the first ends: W further in a half of 16, or in the next half.
        store(y, outP, 16, W == 16 ? 32 : W, a, b, c, d);
        store(y, outQ, 16, W == 16 ? 32 : W, e, f, g, h);
    }

    /** Two panels, of each W words of int8: outputs j, j + 16, j + 32, j + 48. */
    static void rowInt8(Panels w, long p, long q, Rows x, Rows y, int outP, int outQ) {
        MemorySegment m = w.data();
        float[] xs = x.data();
        int start = x.offset();
        int depth = w.depth();
        FloatVector a = FloatVector.zero(S), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
        int one = VectorProducts.one;
        for (int k = 0; k < depth; k += one) {
            long o = p + (long) k * INT8_STEP;
            long u = q + (long) k * INT8_STEP;
            IntVector word;
            FloatVector v = broadcast(xs[start + k]);
            word = words(m, o);
            a = v.fma(int8(word, 24), a);
            b = v.fma(int8(word, 16), b);
            c = v.fma(int8(word, 8), c);
            d = v.fma(int8(word, 0), d);
            word = words(m, u);
            e = v.fma(int8(word, 24), e);
            f = v.fma(int8(word, 16), f);
            g = v.fma(int8(word, 8), g);
            h = v.fma(int8(word, 0), h);
        }
        store(y, outP, 16, 32, a, b, c, d);
        store(y, outQ, 16, 32, e, f, g, h);
    }

    /** Stores two pairs: a and b {@code gap} apart, c and d as well, {@code next} after a and b. */
    private static void store(
            Rows y, int out, int gap, int next, FloatVector a, FloatVector b, FloatVector c, FloatVector d) {
        float[] ys = y.data();
        int to = y.offset() + out;
        a.intoArray(ys, to);
        b.intoArray(ys, to + gap);
        c.intoArray(ys, to + next);
        d.intoArray(ys, to + next + gap);
    }
}
