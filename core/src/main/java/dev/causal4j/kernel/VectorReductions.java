package dev.causal4j.kernel;

import static dev.causal4j.kernel.Elementary.LANES;
import static dev.causal4j.kernel.Lanes.I;
import static dev.causal4j.kernel.Lanes.LE;
import static dev.causal4j.kernel.Lanes.S;
import static dev.causal4j.kernel.Lanes.W;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The twin of {@link Reductions}. A sum takes its 16 lanes W at a time, in 16 / W passes over the cached row,
 * then the numbers after the last whole 16.
 */
final class VectorReductions extends Reductions {
    private static FloatVector at(float[] x, int i) {
        return FloatVector.fromArray(S, x, i);
    }

    /** Stores a loop's variable; {@link VectorLoops} says why -0 is added. */
    private static void store(FloatVector sums, float[] to, int offset) {
        FloatVector.broadcast(S, -0f).add(sums).intoArray(to, offset);
    }

    private static int whole(int n) {
        return n / LANES * LANES;
    }

    @Override
    float max(float[] x, int offset, int n) {
        FloatVector a = FloatVector.broadcast(S, Float.NEGATIVE_INFINITY), b = a;
        int i = offset;
        for (; i + 2 * W <= offset + n; i += 2 * W) {
            a = at(x, i).max(a);
            b = at(x, i + W).max(b);
        }
        return Math.max(a.max(b).reduceLanes(VectorOperators.MAX), super.max(x, i, offset + n - i));
    }

    @Override
    float sum(float[] x, int offset, int n) {
        float[] lanes = new float[LANES];
        int end = offset + whole(n);
        for (int j = 0; j < LANES; j += W) {
            FloatVector a = FloatVector.zero(S);
            for (int i = offset + j; i < end; i += LANES) {
                a = at(x, i).add(a);
            }
            store(a, lanes, j);
        }
        for (int i = whole(n); i < n; i++) {
            lanes[i % LANES] += x[offset + i];
        }
        return Elementary.tree(lanes);
    }

    @Override
    float squares(float[] x, int offset, int n, float mean) {
        float[] lanes = new float[LANES];
        int end = offset + whole(n);
        for (int j = 0; j < LANES; j += W) {
            FloatVector a = FloatVector.zero(S);
            for (int i = offset + j; i < end; i += LANES) {
                FloatVector d = at(x, i).sub(mean);
                a = d.fma(d, a);
            }
            store(a, lanes, j);
        }
        for (int i = whole(n); i < n; i++) {
            float d = x[offset + i] - mean;
            lanes[i % LANES] = Math.fma(d, d, lanes[i % LANES]);
        }
        return Elementary.tree(lanes);
    }

    @Override
    float expSum(float[] x, int offset, int n, float max, boolean keep) {
        float[] lanes = new float[LANES];
        int end = offset + whole(n);
        for (int j = 0; j < LANES; j += W) {
            FloatVector a = FloatVector.zero(S);
            for (int i = offset + j; i < end; i += LANES) {
                FloatVector exp = VectorElementwise.exp(at(x, i).sub(max));
                if (keep) {
                    exp.intoArray(x, i);
                }
                a = exp.add(a);
            }
            store(a, lanes, j);
        }
        for (int i = whole(n); i < n; i++) {
            float exp = Elementary.exp(x[offset + i] - max);
            lanes[i % LANES] += exp;
            x[offset + i] = keep ? exp : x[offset + i];
        }
        return Elementary.tree(lanes);
    }

    @Override
    float expMoment(float[] x, int offset, int n, float max) {
        float[] lanes = new float[LANES];
        int end = offset + whole(n);
        for (int j = 0; j < LANES; j += W) {
            FloatVector a = FloatVector.zero(S);
            for (int i = offset + j; i < end; i += LANES) {
                FloatVector d = at(x, i).sub(max).max(Elementary.EXP_MIN);
                a = d.fma(VectorElementwise.exp(d), a);
            }
            store(a, lanes, j);
        }
        for (int i = whole(n); i < n; i++) {
            float d = Math.max(x[offset + i] - max, Elementary.EXP_MIN);
            lanes[i % LANES] = Math.fma(d, Elementary.exp(d), lanes[i % LANES]);
        }
        return Elementary.tree(lanes);
    }

    @Override
    int countAtLeast(float[] x, int offset, int n, float threshold) {
        FloatVector t = FloatVector.broadcast(S, threshold);
        int count = 0;
        int i = offset;
        for (; i + W <= offset + n; i += W) {
            count += at(x, i).compare(VectorOperators.GE, t).trueCount();
        }
        return count + super.countAtLeast(x, i, offset + n - i, threshold);
    }

    @Override
    void normalize(NormRule rule, float[] x, int xOffset, float mean, float scale, float[] y, int yOffset) {
        float[] gain = rule.gain();
        float[] bias = rule.bias();
        int i = 0;
        for (; i + W <= gain.length; i += W) {
            normal(x, xOffset + i, mean, scale).fma(at(gain, i), at(bias, i)).intoArray(y, yOffset + i);
        }
        for (; i < gain.length; i++) {
            y[yOffset + i] = Math.fma((x[xOffset + i] - mean) * scale, gain[i], bias[i]);
        }
    }

