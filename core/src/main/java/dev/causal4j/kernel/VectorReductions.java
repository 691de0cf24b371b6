package dev.causal4j.kernel;

import static dev.causal4j.kernel.Elementary.LANES;
import static dev.causal4j.kernel.Lanes.I;
import static dev.causal4j.kernel.Lanes.LE;
import static dev.causal4j.kernel.Lanes.S;
import static dev.causal4j.kernel.Lanes.W;
import static dev.causal4j.kernel.Lanes.at;
import static dev.causal4j.kernel.Lanes.f32;

import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The twin of {@link Reductions}. A sum takes its 16 lanes W at a time, in 16 / W passes over the cached row,
 * then the numbers after the last whole 16.
 */
final class VectorReductions extends Reductions {
    /** Stores a loop's variable; {@link VectorLoops} says why -0 is added. */
    private static void store(FloatVector sums, float[] to, int offset) {
        FloatVector.broadcast(S, -0f).add(sums).intoArray(to, offset);
    }

    private static int whole(int n) {
        return n / LANES * LANES;
    }

    @Override
    public float max(float[] x, int offset, int n) {
        FloatVector a = FloatVector.broadcast(S, Float.NEGATIVE_INFINITY), b = a;
        int i = offset;
        for (; i + 2 * W <= offset + n; i += 2 * W) {
            a = at(x, i).max(a);
            b = at(x, i + W).max(b);
        }
        return Math.max(a.max(b).reduceLanes(VectorOperators.MAX), super.max(x, i, offset + n - i));
    }

    @Override
    float[] sum(float[] x, int offset, int n, float[] lanes) {
        int end = offset + whole(n);
        for (int j = 0; j < LANES; j += W) {
            FloatVector a = FloatVector.zero(S);
            for (int i = offset + j; i < end; i += LANES) {
                a = at(x, i).add(a);
            }
            store(a, lanes, j);
        }
        return super.sum(x, end, offset + n - end, lanes);
    }

    @Override
    float[] squares(float[] x, int offset, int n, float mean, float[] lanes) {
        int end = offset + whole(n);
        for (int j = 0; j < LANES; j += W) {
            FloatVector a = FloatVector.zero(S);
            for (int i = offset + j; i < end; i += LANES) {
                FloatVector d = at(x, i).sub(mean);
                a = d.fma(d, a);
            }
            store(a, lanes, j);
        }
        return super.squares(x, end, offset + n - end, mean, lanes);
    }

    @Override
    float[] expSum(float[] x, int offset, int n, float max, boolean keep, float[] lanes) {
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
        return super.expSum(x, end, offset + n - end, max, keep, lanes);
    }

    @Override
    float[] expMoment(float[] x, int offset, int n, float max, float[] lanes) {
        int end = offset + whole(n);
        for (int j = 0; j < LANES; j += W) {
            FloatVector a = FloatVector.zero(S);
            for (int i = offset + j; i < end; i += LANES) {
                FloatVector d = at(x, i).sub(max).max(Elementary.EXP_MIN);
                a = d.fma(VectorElementwise.exp(d), a);
            }
            store(a, lanes, j);
        }
        return super.expMoment(x, end, offset + n - end, max, lanes);
    }

    @Override
    public int countAtLeast(float[] x, int offset, int n, float threshold) {
        FloatVector t = FloatVector.broadcast(S, threshold);
        int count = 0;
        int i = offset;
        for (; i + W <= offset + n; i += W) {
            count += at(x, i).compare(VectorOperators.GE, t).trueCount();
        }
        return count + super.countAtLeast(x, i, offset + n - i, threshold);
    }

    @Override
    void normalize(NormRule rule, float[] x, int xOffset, float mean, float scale, float[] y, int yOffset, int from) {
        float[] gain = rule.gain();
        float[] bias = rule.bias();
        int i = from;
        for (; i + W <= gain.length; i += W) {
            normal(x, xOffset + i, mean, scale).fma(at(gain, i), at(bias, i)).intoArray(y, yOffset + i);
        }
        super.normalize(rule, x, xOffset, mean, scale, y, yOffset, i);
    }

    private static FloatVector normal(float[] x, int i, float mean, float scale) {
        return at(x, i).sub(mean).mul(scale);
    }

