package dev.causal4j.kernel;

import static dev.causal4j.kernel.Lanes.LE;
import static dev.causal4j.kernel.Lanes.S;
import static dev.causal4j.kernel.Lanes.W;
import static dev.causal4j.kernel.Lanes.at;
import static dev.causal4j.kernel.Lanes.f32;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * The twin of {@link Elementwise} on the Vector API: W numbers at once, with W = 4, 8 or 16; the specification computes
 * the rest of a row. Vectors are kept in locals only: in a field, an array or a lambda C2 would box them.
 */
final class VectorElementwise extends Elementwise {
    /** Leaves an exponent with twice the bias: each of two factors gets half of it. */
    private static final int BIASED = Float.floatToRawIntBits(Elementary.ROUND) - 2 * 127;

    @Override
    public void tanh(float[] x, int offset, int n) {
        int i = offset;
        for (; i + W <= offset + n; i += W) {
            tanh(at(x, i)).intoArray(x, i);
        }
        super.tanh(x, i, offset + n - i);
    }

    @Override
    public void swish(float[] x, int offset, int n, float scale, float cube) {
        int i = offset;
        for (; i + W <= offset + n; i += W) {
            FloatVector v = at(x, i);
            FloatVector u = v.mul(cube).mul(v).fma(v, v).mul(scale);
            v.div(exp(u.add(u).neg()).add(1f)).intoArray(x, i);
        }
        super.swish(x, i, offset + n - i, scale, cube);
    }

    @Override
    public void sigmoid(float[] x, int offset, int n) {
        FloatVector one = FloatVector.broadcast(S, 1f);
        int i = offset;
        for (; i + W <= offset + n; i += W) {
            one.div(exp(at(x, i).neg()).add(one)).intoArray(x, i);
        }
        super.sigmoid(x, i, offset + n - i);
    }

    @Override
    public void swishBackward(float[] x, float[] dy, int offset, int n, float scale, float cube) {
        FloatVector one = FloatVector.broadcast(S, 1f);
        int i = offset;
        for (; i + W <= offset + n; i += W) {
            FloatVector v = at(x, i);
            FloatVector u = v.mul(cube).mul(v).fma(v, v).mul(scale);
            FloatVector s = one.div(exp(u.add(u).neg()).add(one));
            FloatVector slope = v.mul(3 * cube).fma(v, one).mul(scale);
            v.mul(s).mul(one.sub(s)).fma(slope.add(slope), s).mul(at(dy, i)).intoArray(dy, i);
        }
        super.swishBackward(x, dy, i, offset + n - i, scale, cube);
    }

    @Override
    public void gelu(float[] x, int offset, int n) {
        int i = offset;
        for (; i + W <= offset + n; i += W) {
            FloatVector v = at(x, i);
            v.mul(normal(v, exp(v.mul(-0.5f).mul(v)))).intoArray(x, i);
        }
        super.gelu(x, i, offset + n - i);
    }

    @Override
    public void geluBackward(float[] x, float[] dy, int offset, int n) {
        int i = offset;
        for (; i + W <= offset + n; i += W) {
            FloatVector v = at(x, i);
            FloatVector exp = exp(v.mul(-0.5f).mul(v));
            FloatVector slope = v.fma(exp.mul(Elementary.DENSITY), normal(v, exp));
            slope.mul(at(dy, i)).intoArray(dy, i);
        }
        super.geluBackward(x, dy, i, offset + n - i);
    }

    /** Φ(x), given exp(-x² / 2). */
    private static FloatVector normal(FloatVector x, FloatVector exp) {
        FloatVector one = FloatVector.broadcast(S, 1f);
        FloatVector k = one.div(FloatVector.broadcast(S, Elementary.TAIL_STEP).fma(x.abs(), one));
        FloatVector p = FloatVector.broadcast(S, Elementary.TAIL_6).fma(k, FloatVector.broadcast(S, Elementary.TAIL_5));
        p = p.fma(k, FloatVector.broadcast(S, Elementary.TAIL_4));
        p = p.fma(k, FloatVector.broadcast(S, Elementary.TAIL_3));
        p = p.fma(k, FloatVector.broadcast(S, Elementary.TAIL_2));
        p = p.fma(k, FloatVector.broadcast(S, Elementary.TAIL_1));
        FloatVector tail = p.fma(k, FloatVector.broadcast(S, Elementary.TAIL_0)).mul(exp);
        return one.sub(tail).blend(tail, x.compare(VectorOperators.LT, 0f));
    }

    @Override
    public void softmaxBackward(float[] x, int offset, int n, float max, float scale, float shift, float inverseCap) {
        FloatVector one = FloatVector.broadcast(S, 1f);
        FloatVector scales = FloatVector.broadcast(S, scale);
        FloatVector shifts = FloatVector.broadcast(S, shift);
        int i = offset;
        for (; i + W <= offset + n; i += W) {
            FloatVector v = at(x, i);
            FloatVector ratio = v.mul(inverseCap);
            exp(v.sub(max)).fma(scales, shifts).mul(ratio.neg().fma(ratio, one)).intoArray(x, i);
        }
        super.softmaxBackward(x, i, offset + n - i, max, scale, shift, inverseCap);
    }

