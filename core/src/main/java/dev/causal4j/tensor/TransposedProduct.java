package dev.causal4j.tensor;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.RowTiles;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * dx = dy · W: the product that contracts over a matrix's outputs. One use by one caller; not thread-safe, though its
 * parts run on {@link Compute}.
 *
 * <p>Lanes must run over results, which are the matrix's inputs here: 64 of them at a time are transposed into a panel
 * [1024 outputs, 64], and then it is a product like every other.
 */
final class TransposedProduct {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Outputs in one chain: part of the definition of the sum. */
    static final int GROUP = 1024;

    private static final long BLOCK_BYTES = 4L * Panels.WIDTH * Panels.WIDTH;

    /** A part has no fewer rows than this, since it transposes for itself. */
    private static final int LEAST_ROWS = 64;

    private final Matrix matrix;
    private final Rows dy;
    private final Rows dx;
    private final int partRows; // whole tiles
    private final int parts; // of the rows
    private final ConcurrentLinkedQueue<Scratch> scratch = new ConcurrentLinkedQueue<>();

    TransposedProduct(Matrix matrix, Rows dy, Rows dx) {
        this.matrix = matrix;
        this.dy = dy;
        this.dx = dx;
        int wanted = Math.ceilDiv(
                2 * matrix.device().compute().threads(),
                Panels.needed(matrix.cols())); // two tasks a thread, to be even
        int most = Math.clamp(dy.count() / LEAST_ROWS, 1, wanted);
        this.partRows = RowTiles.ROWS * Math.max(1, Math.ceilDiv(RowTiles.needed(dy.count()), most));
        this.parts = Math.ceilDiv(dy.count(), partRows);
    }

    void run() {
        try (Arena arena = Arena.ofShared()) {
            for (int from = 0; from < matrix.rows(); from += GROUP) {
                int first = from;
                int outputs = Math.min(GROUP, matrix.rows() - from);
                Rows group = new Rows(dy.data(), dy.offset() + from, dy.stride(), dy.count());
                RowTiles tiles = Operand.memory().tiles(dy.count(), outputs);
                matrix.device().compute().each(tiles.tiles(), tile -> tiles.fill(tile, group, outputs));
                matrix.device().compute().run(parts * Panels.needed(matrix.cols()), task -> {
                    Scratch free = scratch.poll();
                    Scratch mine = free == null ? new Scratch(arena, partRows) : free;
                    int row = task % parts * partRows;
                    int count = Math.min(partRows, dy.count() - row);
                    multiply(first, outputs, task / parts * Panels.WIDTH, tiles.rows(row, count), row, mine);
                    scratch.add(mine);
                });
            }
        }
    }

    /** What a thread works in. */
    private static final class Scratch {
        final MemorySegment block; // [64 inputs, 64 outputs], as the matrix has them
        final MemorySegment panel; // [1024 outputs, 64 inputs]
        final float[] step = new float[Panels.WIDTH];
        final float[] product; // [R, 64]

        Scratch(Arena arena, int rows) {
            block = arena.allocate(BLOCK_BYTES, 64);
            panel = arena.allocate(GROUP / Panels.WIDTH * BLOCK_BYTES, 64);
            product = new float[rows * Panels.WIDTH];
        }
    }

    /** Adds the chains of outputs {@code from} on to inputs {@code col} to {@code col + 63} of rows {@code row} on. */
    private void multiply(int from, int outputs, int col, RowTiles x, int row, Scratch mine) {
        int width = Math.min(Panels.WIDTH, matrix.cols() - col);
        Rows target = new Rows(dx.data(), dx.start(row) + col, dx.stride(), x.count());
        transpose(from, outputs, col, width, mine);
        Panels panel = new Panels(mine.panel, 0, 0, 1, outputs);
        if (from == 0 && width == Panels.WIDTH) { // the first chains are where the sums begin
            Kernels.multiplyF32(panel, x, target);
            return;
        }
        Rows product = Rows.of(mine.product, Panels.WIDTH, x.count());
        Kernels.multiplyF32(panel, x, product);
        for (int r = 0; r < target.count(); r++) {
            if (from == 0) {
                System.arraycopy(product.data(), product.start(r), target.data(), target.start(r), width);
            } else {
                Kernels.add(product.data(), product.start(r), target.data(), target.start(r), width);
            }
        }
    }

    /** Fills the panel with outputs {@code from} on of inputs {@code col} on; columns beyond the width mean nothing. */
    private void transpose(int from, int outputs, int col, int width, Scratch mine) {
        for (int block = 0; block < outputs; block += Panels.WIDTH) {
            copyBlock((from + block) / Panels.WIDTH, col, width, mine);
            long target = block / Panels.WIDTH * BLOCK_BYTES;
            Kernels.transpose(mine.block, 0, mine.panel, target);
        }
    }

    /** Copies steps {@code col} on of one of the matrix's panels: in one piece, which memory is read in far sooner than in rows. */
    private void copyBlock(int panel, int col, int width, Scratch mine) {
        if (matrix.dtype() == DType.F32) {
            long bytes = width * 4L * Panels.WIDTH;
            MemorySegment.copy(matrix.numbers(), matrix.position(panel, col, 0), mine.block, 0, bytes);
            return;
        }
        for (int k = 0; k < width; k++) {
            matrix.step(panel, col + k, mine.step, 0);
            MemorySegment.copy(mine.step, 0, mine.block, FLOAT, k * 4L * Panels.WIDTH, Panels.WIDTH);
        }
    }
}
