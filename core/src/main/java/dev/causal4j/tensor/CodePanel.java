package dev.causal4j.tensor;

import dev.causal4j.kernel.GroupFormat;
import dev.causal4j.kernel.Panels;
import java.util.Arrays;

/** Packs the codes of rows to a panel in groups, in reused memory. Not thread-safe. */
final class CodePanel {
    private final GroupFormat format;
    private final int cols;
    private final byte[] codes; // [64, cols]
    private final byte[] row;
    private final float[] scales; // of a row
    private final float[] minimums;
    private final int[] words;

    CodePanel(GroupFormat format, int cols) {
        this.format = format;
        this.cols = cols;
        this.codes = new byte[Panels.WIDTH * cols];
        this.row = new byte[cols];
        this.scales = new float[cols / format.group()];
        this.minimums = new float[scales.length];
        this.words = new int[Math.toIntExact(format.bytes(cols) / Integer.BYTES)];
    }

    /** The panel of rows {@code from} to {@code to - 1}, valid until the next call. */
    int[] pack(Matrix.CodeSource source, int from, int to) {
        Arrays.fill(words, 0);
        Arrays.fill(codes, (to - from) * cols, codes.length, (byte) 0);
        for (int n = from; n < to; n++) {
            source.row(n, row, scales, minimums);
            System.arraycopy(row, 0, codes, (n - from) * cols, cols);
            check(n);
            format.putNumbers(n - from, cols, scales, minimums, words);
        }
        format.putCodes(codes, cols, words);
        return words;
    }

    /** Kernels differ in numbers that are not finite. */
    private void check(int n) {
        for (int g = 0; g < scales.length; g++) {
            if (!Float.isFinite(scales[g]) || !Float.isFinite(minimums[g])) {
                throw new IllegalArgumentException("int" + format.bits() + ": expected finite scales and minimums, got "
                        + scales[g] + " and " + minimums[g] + " in row " + n);
            }
        }
    }
}
