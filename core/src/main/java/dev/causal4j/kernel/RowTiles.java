package dev.causal4j.kernel;

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

    /** Steps of a row that are filled at once: 16 KB, which stay in the first-level cache from row to row. */
    private static final int BLOCK = 512;

    /** Tiles that are filled across at once: their ends may all be in one set of the first-level cache, which holds 8. */
    private static final int GROUP = 8;

    /** Floats of a step in a tile. */
    static final int STEP = 8;

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

    /** Fills a tile with {@code depth} numbers of each of its rows. */
    public void fill(int tile, Rows x, int depth) {
        if (height == ROWS && (tile + 1) * ROWS <= count) {
            fillSix(x.data(), x.start(tile * ROWS), x.stride(), depth, data, offset + tile * stride);
            return;
        }
        float[] from = x.data();
        for (int block = 0; block < depth; block += BLOCK) {
            int end = Math.min(depth, block + BLOCK);
            for (int r = 0; r < height; r++) {
                int row = x.start(Math.min(tile * height + r, count - 1));
                int at = offset + tile * stride + r;
                for (int k = block; k < end; k++) {
                    data[at + k * STEP] = from[row + k];
                }
            }
        }
    }

    /** Six rows side by side, whose numbers of a step are then written together. */
    private static void fillSix(float[] from, int row, int stride, int depth, float[] to, int at) {
        int row1 = row + stride;
        int row2 = row1 + stride;
        int row3 = row2 + stride;
        int row4 = row3 + stride;
        int row5 = row4 + stride;
        for (int k = 0; k < depth; k++) {
            int step = at + k * STEP;
            to[step] = from[row + k];
            to[step + 1] = from[row1 + k];
            to[step + 2] = from[row2 + k];
            to[step + 3] = from[row3 + k];
            to[step + 4] = from[row4 + k];
            to[step + 5] = from[row5 + k];
        }
    }

    /** How many groups of tiles {@link #fillAcross} fills. */
    public int groups() {
        return Math.ceilDiv(tiles(), GROUP);
    }

    /**
     * Fills a group of tiles with columns of x: row r of these tiles is column r there, and its rows are the steps. The
     * numbers of the next tile lie beside those of one, often in the same line of the cache.
     */
    public void fillAcross(int group, Rows x) {
        int end = Math.min(tiles(), (group + 1) * GROUP);
        for (int k = 0; k < x.count(); k++) {
            for (int tile = group * GROUP; tile < end; tile++) {
                fillStep(tile, k, x.data(), x.start(k) + tile * height);
            }
        }
    }

    /** Fills one step of a tile with numbers that lie one after the other. */
    private void fillStep(int tile, int k, float[] x, int from) {
        float[] to = data;
        int at = offset + tile * stride + k * STEP;
        int width = Math.min(height, count - tile * height);
        if (width == ROWS) {
            to[at] = x[from];
            to[at + 1] = x[from + 1];
            to[at + 2] = x[from + 2];
            to[at + 3] = x[from + 3];
            to[at + 4] = x[from + 4];
            to[at + 5] = x[from + 5];
            return;
        }
        for (int r = 0; r < height; r++) {
            to[at + r] = x[from + Math.min(r, width - 1)];
        }
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
