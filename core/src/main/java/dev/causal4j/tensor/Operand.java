package dev.causal4j.tensor;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.kernel.RowTiles;
import org.jspecify.annotations.Nullable;

/**
 * The rows that products read: where they lie if they are few, in tiles made once if they are many. Valid until its memory
 * is used again; the rows must not change meanwhile.
 *
 * @param rows [N, cols]
 * @param tiles the same in tiles, or null
 */
public record Operand(Rows rows, @Nullable RowTiles tiles) {
    /** Bytes of tiles, unless a tile needs more; 512 rows of 3,072 inputs take 8.5 MB. */
    static final int MOST_BYTES = 12 << 20;

    /** Register tiles of six whose results stay in the cache beside those of other panels: of 258 rows. */
    private static final int MOST_TILES = 43;

    /** A thread's memory for the product it has begun. All kinds share it: a task of a product begins no other product. */
    private static final ThreadLocal<Memory> OWN = ThreadLocal.withInitial(Memory::new);

    /** The memory of this thread's products. */
    static Memory memory() {
        return OWN.get();
    }

    /** Where tiles are made, kept for the next operand. Belongs to one caller; not thread-safe. */
    public static final class Memory {
        private float[] numbers = {};

        /** As many numbers as tiles of so many rows take. */
        float[] numbers(int rows, int depth) {
            int size = RowTiles.size(rows, depth);
            if (numbers.length < size) {
                numbers = new float[size];
            }
            return numbers;
        }

        /** Tiles for many rows, still to be filled. */
        RowTiles tiles(int rows, int depth) {
            return RowTiles.in(numbers(rows, depth), rows, depth);
        }
    }

    /** Prepares rows of {@code cols} numbers, shared among {@link Compute}; many only {@link #most} at a time. */
    public static Operand of(Device device, Rows x, int cols, Memory memory) {
        if (Kernels.tileRows(x.count()) == 0) {
            return new Operand(x, null);
        }
        RowTiles tiles = RowTiles.of(memory.numbers(x.count(), cols), x.count(), cols);
        device.compute().each(tiles.tiles(), tile -> tiles.fill(tile, x, cols));
        return new Operand(x, tiles);
    }

    /** Whether there are so many rows that a panel is best finished before the next. */
    boolean areMany() {
        return tiles != null && tiles.tiles() > MOST_TILES;
    }

    /**
     * How many rows to prepare at once, so that all parts of {@code rows} rows are about equal and their tiles take no more
     * than 12 MB: a multiple of a tile's rows.
     */
    public static int most(int rows, int cols) {
        int fitting = Math.max(1, MOST_BYTES / (4 * RowTiles.size(1, cols)));
        int tiles = Math.max(1, RowTiles.needed(rows));
        return RowTiles.ROWS * Math.ceilDiv(tiles, Math.ceilDiv(tiles, fitting));
    }

    /** Some neighbouring rows, of which the first is a multiple of a tile's rows. */
    public Operand slice(int first, int count) {
        return new Operand(
                new Rows(rows.data(), rows.start(first), rows.stride(), count),
                tiles == null ? null : tiles.rows(first, count));
    }
}
