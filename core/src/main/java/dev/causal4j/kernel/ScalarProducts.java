package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;

/**
 * Matrix products in plain Java: the specification of {@link VectorProducts}. Each output is one chain of fused
 * multiply-adds in the order of k.
 */
final class ScalarProducts implements Products {
    /** Steps whose codes are read at once. */
    private static final int STEPS = 16;

    /** Panels side by side: C2's vectors do less for loops over fewer outputs. */
    private static final int MOST = 4;

    @Override
    public Tuning tuning() {
        return Tuning.of(1);
    }

    @Override
    public void multiply(Panels w, RowTiles x, Rows y) {
        if (w.format() instanceof GroupFormat) {
            ScalarGroups.multiply(w, x, y);
            return;
        }
        for (int p = 0; p < w.count(); p += MOST) {
            Panels some = w.from(p, Math.min(MOST, w.count() - p));
            int outputs = some.count() * Panels.WIDTH;
            double[] sums = new double[y.count() * outputs];
            addTo(sums, some, x);
            for (int i = 0; i < sums.length; i++) {
                int j = i % outputs;
                float scale =
                        w.plain().scale(some.data(j / Panels.WIDTH), some.start(j / Panels.WIDTH), j % Panels.WIDTH);
                y.data()[y.start(i / outputs) + p * Panels.WIDTH + j] = (float) sums[i] * scale;
            }
        }
    }

    @Override
    public void addProduct(Panels w, RowTiles x, MemorySegment y, long offset) {
        double[] sums = new double[x.count() * Panels.WIDTH];
        for (int i = 0; i < sums.length; i++) {
            sums[i] = y.get(Panels.FLOAT, offset + 4L * i);
        }
        addTo(sums, w, x);
        for (int i = 0; i < sums.length; i++) {
            y.set(Panels.FLOAT, offset + 4L * i, (float) sums[i]);
        }
    }

    /**
     * The chains: sums[r][j] = fma(x[r][k], code[k][j], sums[r][j]) for k = 0, 1, ... The sums are floats kept as
     * doubles, since C2 makes vectors of a loop over two arrays only if they are of two types.
     */
    private static void addTo(double[] sums, Panels w, RowTiles x) {
        int outputs = w.count() * Panels.WIDTH;
        float[] codes = new float[STEPS * outputs];
        for (int k = 0; k < w.depth(); k += STEPS) {
            int steps = Math.min(STEPS, w.depth() - k);
            for (int p = 0; p < w.count(); p++) {
                long from = w.steps(p) + (long) k * w.plain().stepBytes();
                w.plain().codes(w.data(p), from, steps, codes, p * Panels.WIDTH, outputs);
            }
            for (int r = 0; r < x.count(); r++) {
                int at = x.start(r) + k * x.step();
                int i = 0;
                for (; i + 4 <= steps; i += 4) {
                    four(x.data(), at + i * x.step(), x.step(), codes, i * outputs, outputs, sums, r * outputs);
                }
                for (; i < steps; i++) {
                    one(x.data()[at + i * x.step()], codes, i * outputs, outputs, sums, r * outputs);
                }
            }
        }
    }

    static void one(float x, float[] codes, int row, int outputs, double[] sums, int at) {
        for (int j = 0; j < outputs; j++) {
            sums[at + j] = Math.fma(x, codes[row + j], (float) sums[at + j]);
        }
    }

    /** Four steps with one read and one write of each sum; of six C2 makes no vectors. */
    private static void four(float[] x, int k, int step, float[] codes, int row, int outputs, double[] sums, int at) {
        float x0 = x[k], x1 = x[k + step], x2 = x[k + 2 * step], x3 = x[k + 3 * step];
        int row1 = row + outputs, row2 = row1 + outputs, row3 = row2 + outputs;
        for (int j = 0; j < outputs; j++) {
            float sum = Math.fma(x0, codes[row + j], (float) sums[at + j]);
            sum = Math.fma(x1, codes[row1 + j], sum);
            sum = Math.fma(x2, codes[row2 + j], sum);
            sums[at + j] = Math.fma(x3, codes[row3 + j], sum);
        }
    }
}
