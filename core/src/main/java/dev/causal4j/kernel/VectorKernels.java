package dev.causal4j.kernel;

import static dev.causal4j.kernel.ScalarKernels.LANES;

import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The twin of {@link ScalarKernels} on the Vector API: the same operations on W outputs at once, W being 4, 8 or 16.
 * One source serves every width.
 *
 * <p>Matrix products are in {@link VectorProducts}. Vectors live in locals only: in a field, an array or a lambda C2 would box them.
 */
final class VectorKernels implements KernelSet {
    private static final VectorSpecies<Float> S = VectorWidth.floats();
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final int W = S.length();

    /** Where a thread lays mean and inverse deviation down: no token allocates in a kernel. */
    private static final ThreadLocal<float[]> MOMENTS = ThreadLocal.withInitial(() -> new float[2]);

    @Override
    public String name() {
        return "vector" + S.vectorBitSize();
    }

    @Override
    public void multiplyF32(Panels w, Rows x, Rows y) {
        VectorProducts.multiplyF32(w, x, y);
    }

    @Override
    public void multiplyBf16(Panels w, Rows x, Rows y) {
        VectorProducts.multiplyBf16(w, x, y);
    }

    @Override
    public void multiplyInt8(Panels w, Rows x, Rows y) {
        VectorProducts.multiplyInt8(w, x, y);
    }

    @Override
    public int tileRows(int rows) {
        return VectorProducts.tileRows(rows);
    }

    @Override
    public int rowPanels(int bytes) {
        return VectorProducts.rowPanels(bytes);
    }

    @Override
    public void multiplyF32(Panels w, RowTiles x, Rows y) {
        VectorProducts.multiplyF32(w, x, y);
    }

    @Override
    public void multiplyBf16(Panels w, RowTiles x, Rows y) {
        VectorProducts.multiplyBf16(w, x, y);
    }

    @Override
    public void multiplyInt8(Panels w, RowTiles x, Rows y) {
        VectorProducts.multiplyInt8(w, x, y);
    }

    @Override
    public void addProductF32(Panels w, RowTiles x, MemorySegment y, long offset) {
        VectorTiles.addTiles(w, x, y, offset);
    }

    @Override
    public void fillTile(Rows x, int row, int height, int depth, float[] to, int at) {
        if (W < 8) {
            ScalarRowTiles.fill(x, row, height, 0, depth, to, at);
        } else {
            VectorRowTiles.fill(x, row, height, depth, to, at);
        }
    }

    @Override
    public void fillTilesAcross(Rows x, int columns, float[] to, int at, int stride) {
        if (W < 8) {
            ScalarRowTiles.fillAcross(x, 0, columns, to, at, stride);
        } else {
            VectorRowTiles.fillAcross(x, columns, to, at, stride);
        }
    }

    @Override
    public void transpose(MemorySegment from, long fromOffset, MemorySegment to, long toOffset) {
        if (W < 8) {
            ScalarBackward.transpose(from, fromOffset, to, toOffset);
        } else {
            VectorTransposition.transpose(from, fromOffset, to, toOffset);
        }
    }

    @Override
    public void dropoutFactors(DropoutMask mask, long block, int blocks, float[] factors) {
        VectorDropout.factors(mask, block, blocks, factors);
    }

    @Override
    public void adamW(AdamWStep step, AdamWStep.Numbers numbers) {
        VectorAdamW.update(step, numbers);
    }

    @Override
    public void addSquares(Panels w, double[] sums) {
        VectorBackward.addSquares(w, sums);
    }

