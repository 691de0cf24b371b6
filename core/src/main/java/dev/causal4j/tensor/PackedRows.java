package dev.causal4j.tensor;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.GroupFormat;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.RoundedRows;
import dev.causal4j.kernel.RowTiles;
import dev.causal4j.kernel.choice.Kernels;

/**
 * Rows of inputs, packed for products: in tiles of f32, or rounded for weights in groups. Not thread-safe while it
 * packs.
 */
public final class PackedRows {
    /** Parts of packed rows begin at its multiples: whole tiles of both kinds. */
    public static final int TILE = RowTiles.ROWS == 4 ? RoundedRows.TILE : 3 * RoundedRows.TILE;

    /** Pooled, because packing many rows takes megabytes. */
    static final Compute.Scratch<PackedRows> POOL = new Compute.Scratch<>(PackedRows::new);

    /** Most bytes of tiles packed at once; 512 rows of 3,072 inputs take 6.3 MB, or 8.5 MB in tiles of 6. */
    private static final int TILE_BYTES = 12 << 20;

    private float[] numbers = {};
    private RowTiles tiles = RowTiles.row(Rows.of(numbers, 0, 0));
    private RoundedRows rounded = RoundedRows.of(GroupFormat.INT8, 0, 0);
    private boolean isRounded;

    /**
     * Packs rows for products with a matrix, shared among threads, replacing earlier rows; at most {@link #most} rows a
     * call.
     */
    public void pack(Compute compute, Rows x, Matrix w) {
        isRounded = false;
        if (w.format() instanceof GroupFormat format) {
            RoundedRows room = RoundedRows.of(rounded, format, w.cols(), x.count());
            compute.each(room.tiles(), tile -> Kernels.round(format, x, room, tile));
            rounded = room;
            isRounded = true;
        } else if (x.count() <= 1) {
            tiles = RowTiles.row(x);
        } else {
            RowTiles packed = RowTiles.of(memory(x.count(), w.cols()), x.count(), w.cols());
            compute.each(packed.tiles(), tile -> packed.fill(tile, x, w.cols()));
            tiles = packed;
        }
    }

    /** The product of packed rows, from row {@code first} on, as many as y has. */
    void multiply(Panels w, int first, Rows y) {
        if (isRounded) {
            Kernels.multiply(w, rounded.rows(first, y.count()), y);
        } else {
            Kernels.multiply(w, tiles.rows(first, y.count()), y);
        }
    }

    /** Rows in a tile of the packed rows. */
    int height() {
        return isRounded ? rounded.height() : tiles.height();
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
     * How many rows to pack at once, a multiple of {@link #TILE}: all parts of {@code rows} rows are then about equal,
     * and their tiles are not too large.
     */
    public static int most(int rows, int cols) {
        int fitting = Math.max(1, TILE_BYTES / (4 * RowTiles.size(TILE, cols)));
        int tiles = Math.max(1, Math.ceilDiv(rows, TILE));
        return TILE * Math.ceilDiv(tiles, Math.ceilDiv(tiles, fitting));
    }
}