    private static FloatVector normal(float[] x, int i, float mean, float scale) {
        return at(x, i).sub(mean).mul(scale);
    }

    @Override
    void normBackward(NormRule rule, float[] x, float[] dy, float[] dx, int offset, float[] moments, int at) {
        float[] gain = rule.gain();
        int n = gain.length;
        float mean = mean(rule, x, offset);
        float scale = scale(rule, x, offset, mean);
        moments[at] = mean;
        moments[at + 1] = scale;
        float[] gradients = new float[LANES];
        float[] products = new float[LANES];
        for (int j = 0; j < LANES; j += W) {
            FloatVector a = FloatVector.zero(S), b = a;
            for (int i = j; i < whole(n); i += LANES) {
                FloatVector g = at(dy, offset + i).mul(at(gain, i));
                a = g.add(a);
                b = g.fma(normal(x, offset + i, mean, scale), b);
            }
            store(a, gradients, j);
            store(b, products, j);
        }
        for (int i = whole(n); i < n; i++) {
            float g = dy[offset + i] * gain[i];
            gradients[i % LANES] += g;
            products[i % LANES] = Math.fma(g, (x[offset + i] - mean) * scale, products[i % LANES]);
        }
        float meanGradient = rule.centered() ? Elementary.tree(gradients) / n : 0;
        float meanProduct = Elementary.tree(products) / n;
        FloatVector product = FloatVector.broadcast(S, meanProduct);
        FloatVector scales = FloatVector.broadcast(S, scale);
        int i = 0;
        for (; i + W <= n; i += W) {
            FloatVector g = at(dy, offset + i).mul(at(gain, i)).sub(meanGradient);
            FloatVector h = normal(x, offset + i, mean, scale);
            h.neg().fma(product, g).fma(scales, at(dx, offset + i)).intoArray(dx, offset + i);
        }
        for (; i < n; i++) {
            float g = dy[offset + i] * gain[i] - meanGradient;
            float h = (x[offset + i] - mean) * scale;
            dx[offset + i] = Math.fma(Math.fma(-h, meanProduct, g), scale, dx[offset + i]);
        }
    }

    private static FloatVector f32(MemorySegment m, long offset) {
        return FloatVector.fromMemorySegment(S, m, offset, LE);
    }

    @Override
    void addWeighted(
            PanelFormat format, float[] p, int at, int count, MemorySegment v, long from, float[] out, int to, int n) {
        int done = format == PanelFormat.F32
                ? addRows(p, at, count, v, from, out, to, n)
                : addWords(p, at, count, v, from, out, to, n);
        for (int i = done; i < n; i++) {
            float sum = out[to + i];
            for (int t = 0; t < count; t++) {
                sum = Math.fma(p[at + t], format.code(v, from + t * format.rowBytes(n), i), sum);
            }
            out[to + i] = sum;
        }
    }

    /** Adds the rows of f32 in whole vectors; returns how many numbers. */
    private static int addRows(float[] p, int at, int count, MemorySegment v, long from, float[] out, int to, int n) {
        int i = 0;
        for (; i + 4 * W <= n; i += 4 * W) {
            FloatVector a = at(out, to + i);
            FloatVector b = at(out, to + i + W);
            FloatVector c = at(out, to + i + 2 * W);
            FloatVector d = at(out, to + i + 3 * W);
            for (int t = 0; t < count; t++) {
                long o = from + 4L * ((long) t * n + i);
                FloatVector weight = FloatVector.broadcast(S, p[at + t]);
                a = weight.fma(f32(v, o), a);
                b = weight.fma(f32(v, o + 4L * W), b);
                c = weight.fma(f32(v, o + 8L * W), c);
                d = weight.fma(f32(v, o + 12L * W), d);
            }
            store(a, out, to + i);
            store(b, out, to + i + W);
            store(c, out, to + i + 2 * W);
            store(d, out, to + i + 3 * W);
        }
        for (; i + W <= n; i += W) {
            FloatVector a = at(out, to + i);
            for (int t = 0; t < count; t++) {
                FloatVector weight = FloatVector.broadcast(S, p[at + t]);
                a = weight.fma(f32(v, from + 4L * ((long) t * n + i)), a);
            }
            store(a, out, to + i);
        }
        return i;
    }

    /** Adds the rows of bf16 in whole words; returns how many numbers. */
    private static int addWords(float[] p, int at, int count, MemorySegment v, long from, float[] out, int to, int n) {
        long row = PanelFormat.BF16.rowBytes(n);
        int i = 0;
        for (; i + 32 <= n; i += 32) {
            for (int word = i; word < i + 16; word += W) {
                FloatVector low = at(out, to + word);
                FloatVector high = at(out, to + word + 16);
                for (int t = 0; t < count; t++) {
                    IntVector words = IntVector.fromMemorySegment(I, v, from + t * row + 4L * word - 2L * i, LE);
                    FloatVector weight = FloatVector.broadcast(S, p[at + t]);
                    low = weight.fma(words.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats(), low);
                    high = weight.fma(words.and(Lanes.HIGH).reinterpretAsFloats(), high);
                }
                store(low, out, to + word);
                store(high, out, to + word + 16);
            }
        }
        return i;
    }
}
