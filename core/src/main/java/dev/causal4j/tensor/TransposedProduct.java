package dev.causal4j.tensor;

import dev.causal4j.kernel.Kernels;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.Rows;
import dev.causal4j.kernel.Threads;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * dx = dy · W: the product that contracts over a matrix's outputs. One use by one caller; not thread-safe, though its
 * parts run on {@link Threads}.
 *
 * <p>Lanes must run over results, so dy is transposed into panels of 64 rows, and the weights, which a panel holds as
 * [cols, 64], are what is broadcast: they need only be widened and laid end to end.
 */
final class TransposedProduct {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Outputs in one chain: part of the definition of the sum. */
    static final int GROUP = 512;

    /** Groups between two barriers; no result depends on this or on what follows. */
    private static final int GROUPS = 4;

    private static final int ROWS = 512;
    private static final int MOST_COLS = 192;
    private static final int SKEW = 16; // floats that keep rows of weights out of each other's cache sets

    private static final int LINE = 16; // floats in a cache line: what is transposed at once

    private final Matrix matrix;
    private final int blockCols; // columns of a task

    TransposedProduct(Matrix matrix) {
        this.matrix = matrix;
        int share = Math.ceilDiv(matrix.cols(), 4 * Threads.count());
        this.blockCols = Math.clamp(Math.ceilDiv(share, 6) * 6L, 6, MOST_COLS);
    }

    void run(Rows dy, Rows dx) {
        for (int r = 0; r < dy.count(); r += ROWS) {
            int count = Math.min(ROWS, dy.count() - r);
            block(
                    new Rows(dy.data(), dy.start(r), dy.stride(), count),
                    new Rows(dx.data(), dx.start(r), dx.stride(), count));
        }
    }

    private void block(Rows dy, Rows dx) {
        int rowPanels = Panels.needed(dy.count());
        int width = rowPanels * Panels.WIDTH;
        float[] sums = new float[matrix.cols() * width]; // [cols, R]
        int blocks = Math.ceilDiv(matrix.cols(), blockCols);
        try (Arena arena = Arena.ofShared()) {
            MemorySegment panels = arena.allocate((long) GROUPS * rowPanels * panelBytes(), 64);
            for (int from = 0; from < matrix.rows(); from += GROUPS * GROUP) {
                int first = from;
                int groups = Math.min(GROUPS, Math.ceilDiv(matrix.rows() - from, GROUP));
                Threads.run(groups * rowPanels, task -> transpose(dy, first, rowPanels, task, panels));
                Threads.run(blocks, task -> {
                    int col = task * blockCols;
                    add(col, first, groups, panels, sums, width);
                    if (first + GROUPS * GROUP >= matrix.rows()) {
                        write(sums, width, col, Math.min(matrix.cols(), col + blockCols), dx);
                    }
                });
            }
        }
    }

    /** Writes columns {@code from} to {@code to - 1} of dx. */
    private static void write(float[] sums, int width, int from, int to, Rows dx) {
        for (int line = from; line < to; line += LINE) {
            int end = Math.min(to, line + LINE);
            for (int r = 0; r < dx.count(); r++) {
                int row = dx.start(r);
                for (int k = line; k < end; k++) {
                    dx.data()[row + k] = sums[k * width + r];
                }
            }
        }
    }

    private static long panelBytes() {
        return (long) GROUP * Panels.WIDTH * Float.BYTES;
    }

    /** Writes panel {@code task} of [groups, row panels]: [512 outputs, 64 rows] of dy. */
    private void transpose(Rows dy, int first, int rowPanels, int task, MemorySegment panels) {
        int from = first + task / rowPanels * GROUP;
        int outputs = Math.min(GROUP, matrix.rows() - from);
        int row = task % rowPanels * Panels.WIDTH;
        int count = Math.min(Panels.WIDTH, dy.count() - row);
        float[] panel = new float[outputs * Panels.WIDTH];
        for (int block = 0; block < outputs; block += LINE) {
            int end = Math.min(outputs, block + LINE);
            for (int r = 0; r < count; r++) {
                int start = dy.start(row + r) + from;
                for (int n = block; n < end; n++) {
                    panel[n * Panels.WIDTH + r] = dy.data()[start + n];
                }
            }
        }
        MemorySegment.copy(panel, 0, panels, FLOAT, task * panelBytes(), panel.length);
    }

    /** Adds what the groups give to the sums of columns {@code col} on. */
    private void add(int col, int first, int groups, MemorySegment panels, float[] sums, int width) {
        int cols = Math.min(blockCols, matrix.cols() - col);
        int rowPanels = width / Panels.WIDTH;
        Rows weights = Rows.of(new float[cols * (GROUP + SKEW)], GROUP + SKEW, cols);
        Rows product = Rows.of(new float[cols * width], width, cols);
        for (int g = 0; g < groups; g++) {
            int from = first + g * GROUP;
            int outputs = Math.min(GROUP, matrix.rows() - from);
            for (int p = 0; p < Panels.needed(outputs); p++) {
                for (int k = 0; k < cols; k++) {
                    matrix.step(from / Panels.WIDTH + p, col + k, weights.data(), weights.start(k) + p * Panels.WIDTH);
                }
            }
            Panels group = new Panels(panels, g * (rowPanels * panelBytes()), panelBytes(), rowPanels, outputs);
            if (from == 0) { // the first chains are where the sums begin
                Kernels.multiplyF32(group, weights, new Rows(sums, col * width, width, cols));
                continue;
            }
            Kernels.multiplyF32(group, weights, product);
            for (int i = 0, j = col * width; i < product.data().length; i++, j++) {
                sums[j] += product.data()[i];
            }
        }
    }
}