    private static FloatVector f32(MemorySegment m, long offset) {
        return FloatVector.fromMemorySegment(S, m, offset, LE);
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
            a.intoArray(out, outOffset + i);
            b.intoArray(out, outOffset + i + W);
            c.intoArray(out, outOffset + i + 2 * W);
            d.intoArray(out, outOffset + i + 3 * W);
        }
        if (i < n) {
            addWeightedColumns(p, pOffset, count, v, vOffset, out, outOffset, i, n);
        }
    }

    /** Columns {@code from} on: fewer than a loop over several vectors takes. */
    private static void addWeightedColumns(
            float[] p,
            int pOffset,
            int count,
            MemorySegment v,
            long vOffset,
            float[] out,
            int outOffset,
            int from,
            int n) {
        int i = from;
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
    public void addFourWeightedRows(
            Rows p, int row, int from, int count, MemorySegment v, long vOffset, Rows out, int n) {
        float[] weights = p.data(), sums = out.data();
        int p0 = p.start(row) + from,
                p1 = p.start(row + 1) + from,
                p2 = p.start(row + 2) + from,
                p3 = p.start(row + 3) + from;
        int o0 = out.start(row), o1 = out.start(row + 1), o2 = out.start(row + 2), o3 = out.start(row + 3);
        int i = 0;
        for (; i + 2 * W <= n; i += 2 * W) {
            FloatVector a0 = FloatVector.fromArray(S, sums, o0 + i), b0 = FloatVector.fromArray(S, sums, o0 + i + W);
            FloatVector a1 = FloatVector.fromArray(S, sums, o1 + i), b1 = FloatVector.fromArray(S, sums, o1 + i + W);
            FloatVector a2 = FloatVector.fromArray(S, sums, o2 + i), b2 = FloatVector.fromArray(S, sums, o2 + i + W);
            FloatVector a3 = FloatVector.fromArray(S, sums, o3 + i), b3 = FloatVector.fromArray(S, sums, o3 + i + W);
            for (int t = 0; t < count; t++) {
                long at = vOffset + 4L * ((long) t * n + i);
                FloatVector a = f32(v, at), b = f32(v, at + 4L * W), weight;
                weight = FloatVector.broadcast(S, weights[p0 + t]);
                a0 = weight.fma(a, a0);
                b0 = weight.fma(b, b0);
                weight = FloatVector.broadcast(S, weights[p1 + t]);
                a1 = weight.fma(a, a1);
                b1 = weight.fma(b, b1);
                weight = FloatVector.broadcast(S, weights[p2 + t]);
                a2 = weight.fma(a, a2);
                b2 = weight.fma(b, b2);
                weight = FloatVector.broadcast(S, weights[p3 + t]);
                a3 = weight.fma(a, a3);
                b3 = weight.fma(b, b3);
            }
            a0.intoArray(sums, o0 + i);
            b0.intoArray(sums, o0 + i + W);
            a1.intoArray(sums, o1 + i);
            b1.intoArray(sums, o1 + i + W);
            a2.intoArray(sums, o2 + i);
            b2.intoArray(sums, o2 + i + W);
            a3.intoArray(sums, o3 + i);
            b3.intoArray(sums, o3 + i + W);
        }
        if (i < n) {
            for (int r = row; r < row + 4; r++) {
                addWeightedColumns(weights, p.start(r) + from, count, v, vOffset, sums, out.start(r), i, n);
            }
        }
    }

    @Override
    public void layerNorm(float[] x, int xOffset, float[] gain, float[] bias, float epsilon, float[] y, int yOffset) {
        int n = gain.length;
        float[] moments = MOMENTS.get();
        moments(x, xOffset, n, epsilon, moments, 0);
        float mean = moments[0];
        float scale = moments[1];
        FloatVector m = FloatVector.broadcast(S, mean);
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

    static void moments(float[] x, int offset, int n, float epsilon, float[] moments, int at) {
        float mean = VectorReductions.sum(x, offset, n) / n;
        int whole = n / LANES * LANES;
        FloatVector m = FloatVector.broadcast(S, mean);
        FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
        for (int i = offset; i < offset + whole; i += LANES) {
            a = addSquare(FloatVector.fromArray(S, x, i).sub(m), a);
            if (W < 16) {
                b = addSquare(FloatVector.fromArray(S, x, i + W).sub(m), b);
            }
            if (W < 8) {
                c = addSquare(FloatVector.fromArray(S, x, i + 2 * W).sub(m), c);
                d = addSquare(FloatVector.fromArray(S, x, i + 3 * W).sub(m), d);
            }
        }
        float[] lanes = VectorReductions.lanes(a, b, c, d);
        for (int i = whole; i < n; i++) {
            float e = x[offset + i] - mean;
            lanes[i % LANES] = Math.fma(e, e, lanes[i % LANES]);
        }
        moments[at] = mean;
        moments[at + 1] = ScalarKernels.inverseDeviation(ScalarKernels.tree(lanes), n, epsilon);
    }

    private static FloatVector addSquare(FloatVector v, FloatVector sum) {
        return v.fma(v, sum);
    }

    @Override
    public float expSum(float[] x, int offset, int n) {
        float max = max(x, offset, n);
        int whole = n / LANES * LANES;
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
        float[] lanes = VectorReductions.lanes(a, b, c, d);
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

    @Override
    public float max(float[] x, int offset, int n) {
        return VectorReductions.max(x, offset, n);
    }

    @Override
    public float expSum(float[] x, int offset, int n, float max) {
        return VectorReductions.expSum(x, offset, n, max);
    }

    @Override
    public float expMoment(float[] x, int offset, int n, float max) {
        return VectorReductions.expMoment(x, offset, n, max);
    }

    @Override
    public int countAtLeast(float[] x, int offset, int n, float threshold) {
        return VectorReductions.countAtLeast(x, offset, n, threshold);
    }

    @Override
    public float sum(float[] x, int offset, int n) {
        return VectorReductions.sum(x, offset, n);
    }

    @Override
    public void softmaxBackward(float[] x, int offset, int n, float max, float scale, float shift, float inverseCap) {
        VectorReductions.softmaxBackward(x, offset, n, max, scale, shift, inverseCap);
    }

    @Override
    public void layerNormBackward(
            float[] x, float[] dy, float[] dx, int offset, float[] gain, float epsilon, float[] moments, int at) {
        VectorBackward.layerNorm(x, dy, dx, offset, gain, epsilon, moments, at);
    }

    @Override
    public void geluBackward(float[] x, float[] dy, int offset, int n) {
        VectorBackward.gelu(x, dy, offset, n);
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
    public void add(float[] x, int xOffset, float[] y, int yOffset, int n) {
        int i = 0;
        for (; i + W <= n; i += W) {
            FloatVector.fromArray(S, y, yOffset + i)
                    .add(FloatVector.fromArray(S, x, xOffset + i))
                    .intoArray(y, yOffset + i);
        }
        for (; i < n; i++) {
            y[yOffset + i] += x[xOffset + i];
        }
    }

    @Override
    public void scale(float[] x, int xOffset, float[] y, int yOffset, int n) {
        int i = 0;
        for (; i + W <= n; i += W) {
            FloatVector.fromArray(S, y, yOffset + i)
                    .mul(FloatVector.fromArray(S, x, xOffset + i))
                    .intoArray(y, yOffset + i);
        }
        for (; i < n; i++) {
            y[yOffset + i] *= x[xOffset + i];
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

    static FloatVector exp(FloatVector x) {
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
