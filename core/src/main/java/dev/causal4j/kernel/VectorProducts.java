package dev.causal4j.kernel;

import static dev.causal4j.kernel.PanelFormat.INT8_BITS;
import static jdk.incubator.vector.VectorOperators.I2F;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Matrix products on panels with W = 4, 8 or 16 lanes over outputs: chooses the loop of {@link VectorLoops} or {@link
 * VectorTileLoops}, which continues the chains of outputs.
 *
 * <p>One row is limited by how fast weights are read: each format is widened in registers, and two groups of outputs
 * are read side by side. With 32 registers of 16 lanes that also serves two to eight rows. More rows, or fewer
 * registers, are limited by multiply-adds: steps of a panel are widened to f32 once, into scratch that the second-level cache
 * holds, and then serves all tiles of rows.
 */
final class VectorProducts extends Products {
    static final VectorSpecies<Float> S = VectorWidth.floats();
    static final VectorSpecies<Integer> I = S.withLanes(int.class);
    static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    static final int W = S.length();

    /** The bits of a bf16 word that are the output in its high half. */
    static final int HIGH = 0xffff0000;

    /** Sign, exponent and mantissa of an f16 in a word shifted right by 3: a float of 2^-112 times its value. */
    static final int F16 = 0x8fffe000;

    /** What makes it the value, exactly, also if it is subnormal. */
    static final float SCALE = 0x1p112f;

    /**
     * The stride of the loops over k. Not final, so that C2 cannot count the loop: it would unroll it eightfold, with
     * reads out of order and spilled registers (docs/results/emerald-rapids.md).
     */
    static int one = 1;

    /** Rows of the smaller tile. */
    private static final int FOUR = 4;

    /** Most steps of a panel that serve all rows before the next: 128 KB of f32, or all where caches are larger. */
    static final int STEPS = W == 16 ? 1 << 24 : 512;

    /** Groups of 4 W outputs in a panel. */
    private static final int GROUPS = 16 / W;

    /** Bytes of a cache line. */
    private static final int LINE = 64;

    static final ValueLayout.OfInt WORD = ValueLayout.JAVA_INT_UNALIGNED;

    private static final Compute.Scratch<Widened> WIDENED = new Compute.Scratch<>(() -> new Widened(0));

    /** Whether products read words ahead, since the processor does not. */
    static final boolean READ_AHEAD = !Hardware.readsAhead();

    @Override
    void multiply(Panels w, RowTiles x, Rows y) {
        multiply(w, x, y, READ_AHEAD);
    }

    /** @param ahead whether few rows read the next panel meanwhile */
    static void multiply(Panels w, RowTiles x, Rows y, boolean ahead) {
        if (w.format() instanceof GroupFormat) {
            VectorGroups.multiply(w, x, y);
            return;
        }
        if (x.height() == 1) {
            row(w, x, y);
            return;
        }
        if (x.height() == RowTiles.FEW) {
            few(w, x, y, ahead);
        } else {
            many(w, x, y);
        }
        scale(w, 0, w.count(), y);
    }

    /** Applies the scales of some panels, if there are any. */
    private static void scale(Panels w, int from, int to, Rows y) {
        for (int p = from; p < to && w.plain().scaled(); p++) {
            for (int j = 0; j < Panels.WIDTH; j += W) {
                FloatVector scales = FloatVector.fromMemorySegment(S, w.data(p), w.start(p) + 4L * j, LE);
                for (int r = 0; r < y.count(); r++) {
                    int at = y.start(r) + p * Panels.WIDTH + j;
                    FloatVector.fromArray(S, y.data(), at)
                            .mul(1 / PanelFormat.INT8_UNIT)
                            .mul(scales)
                            .intoArray(y.data(), at);
                }
            }
        }
    }

    /** Reads two groups of outputs at a time, faster than one; a single last group is paired with itself. */
    private static void row(Panels w, RowTiles x, Rows y) {
        float[] xs = x.data();
        int groups = w.count() * GROUPS;
        for (int g = 0; g < groups; g += 2) {
            int h = Math.min(g + 1, groups - 1);
            MemorySegment m = w.data(g / GROUPS);
            MemorySegment n = w.data(h / GROUPS);
            long at = group(w, g);
            long stride = group(w, h) - at;
            int out = output(w.plain(), g);
            int next = output(w.plain(), h) - out;
            int to = y.offset() + out;
            switch (w.plain()) {
                case F32 -> VectorLoops.rowF32(m, n, at, stride, w.depth(), xs, x.offset(), y.data(), to, next);
                case BF16 -> VectorLoops.rowBf16(m, n, at, stride, w.depth(), xs, x.offset(), y.data(), to, next);
                case F16 -> VectorLoops.rowF16(m, n, at, stride, w.depth(), xs, x.offset(), y.data(), to, next);
                case INT8 -> VectorLoops.rowInt8(m, n, at, stride, w.depth(), xs, x.offset(), y.data(), to, next);
            }
            if (h % GROUPS == GROUPS - 1) { // whole panels, whose scales are still in the cache
                scale(w, g / GROUPS, h / GROUPS + 1, y);
            }
        }
    }

