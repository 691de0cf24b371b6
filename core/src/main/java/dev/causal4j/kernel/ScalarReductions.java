package dev.causal4j.kernel;

import static dev.causal4j.kernel.Elementary.LANES;
import static dev.causal4j.kernel.Panels.FLOAT;

import java.lang.foreign.MemorySegment;

/** The specification of {@link Reductions}. */
final class ScalarReductions implements Reductions {
    @Override
    public float max(float[] x, int offset, int n) {
        float max = Float.NEGATIVE_INFINITY;
        for (int i = offset; i < offset + n; i++) {
            max = Math.max(max, x[i]);
        }
        return max;
    }

    @Override
    public float sum(float[] x, int offset, int n) {
        float[] lanes = new float[LANES];
        for (int i = 0; i < n; i++) {
            lanes[i % LANES] += x[offset + i];
        }
        return Elementary.tree(lanes);
    }

    @Override
    public float expSum(float[] x, int offset, int n, float max, boolean keep) {
        float[] lanes = new float[LANES];
        for (int i = 0; i < n; i++) {
            float exp = Elementary.exp(x[offset + i] - max);
            lanes[i % LANES] += exp;
            x[offset + i] = keep ? exp : x[offset + i];
        }
        return Elementary.tree(lanes);
    }

    @Override
    public float expMoment(float[] x, int offset, int n, float max) {
        float[] lanes = new float[LANES];
        for (int i = 0; i < n; i++) {
            float d = Math.max(x[offset + i] - max, Elementary.EXP_MIN);
            lanes[i % LANES] = Math.fma(d, Elementary.exp(d), lanes[i % LANES]);
        }
        return Elementary.tree(lanes);
    }

    @Override
    public int countAtLeast(float[] x, int offset, int n, float threshold) {
        int count = 0;
        for (int i = offset; i < offset + n; i++) {
            count += x[i] >= threshold ? 1 : 0;
        }
        return count;
    }

    @Override
    public void addSquares(Panels w, double[] sums) {
        float[] step = new float[Panels.WIDTH];
        for (int k = 0; k < w.depth(); k++) {
            MemorySegment.copy(w.data(0), FLOAT, w.start(0) + k * 4L * Panels.WIDTH, step, 0, Panels.WIDTH);
            for (int j = 0; j < Panels.WIDTH; j++) {
                sums[j] += (double) step[j] * step[j];
            }
        }
    }

    @Override
    public void norm(
            float[] x,
            int xOffset,
            float[] gain,
            float[] bias,
            float epsilon,
            boolean centered,
            float[] y,
            int yOffset) {
        int n = gain.length;
        float mean = centered ? sum(x, xOffset, n) / n : 0;
        float scale = scale(x, xOffset, n, mean, epsilon);
        for (int i = 0; i < n; i++) {
            y[yOffset + i] = Math.fma((x[xOffset + i] - mean) * scale, gain[i], bias[i]);
        }
    }

    /** 1 / sqrt(variance + epsilon). */
    private static float scale(float[] x, int offset, int n, float mean, float epsilon) {
        float[] lanes = new float[LANES];
        for (int i = 0; i < n; i++) {
            float d = x[offset + i] - mean;
            lanes[i % LANES] = Math.fma(d, d, lanes[i % LANES]);
        }
        return Elementary.inverseDeviation(Elementary.tree(lanes), n, epsilon);
    }

    @Override
    public void normBackward(
            float[] x,
            float[] dy,
            float[] dx,
            int offset,
            float[] gain,
            float epsilon,
            boolean centered,
            float[] moments,
            int at) {
        int n = gain.length;
        float mean = centered ? sum(x, offset, n) / n : 0;
        float scale = scale(x, offset, n, mean, epsilon);
        moments[at] = mean;
        moments[at + 1] = scale;
        float[] gradients = new float[LANES];
        float[] products = new float[LANES];
        for (int i = 0; i < n; i++) {
            float g = dy[offset + i] * gain[i];
            gradients[i % LANES] += g;
            products[i % LANES] = Math.fma(g, (x[offset + i] - mean) * scale, products[i % LANES]);
        }
        float meanGradient = centered ? Elementary.tree(gradients) / n : 0;
        float meanProduct = Elementary.tree(products) / n;
        for (int i = 0; i < n; i++) {
            float g = dy[offset + i] * gain[i] - meanGradient;
            float h = (x[offset + i] - mean) * scale;
            dx[offset + i] = Math.fma(Math.fma(-h, meanProduct, g), scale, dx[offset + i]);
        }
    }

    @Override
    public void addWeightedRows(
            float[] p, int pOffset, int count, MemorySegment v, long vOffset, float[] out, int outOffset, int n) {
        float[] row = new float[n];
        for (int t = 0; t < count; t++) {
            float weight = p[pOffset + t];
            MemorySegment.copy(v, FLOAT, vOffset + t * 4L * n, row, 0, n);
            for (int i = 0; i < n; i++) {
                out[outOffset + i] = Math.fma(weight, row[i], out[outOffset + i]);
            }
        }
    }

    @Override
    public void addWeightedWords(
            float[] p, int pOffset, int count, MemorySegment v, long vOffset, float[] out, int outOffset, int n) {
        long row = PanelFormat.BF16.rowBytes(n);
        for (int t = 0; t < count; t++) {
            for (int i = 0; i < n; i++) {
                float value = PanelFormat.BF16.code(v, vOffset + t * row, i);
                out[outOffset + i] = Math.fma(p[pOffset + t], value, out[outOffset + i]);
            }
        }
    }
}
