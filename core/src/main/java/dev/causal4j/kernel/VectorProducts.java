package dev.causal4j.kernel;

import static dev.causal4j.kernel.Lanes.READ_AHEAD;
import static dev.causal4j.kernel.Lanes.STEPS;
import static dev.causal4j.kernel.Lanes.W;
import static dev.causal4j.kernel.Lanes.WORD;

import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;

/**
 * Matrix products on panels with W = 4, 8 or 16 lanes over outputs: chooses the loop of {@link VectorLoops} or {@link
 * VectorTileLoops}, which continues the chains of outputs.
 *
 * <p>A product of one row is limited by how fast weights are read: each format is widened in registers, and two groups
 * of outputs are read side by side. With 32 registers of 16 lanes two to eight rows are computed in this way, too.
 * Otherwise products are limited by multiply-adds: steps of a panel are widened to f32 once, into scratch that fits the
 * second-level cache, and multiplied by all tiles of rows.
 */
final class VectorProducts extends Products {
    /** Rows of the smaller tile. */
    private static final int FOUR = 4;

    /** Groups of 4 W outputs in a panel. */
    private static final int GROUPS = 16 / W;

    /** Bytes of a cache line. */
    private static final int LINE = 64;

    @Override
    public void multiply(Panels w, RowTiles x, Rows y) {
        multiply(w, x, y, READ_AHEAD);
    }

    /** @param ahead whether few rows read the next panel meanwhile */
    static void multiply(Panels w, RowTiles x, Rows y, boolean ahead) {
        if (x.height() == 1) {
            row(w, x, y);
        } else if (x.height() == RowTiles.FEW) {
            few(w, x, y, ahead);
        } else {
            many(w, x, y);
        }
    }

    @Override
    public void multiply(Panels w, RoundedRows x, Rows y) {
        VectorGroups.multiply(w, x, y);
    }

    @Override
    float round(float[] x, int from, byte[] q, int to) {
        return W < 8 ? super.round(x, from, q, to) : VectorGroups.round(x, from, q, to);
    }

    /** Reads two groups of outputs at a time, faster than one; a single last group is paired with itself. */
    private static void row(Panels w, RowTiles x, Rows y) {
        float[] xs = x.data();
        int groups = w.count() * GROUPS;
        for (int g = 0; g < groups; g += 2) {
            int h = Math.min(g + 1, groups - 1);
            MemorySegment m = w.memory();
            long at = group(w, g);
            long stride = group(w, h) - at;
            int out = output(w.plain(), g);
            int next = output(w.plain(), h) - out;
            int to = y.offset() + out;
            VectorLoops.row(w.plain(), m, m, at, stride, w.depth(), xs, x.offset(), y.data(), to, next);
        }
    }

    /** Bytes to the first step of a group of 4 W outputs. */
    private static long group(Panels w, int g) {
        return w.start(g / GROUPS) + (long) (g % GROUPS) * w.plain().stepBytes() / GROUPS;
    }

    /** The first output of a group of 4 W. */
    private static int output(PanelFormat format, int g) {
        return g / GROUPS * Panels.WIDTH + format.output(g % GROUPS * W * format.bits() / 8);
    }

    /**
     * Multiplies two to eight rows, in one tile, straight from the weights. Unless the processor prefetches well, a
     * word of each line of the next panel is read meanwhile, in eight runs side by side.
     */
    private static void few(Panels w, RowTiles x, Rows y, boolean ahead) {
        int stepBytes = w.plain().stepBytes();
        long run = ahead ? w.depth() * (LINE / 8) : 0;
        int read = ahead ? touch(w.memory(), w.start(0), (long) w.depth() * stepBytes) : 0;
        for (int p = 0; p < w.count(); p++) {
            MemorySegment m = w.memory();
            long next = w.start(Math.min(p + 1, w.count() - 1));
            int out = p * Panels.WIDTH;
            if (y.count() > FOUR && w.plain() != PanelFormat.F32) {
                read += eight(w, p, x, y, next, run);
                continue;
            }
            for (int row = 0; row < y.count(); row += FOUR) {
                long at = row == 0 ? run : 0;
                read += VectorLoops.tile(
                        w.plain(), m, w.start(p), w.depth(), x.data(), x.start(row), y, row, out, next, at);
            }
        }
        Lanes.keep(read);
    }

