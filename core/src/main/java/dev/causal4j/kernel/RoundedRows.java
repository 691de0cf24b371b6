package dev.causal4j.kernel;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Rows of inputs rounded to whole numbers, for products by weights in groups: 32 inputs of a row are q · s, with |q| at
 * most 127 ({@link Products#round}). Tiles hold {@value #TILE} rows, or the only one; rows past the last are undefined.
 *
 * <p>For group g of 32 inputs in row i of tile t, q begins at {@code codes[((t · groups + g) · height + i) · 32]}, and
 * s is {@code scales[(t · groups + g) · height + i]}. {@code sums} holds the sums of q for each group h of the weights,
 * in the same order.
 *
 * @param depth inputs of a row
 * @param group inputs of a group of the weights: 32 or 16
 * @param height rows of a tile: {@value #TILE}, or 1
 * @param tile the first tile of this range
 * @param count rows of this range
 */
public record RoundedRows(
        byte[] codes, float[] scales, int[] sums, int depth, int group, int height, int tile, int count) {
    /** Inputs that share a scale. */
    public static final int GROUP = 32;

    /** Rows of a tile of more than one: as many as a tile register of AMX has. */
    public static final int TILE = 16;

    /** Room for rows, to be rounded. */
    public static RoundedRows of(GroupFormat format, int depth, int rows) {
        return of(null, format, depth, rows);
    }

    /** Room for rows, in the arrays of {@code room} if they are large enough. */
    public static RoundedRows of(@Nullable RoundedRows room, GroupFormat format, int depth, int rows) {
        int height = rows == 1 ? 1 : TILE;
        int size = Math.multiplyExact(Math.ceilDiv(rows, height) * height, depth);
        RoundedRows all = room != null && room.codes.length >= size
                ? room
                : new RoundedRows(new byte[size], new float[size / GROUP], new int[size / 16], 0, 0, 0, 0, 0);
        return new RoundedRows(all.codes, all.scales, all.sums, depth, format.group(), height, 0, rows);
    }

    /** Number of tiles. */
    public int tiles() {
        return Math.ceilDiv(count, height);
    }

    /**
     * The index of the scale of row {@code r} of this range in group {@code g} of 32 inputs; its numbers begin at 32
     * times this index.
     */
    int scaleAt(int r, int g) {
        return ((tile + r / height) * (depth / GROUP) + g) * height + r % height;
    }

    /** The index of the sum of row {@code r} of this range in group {@code h} of the weights. */
    int sumAt(int r, int h) {
        return ((tile + r / height) * (depth / group) + h) * height + r % height;
    }

    /** A range of rows whose first begins a tile. */
    public RoundedRows rows(int first, int count) {
        if (first % height != 0) {
            throw new IllegalArgumentException(
                    "tiles: expected a first row that is a multiple of " + height + ", got " + first);
        }
        return new RoundedRows(codes, scales, sums, depth, group, height, tile + first / height, count);
    }

    /** Throws unless the rows fit the format and depth of the weights and are inside their arrays. */
    public void check(Panels w) {
        if (w.format().multiple() != GROUP || ((GroupFormat) w.format()).group() != group || w.depth() != depth) {
            throw new IllegalArgumentException("rounded rows: expected " + w.depth() + " inputs for " + w.format()
                    + ", got " + depth + " in groups of " + group);
        }
        check();
    }

    /** Throws unless the rows are inside their arrays: machine code does not check. */
    public void check() {
        Objects.checkIndex(tile, Integer.MAX_VALUE);
        long end = Math.multiplyExact((long) tile + tiles(), (long) height * depth);
        Objects.checkFromIndexSize(0, end, codes.length);
        Objects.checkFromIndexSize(0, end / GROUP, scales.length);
        Objects.checkFromIndexSize(0, end / group, sums.length);
    }
}
