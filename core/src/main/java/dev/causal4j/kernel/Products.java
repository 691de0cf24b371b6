package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Products of panels in plain Java: the specification. {@link VectorProducts} is its twin with equal bits; {@link
 * Kernels} has checked every argument. Thread-safe.
 */
public class Products {
    private static final int WIDTH = Panels.WIDTH;

    /** Steps whose codes are read at once. */
    private static final int STEPS = 16;

    /** Panels side by side: C2's vectors do less for loops over fewer outputs. */
    private static final int MOST = 4;

    /**
     * y[r][64 p + j] = sum over k of x[r][k] · code[p][k][j], one chain of fused multiply-adds in the order of k that
     * starts at +0, times the output's scale if the format has scales; of panels in groups see {@link GroupFormat}.
     */
    public void multiply(Panels w, RowTiles x, Rows y) {
        if (w.format() instanceof GroupFormat format) {
            for (int p = 0; p < w.count(); p++) {
                multiplyGroups(w, p, format, x, y);
            }
            return;
        }
        for (int p = 0; p < w.count(); p += MOST) {
            Panels some = w.from(p, Math.min(MOST, w.count() - p));
            int outputs = some.count() * WIDTH;
            double[] sums = new double[y.count() * outputs];
            addTo(sums, some, x);
            for (int i = 0; i < sums.length; i++) {
                int j = i % outputs;
                y.data()[y.start(i / outputs) + p * WIDTH + j] =
                        w.plain().applyScale((float) sums[i], some.data(j / WIDTH), some.start(j / WIDTH), j % WIDTH);
            }
        }
    }

    /** Continues the chains of one f32 panel's outputs: y[r][j] = fma(x[r][k], w[k][j], y[r][j]) for k = 0, 1, ... */
    public void addProduct(Panels w, RowTiles x, MemorySegment y, long offset) {
        double[] sums = new double[x.count() * WIDTH];
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
        int outputs = w.count() * WIDTH;
        float[] codes = new float[STEPS * outputs];
        for (int k = 0; k < w.depth(); k += STEPS) {
            int steps = Math.min(STEPS, w.depth() - k);
            for (int p = 0; p < w.count(); p++) {
                long from = w.steps(p) + (long) k * w.plain().stepBytes();
                w.plain().codes(w.data(p), from, steps, codes, p * WIDTH, outputs);
            }
            for (int r = 0; r < x.count(); r++) {
                addSteps(x, x.start(r) + k * x.step(), steps, codes, outputs, sums, r * outputs);
            }
        }
    }

    /** Some steps of one row. */
    private static void addSteps(RowTiles x, int at, int steps, float[] codes, int outputs, double[] sums, int to) {
        int i = 0;
        for (; i + 4 <= steps; i += 4) {
            four(x.data(), at + i * x.step(), x.step(), codes, i * outputs, outputs, sums, to);
        }
        for (; i < steps; i++) {
            float number = x.data()[at + i * x.step()];
            for (int j = 0; j < outputs; j++) {
                sums[to + j] = Math.fma(number, codes[i * outputs + j], (float) sums[to + j]);
            }
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

    private static void multiplyGroups(Panels w, int panel, GroupFormat format, RowTiles x, Rows y) {
        float[] codes = new float[format.group() * WIDTH];
        float[] scales = new float[WIDTH];
        float[] minimums = new float[WIDTH];
        for (int r = 0; r < y.count(); r++) {
            Arrays.fill(y.data(), y.start(r) + panel * WIDTH, y.start(r) + (panel + 1) * WIDTH, 0f);
        }
        for (int from = 0; from < w.depth(); from += format.group()) {
            int g = from / format.group();
            long at = w.start(panel) + format.numbersAt(w.depth(), g);
            format.codes(w.data(panel), w.start(panel) + (long) g * format.codesBytes(), codes);
            format.numbers().codes(w.data(panel), at, 1, scales, 0, WIDTH);
            if (format.minimum()) {
                format.numbers().codes(w.data(panel), at + format.scaleBytes(), 1, minimums, 0, WIDTH);
            }
            for (int r = 0; r < y.count(); r++) {
                int first = x.start(r) + from * x.step();
                int to = y.start(r) + panel * WIDTH;
                double[] chains = new double[WIDTH];
                addSteps(x, first, format.group(), codes, WIDTH, chains, 0);
                float sum = format.needsSums() ? x.data()[x.sumAt(r, w.depth(), g)] : 0;
                for (int j = 0; j < WIDTH; j++) {
                    y.data()[to + j] = format.add(y.data()[to + j], scales[j], (float) chains[j], minimums[j], sum, j);
                }
            }
        }
    }
}
