package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Matrix products on panels with W = 4, 8 or 16 lanes over outputs: chooses the loop and loads the numbers.
 *
 * <p>One row is limited by how fast weights are read ({@link VectorRow}): each dtype is widened in registers. With 32
 * registers of 16 lanes that also serves two to eight rows ({@link VectorFewRows}). More rows, or fewer registers, are limited
 * by multiply-adds: rows come in tiles of six ({@link RowTiles}), and a panel is widened to f32 once, into scratch that the
 * second-level cache holds, and then serves all tiles ({@link VectorTiles}).
 */
final class VectorProducts implements Products {
    static final VectorSpecies<Float> S = VectorWidth.floats();
    static final VectorSpecies<Integer> I = S.withLanes(int.class);
    static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    static final int W = S.length();

    /** The bits of a bf16 word that are the output in its high half. */
    static final int HIGH = 0xffff0000;

    // Bytes of one step of k in a panel.
    static final int F32_STEP = 4 * Panels.WIDTH;
    static final int BF16_STEP = 2 * Panels.WIDTH;
    static final int INT8_STEP = Panels.WIDTH;

    /**
     * The stride of the loops over k. Not final, so that the compiler does not know it: a loop it can count it unrolls
     * eightfold, with reads out of order and registers spilled, which halved the speed of bf16 in every second run.
     */
    static int one = 1;

    /** Up to so many rows are served straight from the weights: as many as a tile has, if a vector has 16 lanes. */
    private static final int FEW_ROWS = W == 16 ? RowTiles.FEW : 1;

    /** Whether few rows read the next panel while they multiply this one. */
    private static final boolean READ_AHEAD = !Hardware.readsAhead();

    /** Where a thread widens a panel to. */
    private static final ThreadLocal<MemorySegment> WIDE = ThreadLocal.withInitial(() -> MemorySegment.NULL);

    private static final ScalarProducts PLAIN = new ScalarProducts();

    @Override
    public int tileRows(int rows) {
        return rows <= 1 ? 0 : rows <= FEW_ROWS ? RowTiles.FEW : RowTiles.ROWS;
    }

    @Override
    public int rowPanels(int bytes) {
        return W < 16 || bytes == Float.BYTES ? 2 : 3;
    }

    @Override
    public void multiplyF32(Panels w, Rows x, Rows y) {
        int groups = w.count() * (Panels.WIDTH / (4 * W));
        for (int g = 0; g < groups; g += 2) {
            // An odd group at the end is paired with itself: the same results are stored twice.
            int h = Math.min(g + 1, groups - 1);
            int out = y.offset();
            VectorRow.rowF32(w, group(w, g), group(w, h), x, y.data(), out + g * 4 * W, out + h * 4 * W);
        }
    }

    /** Whether three of the panels that are left go side by side: a last one alone would be paired with itself. */
    private static boolean threeOf(int panels) {
        return panels >= 3 && panels != 4;
    }

    @Override
    public void multiplyBf16(Panels w, Rows x, Rows y) {
        int p = 0;
        if (W == 16) {
            for (; threeOf(w.count() - p); p += 3) {
                VectorRow.threePanelsBf16(w, p, x, y.data(), y.offset() + p * Panels.WIDTH);
            }
        }
        for (; p < w.count(); p += 2) {
            int q = Math.min(p + 1, w.count() - 1);
            for (int word = 0; word < Panels.WIDTH / 2; word += 2 * W) {
                int output = lowOutput(word);
                VectorRow.rowBf16(
                        w,
                        w.start(p) + word * 4L,
                        w.start(q) + word * 4L,
                        x,
                        y.data(),
                        y.offset() + p * Panels.WIDTH + output,
                        y.offset() + q * Panels.WIDTH + output);
            }
        }
    }

    @Override
    public void multiplyInt8(Panels w, Rows x, Rows y) {
        int p = 0;
        if (W == 16) {
            for (; threeOf(w.count() - p); p += 3) {
                VectorRow.threePanelsInt8(w, p, x, y.data(), y.offset() + p * Panels.WIDTH);
            }
        }
        for (; p < w.count(); p += 2) {
            int q = Math.min(p + 1, w.count() - 1);
            for (int word = 0; word < 16; word += W) {
                VectorRow.rowInt8(
                        w,
                        w.start(p) + word * 4L,
                        w.start(q) + word * 4L,
                        x,
                        y.data(),
                        y.offset() + p * Panels.WIDTH + word,
                        y.offset() + q * Panels.WIDTH + word);
            }
        }
    }

    @Override
    public void multiplyF32(Panels w, RowTiles x, Rows y) {
        if (x.areFew()) {
            VectorFewRows.multiplyF32(w, x, y, READ_AHEAD);
            return;
        }
        for (int p = 0; p < w.count(); p++) {
            VectorTiles.tiles(w.data(), w.start(p), w.depth(), x, y, p * Panels.WIDTH);
        }
    }