    /** Bytes to the first step of a group of 4 W outputs. */
    private static long group(Panels w, int g) {
        return w.steps(g / GROUPS) + (long) (g % GROUPS) * w.plain().stepBytes() / GROUPS;
    }

    /** The first output of a group. */
    private static int output(PanelFormat format, int g) {
        int vector = g % GROUPS * W;
        return g / GROUPS * Panels.WIDTH
                + switch (format) {
                    case F32 -> 4 * vector;
                    case BF16, F16 -> lowOutput(2 * vector);
                    case INT8 -> vector;
                };
    }

    /** The output in the low half of a word of two; the high half holds the one 16 further on. */
    static int lowOutput(int word) {
        return word / 16 * 32 + word % 16;
    }

    /**
     * Two to eight rows, in one tile, straight from the weights. Unless the processor prefetches well, a word of each
     * line of the next panel is read meanwhile, in eight runs side by side.
     */
    private static void few(Panels w, RowTiles x, Rows y, boolean ahead) {
        int stepBytes = w.plain().stepBytes();
        long run = ahead ? w.depth() * (LINE / 8) : 0;
        int read = ahead ? touch(w.data(0), w.steps(0), (long) w.depth() * stepBytes) : 0;
        for (int p = 0; p < w.count(); p++) {
            long next = w.steps(Math.min(p + 1, w.count() - 1));
            for (int row = 0; row < y.count(); row += FOUR) {
                read += four(w, p, next, row == 0 ? run : 0, x, y, row);
            }
        }
        keep(read);
    }

    private static int four(Panels w, int panel, long next, long run, RowTiles x, Rows y, int row) {
        MemorySegment m = w.data(panel);
        long at = w.steps(panel);
        int out = panel * Panels.WIDTH;
        int start = x.start(row);
        return switch (w.plain()) {
            case F32 -> VectorLoops.tileF32x4x4(m, at, w.depth(), x.data(), start, y, row, out, next, run);
            case BF16 -> VectorLoops.tileBf16x4x4(m, at, w.depth(), x.data(), start, y, row, out, next, run);
            case F16 -> VectorLoops.tileF16x4x4(m, at, w.depth(), x.data(), start, y, row, out, next, run);
            case INT8 -> {
                VectorLoops.tileInt8x4x4(m, at, w.depth(), x.data(), start, y, row, out);
                yield run > 0 ? touch(m, next, (long) w.depth() * Panels.WIDTH) : 0;
            }
        };
    }

    /**
     * Brings a panel into the second-level cache by reading a word of nearly each line, in two runs of eight lines at a
     * time.
     */
    private static int touch(MemorySegment m, long panel, long bytes) {
        long second = panel + bytes / 2;
        long end = bytes / 2 - 8 * LINE;
        int sum = 0;
        for (long o = 0; o <= end; o += 8L * LINE * one) {
            sum += eightLines(m, panel + o) + eightLines(m, second + o);
        }
        return sum;
    }

    private static int eightLines(MemorySegment m, long o) {
        return m.get(WORD, o)
                + m.get(WORD, o + LINE)
                + m.get(WORD, o + 2 * LINE)
                + m.get(WORD, o + 3 * LINE)
                + m.get(WORD, o + 4 * LINE)
                + m.get(WORD, o + 5 * LINE)
                + m.get(WORD, o + 6 * LINE)
                + m.get(WORD, o + 7 * LINE);
    }

    /** Uses the values read ahead, so that the compiler keeps the reads. */
    static void keep(int read) {
        if (read == 1) {
            Thread.onSpinWait();
        }
    }

    private static void many(Panels w, RowTiles x, Rows y) {
        boolean widens = w.plain() != PanelFormat.F32;
        Widened wide = widened(widens ? Math.min(STEPS, w.depth()) : 0);
        for (int p = 0; p < w.count(); p++) {
            int from = 0;
            do {
                int steps = Math.min(STEPS, w.depth() - from);
                if (widens) {
                    widen(w, p, from, steps, wide.memory);
                    tiles(wide.memory, 0, from, steps, x, y, p * Panels.WIDTH);
                } else {
                    tiles(w.data(p), w.steps(p) + from * 4L * Panels.WIDTH, from, steps, x, y, p * Panels.WIDTH);
                }
                from += steps;
            } while (from < w.depth());
        }
        give(wide);
    }

