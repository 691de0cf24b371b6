package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import java.util.Objects;

/**
 * Rows of activations in the layout that products read. A single row is read in place. Several rows are packed into
 * tiles {@code [depth][STEP]} of {@link #ROWS} rows each, or at most {@link #FEW} rows into one tile: number r of step
 * k belongs to row r. A kernel then needs one address for all rows, which leaves the processor's ports to the
 * multiply-adds. A short tile repeats its last row.
 *
 * @param offset floats to the first tile
 * @param stride floats from one tile to the next
 * @param height rows of a tile
 * @param step floats from one step of k to the next
 * @param count how many rows
 */
public record RowTiles(float[] data, int offset, int stride, int height, int step, int count) {
    /**
     * Rows of a tile, with 2 W sums each: 6 with 32 registers, 4 with 16, since C2 would spill more. Twice as many sums
     * gained nothing with 32 registers.
     */
    public static final int ROWS = Hardware.hasManyRegisters() ? 6 : 4;

    /** Floats of a step in a tile. */
    static final int STEP = ROWS == 6 ? 8 : ROWS;

    /** Rows of the single tile used for two to eight rows, multiplied straight from the weights. */
    public static final int FEW = 8;

    /** Most rows in such a tile, whose sums take 32 registers of 512 bits; 1 without these. */
    private static final int MOST_FEW = STEP == FEW && VectorWidth.chosen() == 512 ? FEW : 1;

    /** Steps filled at once when columns become rows: 256 bytes of each tile. */
    private static final int RUN = 8;

    /** One row in place. */
    public static RowTiles row(Rows x) {
        return new RowTiles(x.data(), x.offset(), 0, 1, 1, x.count());
    }

    /** Consecutive tiles from the start of {@code data}, to be filled. */
    public static RowTiles in(float[] data, int rows, int depth) {
        return new RowTiles(data, 0, depth * STEP, ROWS, STEP, rows);
    }

    /**
     * Tiles for a product of this many rows, to be filled: a few rows are one tile, a single row is not interleaved.
     */
    public static RowTiles of(float[] data, int rows, int depth) {
        int step = rows == 1 ? 1 : STEP;
        return new RowTiles(data, 0, depth * step, height(rows), step, rows);
    }

    /** Rows packed for a product, into {@code data}, or into a new array if it is too small. */
    public static RowTiles of(float[] data, Rows x, int depth) {
        int size = size(x.count(), depth);
        RowTiles tiles = of(data.length < size ? new float[size] : data, x.count(), depth);
        for (int tile = 0; tile < tiles.tiles(); tile++) {
            tiles.fill(tile, x, depth);
        }
        return tiles;
    }

    /** Floats of the tiles of this many rows. */
    public static int size(int rows, int depth) {
        return Math.multiplyExact(needed(rows), Math.multiplyExact(depth, STEP));
    }

    /** Number of tiles for this many rows. */
    public static int needed(int rows) {
        return Math.ceilDiv(rows, ROWS);
    }

    /** Rows of a tile of a product of this many rows. */
    static int height(int rows) {
        return rows == 1 ? 1 : rows <= MOST_FEW ? FEW : ROWS;
    }

    /** Number of tiles. */
    public int tiles() {
        return Math.ceilDiv(count, height);
    }

    /** A range of rows whose first begins a tile. */
    public RowTiles rows(int first, int count) {
        if (first % height != 0) {
            throw new IllegalArgumentException(
                    "tiles: expected a first row that is a multiple of " + height + ", got " + first);
        }
        return new RowTiles(data, offset + first / height * stride, stride, height, step, count);
    }

    /** The index of the first number of a row; the next is {@link #step} further. */
    int start(int row) {
        return offset + row / height * stride + row % height;
    }

    /** Fills a tile with {@code depth} numbers of each of its rows. x has as many rows as the tiles. */
    public void fill(int tile, Rows x, int depth) {
        x.check(depth);
        int at = offset + tile * stride;
        Objects.checkFromIndexSize(at, depth * step, data.length);
        for (int r = 0; r < height; r++) {
            int start = x.start(Math.min(tile * height + r, x.count() - 1));
            for (int k = 0; k < depth; k++) {
                data[at + k * step + r] = x.data()[start + k];
            }
        }
    }

    /** The number of runs of rows for {@link #fillAcross}. */
    public static int runs(Rows x) {
        return Math.ceilDiv(x.count(), RUN);
    }

    /**
     * Fills steps of all tiles from a run of x's rows: row r of the tiles is column r of x, and x's rows are the steps.
     * Rows are read sequentially. Runs write different steps, so several may be filled at once.
     */
    public void fillAcross(int run, Rows x) {
        int to = Math.min(x.count(), (run + 1) * RUN);
        for (int tile = 0; tile < tiles(); tile++) {
            int columns = Math.min(height, count - tile * height);
            for (int k = run * RUN; k < to; k++) {
                int from = x.start(k) + tile * height;
                int at = offset + tile * stride + k * STEP;
                if (columns == ROWS && height == ROWS) { // most tiles; a constant makes the loop twice as fast
                    for (int c = 0; c < ROWS; c++) {
                        data[at + c] = x.data()[from + c];
                    }
                    continue;
                }
                for (int c = 0; c < height; c++) {
                    data[at + c] = x.data()[from + Math.min(c, columns - 1)];
                }
            }
        }
    }

    /** Throws unless {@code depth} steps of each tile lie inside the array. */
    public void check(int depth) {
        if (count > 0) {
            int width = Math.multiplyExact(depth, step);
            if (count > height) {
                Objects.checkFromIndexSize(0, width, stride);
            }
            Objects.checkFromIndexSize(offset, width, data.length);
            Objects.checkFromIndexSize(offset + (long) stride * (tiles() - 1), width, (long) data.length);
        }
    }
}