    @Override
    public void multiplyBf16(Panels w, RowTiles x, Rows y) {
        if (x.areFew()) {
            VectorFewRows.multiplyBf16(w, x, y, READ_AHEAD);
            return;
        }
        MemorySegment wide = wide(w.depth());
        for (int p = 0; p < w.count(); p++) {
            widenBf16(w.data(), w.start(p), w.depth(), wide);
            VectorTiles.tiles(wide, 0, w.depth(), x, y, p * Panels.WIDTH);
        }
    }

    @Override
    public void multiplyInt8(Panels w, RowTiles x, Rows y) {
        if (x.areFew()) {
            VectorFewRows.multiplyInt8(w, x, y, READ_AHEAD);
            return;
        }
        MemorySegment wide = wide(w.depth());
        for (int p = 0; p < w.count(); p++) {
            widenInt8(w.data(), w.start(p), w.depth(), wide);
            VectorTiles.tiles(wide, 0, w.depth(), x, y, p * Panels.WIDTH);
        }
    }

    @Override
    public void addProductF32(Panels w, RowTiles x, MemorySegment y, long offset) {
        VectorTiles.addTiles(w, x, y, offset);
    }

    @Override
    public void fillTile(Rows x, int row, int height, int depth, float[] to, int at) {
        if (W < 8) {
            PLAIN.fillTile(x, row, height, depth, to, at);
        } else {
            VectorRowTiles.fill(x, row, height, depth, to, at);
        }
    }

    @Override
    public void fillTilesAcross(Rows x, int columns, float[] to, int at, int stride) {
        if (W < 8) {
            PLAIN.fillTilesAcross(x, columns, to, at, stride);
        } else {
            VectorRowTiles.fillAcross(x, columns, to, at, stride);
        }
    }

    @Override
    public void transpose(MemorySegment from, long fromOffset, MemorySegment to, long toOffset) {
        if (W < 8) {
            PLAIN.transpose(from, fromOffset, to, toOffset);
        } else {
            VectorTransposition.transpose(from, fromOffset, to, toOffset);
        }
    }

    /** This thread's scratch for one f32 panel. */
    private static MemorySegment wide(int depth) {
        MemorySegment scratch = WIDE.get();
        if (scratch.byteSize() < (long) depth * F32_STEP) {
            scratch = Arena.ofAuto().allocate((long) depth * F32_STEP, 64);
            WIDE.set(scratch);
        }
        return scratch;
    }

    /** Byte offset of group {@code g} of 4 W outputs in f32 panels. */
    private static long group(Panels w, int g) {
        int output = g * 4 * W;
        return w.start(output / Panels.WIDTH) + output % Panels.WIDTH * 4L;
    }

    static FloatVector f32(MemorySegment m, long offset) {
        return FloatVector.fromMemorySegment(S, m, offset, LE);
    }

    static IntVector words(MemorySegment m, long offset) {
        return IntVector.fromMemorySegment(I, m, offset, LE);
    }

    static FloatVector broadcast(float x) {
        return FloatVector.broadcast(S, x);
    }

    /** The output in the low half of a bf16 word; the high half holds the one 16 further on. */
    private static int lowOutput(int word) {
        return word / 16 * 32 + word % 16;
    }

    static FloatVector low(IntVector words) {
        return words.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
    }

    static FloatVector high(IntVector words) {
        return words.and(HIGH).reinterpretAsFloats();
    }

    /** Byte {@code 3 - shift / 8} of each word as a signed number. */
    static FloatVector int8(IntVector words, int shift) {
        return (FloatVector) words.lanewise(VectorOperators.LSHL, shift)
                .lanewise(VectorOperators.ASHR, 24)
                .convert(VectorOperators.I2F, 0);
    }

    private static void widenBf16(MemorySegment m, long block, int steps, MemorySegment wide) {
        for (int s = 0; s < steps; s++) {
            for (int word = 0; word < Panels.WIDTH / 2; word += W) {
                IntVector both = words(m, block + (long) s * BF16_STEP + word * 4L);
                long to = (long) s * F32_STEP + lowOutput(word) * 4L;
                low(both).intoMemorySegment(wide, to, LE);
                high(both).intoMemorySegment(wide, to + 64, LE);
            }
        }
    }

    private static void widenInt8(MemorySegment m, long block, int steps, MemorySegment wide) {
        for (int s = 0; s < steps; s++) {
            for (int word = 0; word < 16; word += W) {
                IntVector four = words(m, block + (long) s * INT8_STEP + word * 4L);
                long to = (long) s * F32_STEP + word * 4L;
                int8(four, 24).intoMemorySegment(wide, to, LE);
                int8(four, 16).intoMemorySegment(wide, to + 64, LE);
                int8(four, 8).intoMemorySegment(wide, to + 128, LE);
                int8(four, 0).intoMemorySegment(wide, to + 192, LE);
            }
        }
    }
}
