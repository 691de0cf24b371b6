package dev.causal4j.kernel;

import static dev.causal4j.kernel.ScalarKernels.LANES;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The twin of {@link ScalarKernels} on the Vector API: the same operations on W outputs at once, W being 4, 8 or 16.
 * One source serves every width, because panels are walked in groups of 4 W outputs.
 *
 * <p>Vectors live in locals only: in a field, an array or a lambda C2 would box them.
 */
final class VectorKernels implements KernelSet {
    private static final VectorSpecies<Float> S = VectorWidth.floats();
    private static final VectorSpecies<Integer> I = S.withLanes(int.class);
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final int W = S.length();

    /** Bytes of one step of k in a panel. */
    private static final int F32_STEP = 4 * Kernels.PANEL;

    private static final int BF16_STEP = 2 * Kernels.PANEL;

    /** Rows of the register tile: 6 x 2 accumulators, 2 weights and a broadcast fit the 16 registers of AVX2. */
    private static final int TILE = 6;

    @Override
    public String name() {
        return "vector" + S.vectorBitSize();
    }

    @Override
    public void multiplyF32(Panels w, Rows x, Rows y) {
        if (y.count() == 1) {
            int groups = w.count() * Kernels.PANEL / (4 * W);
            int g = 0;
            for (; g + 2 <= groups; g += 2) {
                rowF32(w, group(w, g, 4), group(w, g + 1, 4), x.data(), x.offset(), y.data(), y.offset() + g * 4 * W);
            }
            if (g < groups) {
                rowF32(w, group(w, g, 4), x.data(), x.offset(), y.data(), y.offset() + g * 4 * W);
            }
            return;
        }
        for (int p = 0; p < w.count(); p++) {
            for (int r = 0; r < y.count(); r += TILE) {
                for (int j = 0; j < Kernels.PANEL; j += 2 * W) {
                    tileF32(w, w.offset() + p * w.stride() + j * 4L, x, y, r, p * Kernels.PANEL + j);
                }
            }
        }
    }

    /** Byte offset of group {@code g} of 4 W outputs. */
    private static long group(Panels w, int g, int bytes) {
        int output = g * 4 * W;
        return w.offset() + output / Kernels.PANEL * w.stride() + output % Kernels.PANEL * (long) bytes;
    }

    private static FloatVector f32(MemorySegment m, long offset) {
        return FloatVector.fromMemorySegment(S, m, offset, LE);
    }

    /** One row against two groups: eight chains hide the latency of the multiply-add. */
    private static void rowF32(Panels w, long p, long q, float[] x, int xOffset, float[] y, int out) {
        MemorySegment m = w.data();
        FloatVector a = FloatVector.zero(S), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
        for (int k = 0; k < w.depth(); k++) {
            long o = p + (long) k * F32_STEP;
            long u = q + (long) k * F32_STEP;
            FloatVector v = FloatVector.broadcast(S, x[xOffset + k]);
            a = v.fma(f32(m, o), a);
            b = v.fma(f32(m, o + 4L * W), b);
            c = v.fma(f32(m, o + 8L * W), c);
            d = v.fma(f32(m, o + 12L * W), d);
            e = v.fma(f32(m, u), e);
            f = v.fma(f32(m, u + 4L * W), f);
            g = v.fma(f32(m, u + 8L * W), g);
            h = v.fma(f32(m, u + 12L * W), h);
        }
        a.intoArray(y, out);
        b.intoArray(y, out + W);
        c.intoArray(y, out + 2 * W);
        d.intoArray(y, out + 3 * W);
        e.intoArray(y, out + 4 * W);
        f.intoArray(y, out + 5 * W);
        g.intoArray(y, out + 6 * W);
        h.intoArray(y, out + 7 * W);
    }