    /**
     * Multiplies eight rows by each half of a panel, 2 W outputs: a weight is widened once for eight multiply-adds, and
     * the units that do both are busy with multiply-adds for eight ninths of the time.
     */
    private static int eight(Panels w, int p, RowTiles x, Rows y, long next, long run) {
        int read = 0;
        for (int half = 0; half < 2; half++) {
            long at = w.start(p) + half * w.plain().stepBytes() / 2;
            int out = p * Panels.WIDTH + half * Panels.WIDTH / 2;
            long ahead = half == 0 ? run : 0;
            read += w.plain() == PanelFormat.BF16
                    ? VectorLoops.tileBf16x8x2(w.memory(), at, w.depth(), x.data(), x.start(0), y, 0, out, next, ahead)
                    : VectorLoops.tileF16x8x2(w.memory(), at, w.depth(), x.data(), x.start(0), y, 0, out, next, ahead);
        }
        return read;
    }

    /** Brings a panel into the second-level cache by reading a word of each line, in two runs side by side. */
    private static int touch(MemorySegment m, long panel, long bytes) {
        long second = panel + bytes / 2;
        int sum = 0;
        for (long o = 0; o < bytes / 2; o += (long) LINE * Lanes.one) {
            sum += m.get(WORD, panel + o) + m.get(WORD, second + o);
        }
        return sum;
    }

    private static void many(Panels w, RowTiles x, Rows y) {
        boolean widens = w.plain() != PanelFormat.F32;
        Widened wide = Widened.take(widens ? Math.min(STEPS, w.depth()) : 0);
        for (int p = 0; p < w.count(); p++) {
            int from = 0;
            do {
                int steps = Math.min(STEPS, w.depth() - from);
                long at = w.start(p) + (long) from * w.plain().stepBytes();
                if (widens) {
                    VectorLoops.widen(w.plain(), w.memory(), at, steps, wide.memory);
                    tiles(wide.memory, 0, from, steps, x, y, p * Panels.WIDTH);
                } else {
                    tiles(w.memory(), at, from, steps, x, y, p * Panels.WIDTH);
                }
                from += steps;
            } while (from < w.depth());
        }
        wide.give();
    }

    /** Multiplies all rows by steps of one f32 panel, a tile at a time. After the first steps sums continue from y. */
    private static void tiles(MemorySegment m, long at, int from, int steps, RowTiles x, Rows y, int out) {
        for (int row = 0; row < x.count(); row += x.height()) {
            int start = x.start(row) + from * x.step();
            for (int j = 0; j < Panels.WIDTH; j += tileOutputs(x)) {
                tile(m, at + 4L * j, steps, x, start, y, row, out + j, from > 0);
            }
        }
    }

    /** The outputs of a tile: its sums take half of 16 registers, or three quarters of 32. */
    private static int tileOutputs(RowTiles x) {
        return (x.height() == FOUR ? 2 : 4) * W;
    }

    /** @param adds whether the sums continue from y */
    private static void tile(
            MemorySegment m, long at, int steps, RowTiles x, int start, Rows y, int row, int out, boolean adds) {
        float[] xs = x.data();
        if (x.height() == FOUR) {
            if (adds) {
                VectorTileLoops.addF32x4x2(m, at, steps, xs, start, y, row, out);
            } else {
                VectorTileLoops.tileF32x4x2(m, at, steps, xs, start, y, row, out);
            }
        } else if (adds) {
            VectorTileLoops.addF32x6x4(m, at, steps, xs, start, y, row, out);
        } else {
            VectorTileLoops.tileF32x6x4(m, at, steps, xs, start, y, row, out);
        }
    }

    /** Computes a tile at a time in an array. */
    @Override
    public void addProduct(Panels w, RowTiles x, MemorySegment y, long offset) {
        float[] sums = new float[x.height() * Panels.WIDTH];
        for (int row = 0; row < x.count(); row += x.height()) {
            int rows = Math.min(x.height(), x.count() - row);
            long at = offset + row * 4L * Panels.WIDTH;
            MemorySegment.copy(y, Panels.FLOAT, at, sums, 0, rows * Panels.WIDTH);
            Rows out = Rows.of(sums, Panels.WIDTH, rows);
            int start = x.start(row);
            for (int j = 0; j < Panels.WIDTH; j += tileOutputs(x)) {
                tile(w.memory(), w.offset() + 4L * j, w.depth(), x, start, out, 0, j, true);
            }
            MemorySegment.copy(sums, 0, y, Panels.FLOAT, at, rows * Panels.WIDTH);
        }
    }
}
