package dev.causal4j.tensor;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.RowTiles;

/** Rows of inputs, packed as products read them, in reused memory. Not thread-safe while it packs. */
public final class PackedRows {
    /** Rows that are multiplied at once: parts of packed rows begin at a multiple of it. */
    public static final int TILE = RowTiles.ROWS;

    /** Pooled, because packing many rows takes megabytes. */
    static final Compute.Scratch<PackedRows> POOL = new Compute.Scratch<>(PackedRows::new);

    /** Most bytes of tiles packed at once; 512 rows of 3,072 inputs take 6.3 MB, or 8.5 MB in tiles of 6. */
    private static final int TILE_BYTES = 12 << 20;

    private float[] numbers = {};
    private RowTiles tiles = RowTiles.row(Rows.of(numbers, 0, 0));

    /**
     * Packs rows for products with a matrix, shared among threads, in the place of those before; many only {@link #most} at
     * a time.
     */
    public void pack(Compute compute, Rows x, Matrix w) {
        int sums = w.sums();
        if (x.count() == 0 || (x.count() == 1 && sums == 0)) {
            tiles = RowTiles.row(x);
            return;
        }
        int steps = w.cols() + sums;
        RowTiles packed = RowTiles.of(memory(x.count(), steps), x.count(), steps);
        compute.each(packed.tiles(), tile -> packed.fill(tile, x, w.cols(), sums));
        tiles = packed;
    }

    /** The rows that were packed last. */
    RowTiles tiles() {
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
     * How many rows to pack at once, so that all parts of {@code rows} rows are about equal and their tiles are not too
     * large: a multiple of {@link #TILE}.
     */
    public static int most(int rows, int cols) {
        int fitting = Math.max(1, TILE_BYTES / (4 * RowTiles.size(1, cols)));
        int tiles = Math.max(1, RowTiles.needed(rows));
        return TILE * Math.ceilDiv(tiles, Math.ceilDiv(tiles, fitting));
    }
}
