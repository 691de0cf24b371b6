package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import java.util.Objects;

/**
 * Rows of activations as a product of several rows reads them: six of many rows, or all of at most eight, are a tile
 * {@code [depth][8]}, in which number r of step k belongs to row r. A step is then one short read, and a kernel needs one
 * address for all rows, which leaves the processor's ports to the multiply-adds: a tenth faster than rows where they lie.
 *
 * <p>A tile of fewer rows is filled up with its last row; what is beyond its height means nothing.
 *
 * @param offset floats to the first tile
 * @param stride floats from one tile to the next
 * @param height rows of a tile, {@value #ROWS} or {@value #FEW}
 * @param count how many rows
 */
public record RowTiles(float[] data, int offset, int stride, int height, int count) {
    /** Rows of a tile of many. */
    public static final int ROWS = 6;

    /** Rows of a tile that holds them all. */
    static final int FEW = 8;

    /** Rows whose columns are filled at once: 256 bytes of each tile. */
    private static final int RUN = 8;

    /** Floats of a step in a tile. */
    static final int STEP = 8;

    /** No tiles. */
    static final RowTiles NONE = new RowTiles(new float[0], 0, 0, ROWS, 0);

    /** Floats that tiles of so many rows take, whatever their height. */
    public static int size(int rows, int depth) {
        return Math.multiplyExact(needed(rows), Math.multiplyExact(depth, STEP));
    }

    /** How many tiles hold many rows. */
    public static int needed(int rows) {
        return Math.ceilDiv(rows, ROWS);
    }

    /** Tiles of six rows, one after the other from the start of {@code data}, still to be filled. */
    public static RowTiles in(float[] data, int rows, int depth) {
        return new RowTiles(data, 0, depth * STEP, ROWS, rows);
    }

    /** Tiles of the height that products of so many rows read, still to be filled. */
    public static RowTiles of(float[] data, int rows, int depth) {
        return new RowTiles(data, 0, depth * STEP, Kernels.tileRows(rows), rows);
    }

    /** Whether all rows are in one tile of eight. */
    public boolean areFew() {
        return height == FEW;
    }

    /** How many tiles there are. */
    public int tiles() {
        return Math.ceilDiv(count, height);
    }

    /** Some neighbouring rows, of which the first begins a tile. */
    public RowTiles rows(int first, int count) {
        if (first % height != 0) {
            throw new IllegalArgumentException(
                    "tiles: expected a first row that is a multiple of " + height + ", got " + first);
        }
        return new RowTiles(data, offset + first / height * stride, stride, height, count);
    }

    /** The index of the first number of a row; the next is {@link #STEP} further. */
    int start(int row) {
        return offset + row / height * stride + row % height;
    }

    /** Fills a tile with {@code depth} numbers of each of its rows; x has as many rows as the tiles. */
    public void fill(int tile, Rows x, int depth) {
        Kernels.fillTile(x, tile * height, height, depth, data, offset + tile * stride);
    }

    /** How many runs of rows {@link #fillAcross} takes. */
    public static int runs(Rows x) {
        return Math.ceilDiv(x.count(), RUN);
    }

    /**
     * Fills steps of all tiles, which are tiles of six, with columns of a run of x's rows: row r of the tiles is column r
     * there, and its rows are the steps. Rows are read from end to end. Each run has steps of its own, so several may be
     * filled at once.
     */
    public void fillAcross(int run, Rows x) {
        int first = run * RUN;
        Rows rows = new Rows(x.data(), x.start(first), x.stride(), Math.min(RUN, x.count() - first));
        Kernels.fillTilesAcross(rows, count, data, offset + first * STEP, stride);
    }

    /** Throws unless {@code depth} steps of each tile lie inside the array. */
    void check(int depth) {
        if (count > 0) {
            long last = offset + (long) stride * (tiles() - 1);
            Objects.checkFromIndexSize(offset, (long) depth * STEP, (long) data.length);
            Objects.checkFromIndexSize(last, (long) depth * STEP, (long) data.length);
        }
    }
}
