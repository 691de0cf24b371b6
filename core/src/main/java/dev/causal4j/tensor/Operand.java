package dev.causal4j.tensor;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.RowTiles;

/** Prepares the rows that products read, in reused memory. Not thread-safe. A result is valid until the next call. */
public final class Operand {
    /** Those of the process: a product of many rows would otherwise allocate megabytes. */
    static final Compute.Scratch<Operand> POOL = new Compute.Scratch<>(Operand::new);

    /** Most bytes of tiles prepared at once; 512 rows of 3,072 inputs take 6.3 MB, or 8.5 MB in tiles of 6. */
    private static final int TILE_BYTES = 12 << 20;

    private float[] numbers = {};

    /** Prepares rows for products with a matrix, shared among threads; many only {@link #most} at a time. */
    public RowTiles prepare(Compute compute, Rows x, Matrix w) {
        int sums = w.sums();
        if (x.count() == 0 || (x.count() == 1 && sums == 0)) {
            return RowTiles.row(x);
        }
        int steps = w.cols() + sums;
        RowTiles tiles = RowTiles.of(memory(x.count(), steps), x.count(), steps);
        compute.each(tiles.tiles(), tile -> tiles.fill(tile, x, w.cols(), sums));
        return tiles;
    }

    /** Tiles for this many rows, to be filled. */
    RowTiles tiles(int rows, int depth) {
        return RowTiles.in(memory(rows, depth), rows, depth);
    }

    private float[] memory(int rows, int depth) {
        int size = RowTiles.size(rows, depth);
        if (numbers.length < size) {
            numbers = new float[size];
        }
        return numbers;
    }

    /**
     * How many rows to prepare at once, so that all parts of {@code rows} rows are about equal and their tiles are not
     * too large: a multiple of a tile's rows.
     */
    public static int most(int rows, int cols) {
        int fitting = Math.max(1, TILE_BYTES / (4 * RowTiles.size(1, cols)));
        int tiles = Math.max(1, RowTiles.needed(rows));
        return RowTiles.ROWS * Math.ceilDiv(tiles, Math.ceilDiv(tiles, fitting));
    }
}