    @Override
    public void add(float[] x, int xOffset, float[] y, int yOffset, int n) {
        int i = 0;
        for (; i + W <= n; i += W) {
            at(y, yOffset + i).add(at(x, xOffset + i)).intoArray(y, yOffset + i);
        }
        super.add(x, xOffset + i, y, yOffset + i, n - i);
    }

    @Override
    public void multiplyAdd(float[] w, int wOffset, float[] x, int xOffset, float[] y, int yOffset, int n) {
        int i = 0;
        for (; i + W <= n; i += W) {
            at(w, wOffset + i).fma(at(x, xOffset + i), at(y, yOffset + i)).intoArray(y, yOffset + i);
        }
        super.multiplyAdd(w, wOffset + i, x, xOffset + i, y, yOffset + i, n - i);
    }

    @Override
    public void scale(float[] x, int xOffset, float[] y, int yOffset, int n) {
        int i = 0;
        for (; i + W <= n; i += W) {
            at(y, yOffset + i).mul(at(x, xOffset + i)).intoArray(y, yOffset + i);
        }
        super.scale(x, xOffset + i, y, yOffset + i, n - i);
    }

    @Override
    public void adamW(AdamWStep step, AdamWStep.Numbers numbers) {
        for (int i = 0; i < numbers.count(); i += W) {
            long o = numbers.offset() + i * 4L;
            FloatVector g = f32(numbers.gradient(), o).mul(step.gradientScale());
            FloatVector m = f32(numbers.first(), o);
            m = m.add(g.sub(m).mul(step.meanShare()));
            FloatVector v = f32(numbers.second(), o)
                    .mul(step.squareKept())
                    .add(g.mul(step.squareShare()).mul(g));
            FloatVector divisor = v.sqrt().div(step.correction()).add(step.epsilon());
            m.intoMemorySegment(numbers.first(), o, LE);
            v.intoMemorySegment(numbers.second(), o, LE);
            f32(numbers.weights(), o)
                    .mul(step.weightKept())
                    .sub(m.div(divisor).mul(step.size()))
                    .intoMemorySegment(numbers.weights(), o, LE);
        }
    }

    static FloatVector exp(FloatVector x) {
        FloatVector low = FloatVector.broadcast(S, Elementary.EXP_MIN);
        FloatVector high = FloatVector.broadcast(S, Elementary.EXP_MAX);
        FloatVector bounded = x.blend(low, x.compare(VectorOperators.LT, low));
        bounded = bounded.blend(high, bounded.compare(VectorOperators.GT, high));
        FloatVector round = FloatVector.broadcast(S, Elementary.ROUND);
        FloatVector shifted = bounded.fma(FloatVector.broadcast(S, Elementary.LOG2_E), round);
        FloatVector n = shifted.sub(round);
        FloatVector r = n.fma(FloatVector.broadcast(S, -Elementary.LN2_HIGH), bounded);
        r = n.fma(FloatVector.broadcast(S, -Elementary.LN2_LOW), r);
        FloatVector q = FloatVector.broadcast(S, Elementary.EXP_6).fma(r, FloatVector.broadcast(S, Elementary.EXP_5));
        q = q.fma(r, FloatVector.broadcast(S, Elementary.EXP_4));
        q = q.fma(r, FloatVector.broadcast(S, Elementary.EXP_3));
        q = q.fma(r, FloatVector.broadcast(S, Elementary.EXP_2));
        FloatVector one = FloatVector.broadcast(S, 1f);
        FloatVector p = q.fma(r, one).fma(r, one);
        IntVector power = shifted.reinterpretAsInts().sub(BIASED);
        IntVector half = power.lanewise(VectorOperators.ASHR, 1);
        return p.mul(powerOfTwo(half)).mul(powerOfTwo(power.sub(half)));
    }

    private static FloatVector powerOfTwo(IntVector biased) {
        return biased.lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats();
    }

    private static FloatVector tanh(FloatVector x) {
        FloatVector a = x.abs();
        FloatVector z = a.mul(a);
        FloatVector p = FloatVector.broadcast(S, Elementary.TANH_5).fma(z, FloatVector.broadcast(S, Elementary.TANH_4));
        p = p.fma(z, FloatVector.broadcast(S, Elementary.TANH_3));
        p = p.fma(z, FloatVector.broadcast(S, Elementary.TANH_2));
        p = p.fma(z, FloatVector.broadcast(S, Elementary.TANH_1));
        FloatVector small = a.mul(z).fma(p, a);
        FloatVector one = FloatVector.broadcast(S, 1f);
        FloatVector large =
                one.sub(FloatVector.broadcast(S, 2f).div(exp(a.add(a)).add(one)));
        VectorMask<Float> isSmall = a.compare(VectorOperators.LT, Elementary.TANH_SMALL);
        IntVector sign = x.reinterpretAsInts().and(0x80000000);
        return large.blend(small, isSmall).reinterpretAsInts().or(sign).reinterpretAsFloats();
    }
}
