package dev.causal4j.kernel;

import java.util.Objects;

/**
 * Rows of activations as a product of many rows reads them: six rows are a tile {@code [depth][8]}, in which number r of
 * step k belongs to row r and the last two mean nothing. A step is then one short read, and a kernel needs one address for
 * six rows, which leaves the processor's ports to the multiply-adds: a tenth faster than rows where they lie.
 *
 * <p>The last tile is filled up with its last row.
 *
 * @param offset floats to the first tile
 * @param stride floats from one tile to the next
 * @param count how many rows
 */
public record RowTiles(float[] data, int offset, int stride, int count) {
    /** Rows of a tile. */
    public static final int ROWS = 6;

    /** Floats of a step in a tile. */
    static final int STEP = 8;

    /** Floats that tiles of so many rows take. */
    public static int size(int rows, int depth) {
        return Math.multiplyExact(needed(rows), Math.multiplyExact(depth, STEP));
    }

    /** How many tiles hold {@code rows} rows. */
    public static int needed(int rows) {
        return Math.ceilDiv(rows, ROWS);
    }

    /** Tiles one after the other from the start of {@code data}, still to be filled. */
    public static RowTiles in(float[] data, int rows, int depth) {
        return new RowTiles(data, 0, depth * STEP, rows);
    }

    /** The same rows from step {@code step} on. */
    public RowTiles from(int step) {
        return new RowTiles(data, offset + step * STEP, stride, count);
    }

    /** Some neighbouring rows, of which the first begins a tile. */
    public RowTiles rows(int first, int count) {
        if (first % ROWS != 0) {
            throw new IllegalArgumentException(
                    "tiles: expected a first row that is a multiple of " + ROWS + ", got " + first);
        }
        return new RowTiles(data, offset + first / ROWS * stride, stride, count);
    }

    /** The index of the first number of a row; the next is {@link #STEP} further. */
    int start(int row) {
        return offset + row / ROWS * stride + row % ROWS;
    }

    /** Fills a tile with {@code depth} numbers of each of its rows. */
    public void fill(int tile, Rows x, int depth) {
        float[] from = x.data();
        int first = tile * ROWS;
        int last = count - 1;
        int x0 = x.start(first), x1 = x.start(Math.min(first + 1, last)), x2 = x.start(Math.min(first + 2, last));
        int x3 = x.start(Math.min(first + 3, last)), x4 = x.start(Math.min(first + 4, last));
        int x5 = x.start(Math.min(first + 5, last));
        int to = offset + tile * stride;
        for (int k = 0; k < depth; k++, to += STEP) {
            data[to] = from[x0 + k];
            data[to + 1] = from[x1 + k];
            data[to + 2] = from[x2 + k];
            data[to + 3] = from[x3 + k];
            data[to + 4] = from[x4 + k];
            data[to + 5] = from[x5 + k];
        }
    }

    /** Fills a tile with six columns of x: row r of these tiles is column r there, and its rows are the steps. */
    public void fillAcross(int tile, Rows x) {
        int first = tile * ROWS;
        int width = Math.min(ROWS, count - first);
        int to = offset + tile * stride;
        for (int k = 0; k < x.count(); k++, to += STEP) {
            int from = x.start(k) + first;
            for (int r = 0; r < width; r++) {
                data[to + r] = x.data()[from + r];
            }
            for (int r = width; r < ROWS; r++) {
                data[to + r] = data[to + width - 1];
            }
        }
    }

    /** Throws unless {@code depth} steps of each tile lie inside the array. */
    void check(int depth) {
        if (count > 0) {
            long last = offset + (long) stride * (needed(count) - 1);
            Objects.checkFromIndexSize(offset, (long) depth * STEP, (long) data.length);
            Objects.checkFromIndexSize(last, (long) depth * STEP, (long) data.length);
        }
    }
}