    /** Takes room for steps of f32. */
    static Widened widened(int depth) {
        Widened taken = WIDENED.take();
        return taken.depth >= depth ? taken : taken.replaced(depth);
    }

    static void give(Widened wide) {
        WIDENED.give(wide);
    }

    /** Room for steps of f32; it lasts as long as the process. */
    static final class Widened {
        private final Arena arena = Arena.ofShared();
        private final int depth;
        final MemorySegment memory;

        Widened(int depth) {
            this.depth = depth;
            this.memory = arena.allocate(PanelFormat.F32.bytes(depth), LINE);
        }

        Widened replaced(int larger) {
            arena.close();
            return new Widened(larger);
        }
    }

    /** All rows against steps of one f32 panel, a tile at a time. After the first steps sums go on from y. */
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

    /** @param adds whether the sums go on from y */
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

    /** A tile at a time by way of an array. */
    @Override
    void addProduct(Panels w, RowTiles x, MemorySegment y, long offset) {
        float[] sums = new float[x.height() * Panels.WIDTH];
        for (int row = 0; row < x.count(); row += x.height()) {
            int rows = Math.min(x.height(), x.count() - row);
            long at = offset + row * 4L * Panels.WIDTH;
            MemorySegment.copy(y, Panels.FLOAT, at, sums, 0, rows * Panels.WIDTH);
            Rows out = Rows.of(sums, Panels.WIDTH, rows);
            int start = x.start(row);
            for (int j = 0; j < Panels.WIDTH; j += tileOutputs(x)) {
                tile(w.data(0), w.offset() + 4L * j, w.depth(), x, start, out, 0, j, true);
            }
            MemorySegment.copy(sums, 0, y, Panels.FLOAT, at, rows * Panels.WIDTH);
        }
    }

    private static void widen(Panels w, int panel, int first, int steps, MemorySegment wide) {
        for (int k = 0; k < steps; k++) {
            long from = w.steps(panel) + (long) (first + k) * w.plain().stepBytes();
            long to = k * 4L * Panels.WIDTH;
            switch (w.plain()) {
                case BF16 -> widenBf16(w.data(panel), from, wide, to);
                case F16 -> widenF16(w.data(panel), from, wide, to);
                default -> widenInt8(w.data(panel), from, wide, to);
            }
        }
    }

    private static void widenBf16(MemorySegment m, long from, MemorySegment wide, long to) {
        for (int word = 0; word < Panels.WIDTH / 2; word += W) {
            IntVector both = IntVector.fromMemorySegment(I, m, from + word * 4L, LE);
            long at = to + lowOutput(word) * 4L;
            both.lanewise(VectorOperators.LSHL, 16).intoMemorySegment(wide, at, LE);
            both.and(HIGH).intoMemorySegment(wide, at + 64, LE);
        }
    }

    static void widenF16(MemorySegment m, long from, MemorySegment wide, long to) {
        for (int word = 0; word < Panels.WIDTH / 2; word += W) {
            IntVector both = IntVector.fromMemorySegment(I, m, from + word * 4L, LE);
            long at = to + lowOutput(word) * 4L;
            f16(both.lanewise(VectorOperators.LSHL, 16)).intoMemorySegment(wide, at, LE);
            f16(both).intoMemorySegment(wide, at + 64, LE);
        }
    }

    /** The high half of each word as a number. */
    static FloatVector f16(IntVector words) {
        return words.lanewise(VectorOperators.ASHR, 3)
                .and(F16)
                .reinterpretAsFloats()
                .mul(SCALE);
    }

    static void widenInt8(MemorySegment m, long from, MemorySegment wide, long to) {
        for (int word = 0; word < 16; word += W) {
            IntVector four = IntVector.fromMemorySegment(I, m, from + word * 4L, LE);
            long at = to + word * 4L;
            ((FloatVector) four.lanewise(VectorOperators.LSHL, 24).convert(I2F, 0)).intoMemorySegment(wide, at, LE);
            ((FloatVector) four.lanewise(VectorOperators.LSHL, 16)
                            .and(INT8_BITS)
                            .convert(I2F, 0))
                    .intoMemorySegment(wide, at + 64, LE);
            ((FloatVector) four.lanewise(VectorOperators.LSHL, 8).and(INT8_BITS).convert(I2F, 0))
                    .intoMemorySegment(wide, at + 128, LE);
            ((FloatVector) four.and(INT8_BITS).convert(I2F, 0)).intoMemorySegment(wide, at + 192, LE);
        }
    }
}