    private static void rowF32(Panels w, long p, float[] x, int xOffset, float[] y, int out) {
        MemorySegment m = w.data();
        FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
        for (int k = 0; k < w.depth(); k++) {
            long o = p + (long) k * F32_STEP;
            FloatVector v = FloatVector.broadcast(S, x[xOffset + k]);
            a = v.fma(f32(m, o), a);
            b = v.fma(f32(m, o + 4L * W), b);
            c = v.fma(f32(m, o + 8L * W), c);
            d = v.fma(f32(m, o + 12L * W), d);
        }
        a.intoArray(y, out);
        b.intoArray(y, out + W);
        c.intoArray(y, out + 2 * W);
        d.intoArray(y, out + 3 * W);
    }

    /**
     * Six rows from {@code row} on against 2 W outputs. Rows past the last repeat the last: what they compute is what
     * they would store there anyway, so nothing has to be told apart.
     */
    private static void tileF32(Panels w, long p, Rows x, Rows y, int row, int out) {
        MemorySegment m = w.data();
        float[] xs = x.data();
        int last = y.count() - 1;
        int x0 = x.start(row), x1 = x.start(Math.min(row + 1, last)), x2 = x.start(Math.min(row + 2, last));
        int x3 = x.start(Math.min(row + 3, last)),
                x4 = x.start(Math.min(row + 4, last)),
                x5 = x.start(Math.min(row + 5, last));
        FloatVector z = FloatVector.zero(S);
        FloatVector a0 = z, b0 = z, a1 = z, b1 = z, a2 = z, b2 = z, a3 = z, b3 = z, a4 = z, b4 = z, a5 = z, b5 = z;
        for (int k = 0; k < w.depth(); k++) {
            long o = p + (long) k * F32_STEP;
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
        float[] ys = y.data();
        store(ys, y.start(row) + out, W, a0, b0);
        store(ys, y.start(Math.min(row + 1, last)) + out, W, a1, b1);
        store(ys, y.start(Math.min(row + 2, last)) + out, W, a2, b2);
        store(ys, y.start(Math.min(row + 3, last)) + out, W, a3, b3);
        store(ys, y.start(Math.min(row + 4, last)) + out, W, a4, b4);
        store(ys, y.start(Math.min(row + 5, last)) + out, W, a5, b5);
    }

    private static void store(float[] y, int offset, int gap, FloatVector a, FloatVector b) {
        a.intoArray(y, offset);
        b.intoArray(y, offset + gap);
    }

    @Override
    public void multiplyBf16(Panels w, Rows x, Rows y) {
        for (int p = 0; p < w.count(); p++) {
            long panel = w.offset() + p * w.stride();
            if (y.count() == 1) {
                for (int word = 0; word < Kernels.PANEL / 2; word += 2 * W) {
                    rowBf16(w, panel, word, x.data(), x.offset(), y.data(), y.offset() + p * Kernels.PANEL);
                }
                continue;
            }
            for (int r = 0; r < y.count(); r += TILE) {
                for (int word = 0; word < Kernels.PANEL / 2; word += W) {
                    tileBf16(w, panel + word * 4L, x, y, r, p * Kernels.PANEL + lowOutput(word));
                }
            }
        }
    }

    /** The output in the low half of a word; the high half holds the one 16 further on. */
    private static int lowOutput(int word) {
        return word / 16 * 32 + word % 16;
    }

    private static IntVector words(MemorySegment m, long offset) {
        return IntVector.fromMemorySegment(I, m, offset, LE);
    }

    private static FloatVector low(IntVector words) {
        return words.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
    }

    private static FloatVector high(IntVector words) {
        return words.and(0xffff0000).reinterpretAsFloats();
    }

    private static void rowBf16(Panels w, long panel, int word, float[] x, int xOffset, float[] y, int out) {
        MemorySegment m = w.data();
        FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
        for (int k = 0; k < w.depth(); k++) {
            long o = panel + word * 4L + (long) k * BF16_STEP;
            FloatVector v = FloatVector.broadcast(S, x[xOffset + k]);
            IntVector first = words(m, o), second = words(m, o + 4L * W);
            a = v.fma(low(first), a);
            b = v.fma(high(first), b);
            c = v.fma(low(second), c);
            d = v.fma(high(second), d);
        }
        store(y, out + lowOutput(word), 16, a, b);
        store(y, out + lowOutput(word + W), 16, c, d);
    }

    private static void tileBf16(Panels w, long p, Rows x, Rows y, int row, int out) {
        MemorySegment m = w.data();
        float[] xs = x.data();
        int last = y.count() - 1;
        int x0 = x.start(row), x1 = x.start(Math.min(row + 1, last)), x2 = x.start(Math.min(row + 2, last));
        int x3 = x.start(Math.min(row + 3, last)),
                x4 = x.start(Math.min(row + 4, last)),
                x5 = x.start(Math.min(row + 5, last));
        FloatVector z = FloatVector.zero(S);
        FloatVector a0 = z, b0 = z, a1 = z, b1 = z, a2 = z, b2 = z, a3 = z, b3 = z, a4 = z, b4 = z, a5 = z, b5 = z;
        for (int k = 0; k < w.depth(); k++) {
            IntVector both = words(m, p + (long) k * BF16_STEP);
            FloatVector a = low(both), b = high(both), v;
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
        float[] ys = y.data();
        store(ys, y.start(row) + out, 16, a0, b0);
        store(ys, y.start(Math.min(row + 1, last)) + out, 16, a1, b1);
        store(ys, y.start(Math.min(row + 2, last)) + out, 16, a2, b2);
        store(ys, y.start(Math.min(row + 3, last)) + out, 16, a3, b3);
        store(ys, y.start(Math.min(row + 4, last)) + out, 16, a4, b4);
        store(ys, y.start(Math.min(row + 5, last)) + out, 16, a5, b5);
    }

    @Override
    public void addWeightedRows(
            float[] p, int pOffset, int count, MemorySegment v, long vOffset, float[] out, int outOffset, int n) {
        int i = 0;
        for (; i + 4 * W <= n; i += 4 * W) {
            FloatVector a = FloatVector.fromArray(S, out, outOffset + i);
            FloatVector b = FloatVector.fromArray(S, out, outOffset + i + W);
            FloatVector c = FloatVector.fromArray(S, out, outOffset + i + 2 * W);
            FloatVector d = FloatVector.fromArray(S, out, outOffset + i + 3 * W);
            for (int t = 0; t < count; t++) {
                long o = vOffset + 4L * ((long) t * n + i);
                FloatVector weight = FloatVector.broadcast(S, p[pOffset + t]);
                a = weight.fma(f32(v, o), a);
                b = weight.fma(f32(v, o + 4L * W), b);
                c = weight.fma(f32(v, o + 8L * W), c);
                d = weight.fma(f32(v, o + 12L * W), d);
            }
            store(out, outOffset + i, W, a, b);
            store(out, outOffset + i + 2 * W, W, c, d);
        }
        for (; i + W <= n; i += W) {
            FloatVector a = FloatVector.fromArray(S, out, outOffset + i);
            for (int t = 0; t < count; t++) {
                FloatVector weight = FloatVector.broadcast(S, p[pOffset + t]);
                a = weight.fma(f32(v, vOffset + 4L * ((long) t * n + i)), a);
            }
            a.intoArray(out, outOffset + i);
        }
        for (; i < n; i++) {
            float a = out[outOffset + i];
            for (int t = 0; t < count; t++) {
                a = Math.fma(p[pOffset + t], v.get(ScalarKernels.FLOAT, vOffset + 4L * ((long) t * n + i)), a);
            }
            out[outOffset + i] = a;
        }
    }

    @Override
    public void layerNorm(float[] x, int xOffset, float[] gain, float[] bias, float epsilon, float[] y, int yOffset) {
        int n = gain.length;
        int whole = n / LANES * LANES;
        float[] lanes = new float[LANES];
        FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
        for (int i = xOffset; i < xOffset + whole; i += LANES) {
            a = a.add(FloatVector.fromArray(S, x, i));
            if (W < 16) {
                b = b.add(FloatVector.fromArray(S, x, i + W));
            }
            if (W < 8) {
                c = c.add(FloatVector.fromArray(S, x, i + 2 * W));
                d = d.add(FloatVector.fromArray(S, x, i + 3 * W));
            }
        }
        storeLanes(lanes, a, b, c, d);
        for (int i = whole; i < n; i++) {
            lanes[i % LANES] += x[xOffset + i];
        }
        float mean = ScalarKernels.tree(lanes) / n;

        FloatVector m = FloatVector.broadcast(S, mean);
        a = FloatVector.zero(S);
        b = a;
        c = a;
        d = a;
        for (int i = xOffset; i < xOffset + whole; i += LANES) {
            a = addSquare(FloatVector.fromArray(S, x, i).sub(m), a);
            if (W < 16) {
                b = addSquare(FloatVector.fromArray(S, x, i + W).sub(m), b);
            }
            if (W < 8) {
                c = addSquare(FloatVector.fromArray(S, x, i + 2 * W).sub(m), c);
                d = addSquare(FloatVector.fromArray(S, x, i + 3 * W).sub(m), d);
            }
        }
        Arrays.fill(lanes, 0f);
        storeLanes(lanes, a, b, c, d);
        for (int i = whole; i < n; i++) {
            float e = x[xOffset + i] - mean;
            lanes[i % LANES] = Math.fma(e, e, lanes[i % LANES]);
        }
        float scale = ScalarKernels.inverseDeviation(ScalarKernels.tree(lanes), n, epsilon);

        int i = 0;
        for (; i + W <= n; i += W) {
            FloatVector.fromArray(S, x, xOffset + i)
                    .sub(m)
                    .mul(scale)
                    .fma(FloatVector.fromArray(S, gain, i), FloatVector.fromArray(S, bias, i))
                    .intoArray(y, yOffset + i);
        }
        for (; i < n; i++) {
            y[yOffset + i] = Math.fma((x[xOffset + i] - mean) * scale, gain[i], bias[i]);
        }
    }

    private static FloatVector addSquare(FloatVector v, FloatVector sum) {
        return v.fma(v, sum);
    }

    private static void storeLanes(float[] lanes, FloatVector a, FloatVector b, FloatVector c, FloatVector d) {
        a.intoArray(lanes, 0);
        if (W < 16) {
            b.intoArray(lanes, W);
        }
        if (W < 8) {
            c.intoArray(lanes, 2 * W);
            d.intoArray(lanes, 3 * W);
        }
    }

    @Override
    public float expSum(float[] x, int offset, int n) {
        float max = max(x, offset, n);
        int whole = n / LANES * LANES;
        float[] lanes = new float[LANES];
        FloatVector m = FloatVector.broadcast(S, max);
        FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
        for (int i = offset; i < offset + whole; i += LANES) {
            a = a.add(expInPlace(x, i, m));
            if (W < 16) {
                b = b.add(expInPlace(x, i + W, m));
            }
            if (W < 8) {
                c = c.add(expInPlace(x, i + 2 * W, m));
                d = d.add(expInPlace(x, i + 3 * W, m));
            }
        }
        storeLanes(lanes, a, b, c, d);
        for (int i = whole; i < n; i++) {
            x[offset + i] = ScalarKernels.exp(x[offset + i] - max);
            lanes[i % LANES] += x[offset + i];
        }
        return ScalarKernels.tree(lanes);
    }

    private static FloatVector expInPlace(float[] x, int i, FloatVector max) {
        FloatVector e = exp(FloatVector.fromArray(S, x, i).sub(max));
        e.intoArray(x, i);
        return e;
    }

    private static float max(float[] x, int offset, int n) {
        FloatVector m = FloatVector.broadcast(S, Float.NEGATIVE_INFINITY);
        int i = 0;
        for (; i + W <= n; i += W) {
            m = m.max(FloatVector.fromArray(S, x, offset + i));
        }
        float max = m.reduceLanes(VectorOperators.MAX);
        for (; i < n; i++) {
            max = Math.max(max, x[offset + i]);
        }
        return max;
    }

    @Override
    public void gelu(float[] x, int offset, int n) {
        int i = offset;
        for (; i + W <= offset + n; i += W) {
            FloatVector v = FloatVector.fromArray(S, x, i);
            FloatVector u = v.mul(ScalarKernels.GELU_CUBE).mul(v).fma(v, v).mul(ScalarKernels.GELU_SCALE);
            v.div(exp(u.add(u).neg()).add(1f)).intoArray(x, i);
        }
        for (; i < offset + n; i++) {
            x[i] = ScalarKernels.gelu(x[i]);
        }
    }

    @Override
    public void exp(float[] x, int offset, int n) {
        int i = offset;
        for (; i + W <= offset + n; i += W) {
            exp(FloatVector.fromArray(S, x, i)).intoArray(x, i);
        }
        for (; i < offset + n; i++) {
            x[i] = ScalarKernels.exp(x[i]);
        }
    }

    @Override
    public void tanh(float[] x, int offset, int n) {
        int i = offset;
        for (; i + W <= offset + n; i += W) {
            tanh(FloatVector.fromArray(S, x, i)).intoArray(x, i);
        }
        for (; i < offset + n; i++) {
            x[i] = ScalarKernels.tanh(x[i]);
        }
    }

    private static FloatVector exp(FloatVector x) {
        FloatVector low = FloatVector.broadcast(S, ScalarKernels.EXP_MIN);
        FloatVector high = FloatVector.broadcast(S, ScalarKernels.EXP_MAX);
        FloatVector bounded = x.blend(low, x.compare(VectorOperators.LT, low));
        bounded = bounded.blend(high, bounded.compare(VectorOperators.GT, high));
        FloatVector shifted = bounded.fma(
                FloatVector.broadcast(S, ScalarKernels.LOG2_E), FloatVector.broadcast(S, ScalarKernels.ROUND));
        FloatVector n = shifted.sub(ScalarKernels.ROUND);
        FloatVector r = n.fma(FloatVector.broadcast(S, -ScalarKernels.LN2_HIGH), bounded);
        r = n.fma(FloatVector.broadcast(S, -ScalarKernels.LN2_LOW), r);
        FloatVector q =
                FloatVector.broadcast(S, ScalarKernels.EXP_6).fma(r, FloatVector.broadcast(S, ScalarKernels.EXP_5));
        q = q.fma(r, FloatVector.broadcast(S, ScalarKernels.EXP_4));
        q = q.fma(r, FloatVector.broadcast(S, ScalarKernels.EXP_3));
        q = q.fma(r, FloatVector.broadcast(S, ScalarKernels.EXP_2));
        FloatVector one = FloatVector.broadcast(S, 1f);
        FloatVector p = q.fma(r, one).fma(r, one);
        IntVector power = shifted.reinterpretAsInts().sub(Float.floatToRawIntBits(ScalarKernels.ROUND));
        IntVector half = power.lanewise(VectorOperators.ASHR, 1);
        return p.mul(powerOfTwo(half)).mul(powerOfTwo(power.sub(half)));
    }

    private static FloatVector powerOfTwo(IntVector n) {
        return n.add(127).lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats();
    }

    private static FloatVector tanh(FloatVector x) {
        FloatVector a = x.abs();
        FloatVector z = a.mul(a);
        FloatVector p =
                FloatVector.broadcast(S, ScalarKernels.TANH_5).fma(z, FloatVector.broadcast(S, ScalarKernels.TANH_4));
        p = p.fma(z, FloatVector.broadcast(S, ScalarKernels.TANH_3));
        p = p.fma(z, FloatVector.broadcast(S, ScalarKernels.TANH_2));
        p = p.fma(z, FloatVector.broadcast(S, ScalarKernels.TANH_1));
        FloatVector small = a.mul(z).fma(p, a);
        FloatVector one = FloatVector.broadcast(S, 1f);
        FloatVector large =
                one.sub(FloatVector.broadcast(S, 2f).div(exp(a.add(a)).add(one)));
        VectorMask<Float> isSmall = a.compare(VectorOperators.LT, ScalarKernels.TANH_SMALL);
        IntVector sign = x.reinterpretAsInts().and(0x80000000);
        return large.blend(small, isSmall).reinterpretAsInts().or(sign).reinterpretAsFloats();
    }
}
