package dev.causal4j.tensor;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.PanelFormat;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.RowTiles;
import dev.causal4j.kernel.choice.Kernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * dx = dy · W, the product that contracts over a matrix's outputs. Its parts run on {@link Compute}.
 *
 * <p>Lanes run over results, here the matrix's inputs: 64 at a time are transposed into a panel [1024 outputs, 64] for
 * an ordinary product.
 */
record TransposedProduct(Matrix matrix, Rows dy, Rows dx) {
    /** Outputs in one chain: part of the definition of the sum. */
    static final int GROUP = 1024;

    /** Fewest rows of a part, since each part transposes. */
    private static final int LEAST_ROWS = 64;

    void run() {
        Compute compute = matrix.device().compute();
        // Two tasks a thread, so that shares are even.
        int wanted = Math.ceilDiv(2 * compute.threads(), Panels.needed(matrix.cols()));
        int most = Math.clamp(dy.count() / LEAST_ROWS, 1, wanted);
        int partRows = RowTiles.ROWS * Math.max(1, Math.ceilDiv(RowTiles.needed(dy.count()), most)); // whole tiles
        int parts = Math.ceilDiv(dy.count(), partRows);
        PackedRows packed = PackedRows.POOL.take();
        for (int from = 0; from < matrix.rows(); from += GROUP) {
            int first = from;
            int outputs = Math.min(GROUP, matrix.rows() - from);
            Rows group = new Rows(dy.data(), dy.offset() + from, dy.stride(), dy.count());
            RowTiles tiles = packed.tiles(dy.count(), outputs);
            compute.each(tiles.tiles(), tile -> tiles.fill(tile, group, outputs));
            compute.run(parts * Panels.needed(matrix.cols()), Scratch.POOL, (mine, task) -> {
                int row = task % parts * partRows;
                int count = Math.min(partRows, dy.count() - row);
                multiply(first, outputs, task / parts * Panels.WIDTH, tiles.rows(row, count), row, mine);
            });
        }
        PackedRows.POOL.give(packed);
    }

    /**
     * Scratch of a thread. It lasts as long as the process, since closing an arena after each product would cost all
     * threads a handshake.
     */
    static final class Scratch {
        static final Compute.Scratch<Scratch> POOL = new Compute.Scratch<>(Scratch::new);

        final MemorySegment panel = Arena.ofAuto().allocate(PanelFormat.F32.bytes(GROUP), Panels.WIDTH); // [1024, 64]
        private final float[] block = new float[Panels.WIDTH * Panels.WIDTH]; // [64 inputs, 64 outputs], of the matrix
        private final float[] turned = new float[Panels.WIDTH * Panels.WIDTH];
        private float[] product = {}; // [R, 64]

        private Rows product(int rows) {
            product = product.length < rows * Panels.WIDTH ? new float[rows * Panels.WIDTH] : product;
            return Rows.of(product, Panels.WIDTH, rows);
        }
    }

    /** Adds the chains of outputs {@code from} on to inputs {@code col} to {@code col + 63} of rows {@code row} on. */
    private void multiply(int from, int outputs, int col, RowTiles x, int row, Scratch mine) {
        int width = Math.min(Panels.WIDTH, matrix.cols() - col);
        Rows target = new Rows(dx.data(), dx.start(row) + col, dx.stride(), x.count());
        transpose(from, outputs, col, width, mine);
        Panels panel = new Panels(mine.panel, 0, 0, 1, outputs);
        if (from == 0 && width == Panels.WIDTH) { // the first chains are the sums
            Kernels.multiply(panel, x, target);
            return;
        }
        Rows product = mine.product(x.count());
        Kernels.multiply(panel, x, product);
        for (int r = 0; r < target.count(); r++) {
            if (from == 0) {
                System.arraycopy(product.data(), product.start(r), target.data(), target.start(r), width);
            } else {
                Kernels.add(product.data(), product.start(r), target.data(), target.start(r), width);
            }
        }
    }

    /** Fills the panel with outputs {@code from} on of inputs {@code col} on; columns past the width are undefined. */
    private void transpose(int from, int outputs, int col, int width, Scratch mine) {
        for (int block = 0; block < outputs; block += Panels.WIDTH) {
            matrix.steps((from + block) / Panels.WIDTH, col, width, mine.block);
            for (int k = 0; k < Panels.WIDTH; k++) {
                for (int j = 0; j < Panels.WIDTH; j++) {
                    mine.turned[j * Panels.WIDTH + k] = mine.block[k * Panels.WIDTH + j];
                }
            }
            long at = PanelFormat.F32.bytes(block);
            MemorySegment.copy(mine.turned, 0, mine.panel, Panels.FLOAT, at, mine.turned.length);
        }
    }
}
