package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Products of panels in groups, in plain Java: the specification of {@link VectorGroups}; see {@link GroupFormat}. */
final class ScalarGroups {
    private static final int WIDTH = Panels.WIDTH;

    private ScalarGroups() {}

    static void multiply(Panels w, RowTiles x, Rows y) {
        GroupFormat format = (GroupFormat) w.format();
        float[] codes = new float[format.group() * WIDTH];
        float[] scales = new float[WIDTH];
        float[] minimums = new float[WIDTH];
        for (int p = 0; p < w.count(); p++) {
            for (int r = 0; r < y.count(); r++) {
                Arrays.fill(y.data(), y.start(r) + p * WIDTH, y.start(r) + (p + 1) * WIDTH, 0f);
            }
            for (int g = 0; g < format.groups(w.depth()); g++) {
                long at = w.start(p) + (long) g * format.groupBytes();
                format.codes(w.data(p), at, codes, 0);
                format.numbers(w.data(p), at, scales, 0);
                if (format.minimum()) {
                    format.numbers(w.data(p), at + format.numberBytes(), minimums, 0);
                }
                int from = g * format.group();
                int count = Math.min(format.group(), w.depth() - from);
                for (int r = 0; r < y.count(); r++) {
                    int first = x.start(r) + from * x.step();
                    add(x, first, count, codes, scales, format.minimum() ? minimums : null, y, y.start(r) + p * WIDTH);
                }
            }
        }
    }

    /** Adds a group to a row's 64 outputs. */
    private static void add(
            RowTiles x,
            int first,
            int count,
            float[] codes,
            float[] scales,
            float @Nullable [] minimums,
            Rows y,
            int at) {
        double[] chains = new double[WIDTH];
        float sum = 0;
        for (int k = 0; k < count; k++) {
            float number = x.data()[first + k * x.step()];
            ScalarProducts.one(number, codes, k * WIDTH, WIDTH, chains, 0);
            sum += number;
        }
        for (int j = 0; j < WIDTH; j++) {
            float out = Math.fma(scales[j], (float) chains[j], y.data()[at + j]);
            y.data()[at + j] = minimums == null ? out : Math.fma(minimums[j], sum, out);
        }
    }
}