    @Override
    public void normBackward(NormRule rule, float[] x, float[] dy, float[] dx, int offset, float[] moments, int at) {
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

    @Override
    public void addWeightedRows(
            PanelFormat format, MemorySegment w, long at, int depth, Rows x, Rows y, int first, int n) {
        boolean words = format == PanelFormat.BF16;
        int done = n == Panels.WIDTH ? n : addNarrow(words, w, at, format.rowBytes(n), depth, x, y, n);
        for (int j = 0; n == Panels.WIDTH && j < n; j += 4 * W) {
            long from = at + (words ? 2L : 4L) * j;
            int to = words ? format.output(j / 2) : j;
            for (int r = 0; r < x.count(); r += 2) {
                int s = Math.min(r + 1, x.count() - 1);
                int y0 = y.start(r) + to;
                int y1 = y.start(s) + to;
                if (words) {
                    addWords(w, from, depth, x.data(), x.start(r), x.start(s), y.data(), y0, y1);
                } else {
                    addFloats(w, from, depth, x.data(), x.start(r), x.start(s), y.data(), y0, y1);
                }
            }
        }
        if (done < n) {
            super.addWeightedRows(format, w, at, depth, x, y, done, n);
        }
    }

    /** Fewer than 64 outputs, in whole vectors of memory; returns how many. */
    private static int addNarrow(boolean words, MemorySegment w, long at, long step, int depth, Rows x, Rows y, int n) {
        int held = words ? 2 : 1; // outputs of a word
        int unit = words ? 2 * LANES : W;
        for (int j = 0; j + unit <= n; j += unit) {
            for (int i = 0; i < unit / held; i += W) {
                long from = at + 4L * (j / held + i);
                for (int r = 0; r < x.count(); r++) {
                    if (words) {
                        addWord(w, from, step, depth, x.data(), x.start(r), y.data(), y.start(r) + j + i);
                    } else {
                        addFloat(w, from, step, depth, x.data(), x.start(r), y.data(), y.start(r) + j + i);
                    }
                }
            }
        }
        return n / unit * unit;
    }

    /** Two rows by 4 W outputs of f32. An odd last row is computed twice. */
    private static void addFloats(
            MemorySegment w, long at, int depth, float[] x, int x0, int x1, float[] y, int y0, int y1) {
        FloatVector a0 = at(y, y0), b0 = at(y, y0 + W), c0 = at(y, y0 + 2 * W), d0 = at(y, y0 + 3 * W);
        FloatVector a1 = at(y, y1), b1 = at(y, y1 + W), c1 = at(y, y1 + 2 * W), d1 = at(y, y1 + 3 * W);
        for (int k = 0, one = Lanes.one; k < depth; k += one) {
            long o = at + k * 256L;
            FloatVector a = f32(w, o), b = f32(w, o + 4L * W), c = f32(w, o + 8L * W), d = f32(w, o + 12L * W);
            FloatVector first = FloatVector.broadcast(S, x[x0 + k]);
            FloatVector second = FloatVector.broadcast(S, x[x1 + k]);
            a0 = first.fma(a, a0);
            b0 = first.fma(b, b0);
            c0 = first.fma(c, c0);
            d0 = first.fma(d, d0);
            a1 = second.fma(a, a1);
            b1 = second.fma(b, b1);
            c1 = second.fma(c, c1);
            d1 = second.fma(d, d1);
        }
        store(a0, b0, c0, d0, y, y0, W, 2 * W);
        store(a1, b1, c1, d1, y, y1, W, 2 * W);
    }

    /** Two rows by 4 W outputs of bf16: the halves of two vectors of words. */
    private static void addWords(
            MemorySegment w, long at, int depth, float[] x, int x0, int x1, float[] y, int y0, int y1) {
        int next = W == LANES ? 2 * LANES : W;
        FloatVector a0 = at(y, y0), b0 = at(y, y0 + LANES), c0 = at(y, y0 + next), d0 = at(y, y0 + next + LANES);
        FloatVector a1 = at(y, y1), b1 = at(y, y1 + LANES), c1 = at(y, y1 + next), d1 = at(y, y1 + next + LANES);
        for (int k = 0, one = Lanes.one; k < depth; k += one) {
            long o = at + k * 128L;
            IntVector ab = words(w, o), cd = words(w, o + 4L * W);
            FloatVector a = low(ab), b = high(ab), c = low(cd), d = high(cd);
            FloatVector first = FloatVector.broadcast(S, x[x0 + k]);
            FloatVector second = FloatVector.broadcast(S, x[x1 + k]);
            a0 = first.fma(a, a0);
            b0 = first.fma(b, b0);
            c0 = first.fma(c, c0);
            d0 = first.fma(d, d0);
            a1 = second.fma(a, a1);
            b1 = second.fma(b, b1);
            c1 = second.fma(c, c1);
            d1 = second.fma(d, d1);
        }
        store(a0, b0, c0, d0, y, y0, LANES, next);
        store(a1, b1, c1, d1, y, y1, LANES, next);
    }

    /** One row by the outputs of one vector of f32, whose rows are {@code step} bytes apart. */
    private static void addFloat(
            MemorySegment w, long at, long step, int depth, float[] x, int from, float[] y, int to) {
        FloatVector a = at(y, to);
        for (int k = 0; k < depth; k++) {
            a = FloatVector.broadcast(S, x[from + k]).fma(f32(w, at + k * step), a);
        }
        store(a, y, to);
    }

    /** One row by the outputs of one vector of bf16. */
    private static void addWord(
            MemorySegment w, long at, long step, int depth, float[] x, int from, float[] y, int to) {
        FloatVector a = at(y, to), b = at(y, to + LANES);
        for (int k = 0; k < depth; k++) {
            IntVector ab = words(w, at + k * step);
            FloatVector number = FloatVector.broadcast(S, x[from + k]);
            a = number.fma(low(ab), a);
            b = number.fma(high(ab), b);
        }
        store(a, y, to);
        store(b, y, to + LANES);
    }

    private static void store(
            FloatVector a, FloatVector b, FloatVector c, FloatVector d, float[] to, int offset, int second, int third) {
        store(a, to, offset);
        store(b, to, offset + second);
        store(c, to, offset + third);
        store(d, to, offset + second + third);
    }

    private static IntVector words(MemorySegment m, long offset) {
        return IntVector.fromMemorySegment(I, m, offset, LE);
    }

    private static FloatVector low(IntVector words) {
        return words.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
    }

    private static FloatVector high(IntVector words) {
        return words.and(Lanes.HIGH).reinterpretAsFloats();
    }
}
