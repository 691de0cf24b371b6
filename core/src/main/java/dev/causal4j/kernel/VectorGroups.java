package dev.causal4j.kernel;

import static dev.causal4j.kernel.PanelFormat.INT8_BITS;
import static dev.causal4j.kernel.VectorProducts.I;
import static dev.causal4j.kernel.VectorProducts.LE;
import static dev.causal4j.kernel.VectorProducts.S;
import static dev.causal4j.kernel.VectorProducts.W;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * A product of panels in groups with W lanes over outputs; see {@link GroupFormat}. First the chains of some groups go
 * to an array, then they are scaled and added: together they would be more than C2 compiles as one (decision 0030).
 * Single use; not thread-safe.
 *
 * <p>A few rows read the codes of a panel one after the other. More rows are multiplied with codes that are widened to
 * f32 once, a tile at a time.
 */
final class VectorGroups {
    private static final int WIDTH = Panels.WIDTH;

    /** Bytes of 64 floats. */
    private static final long STEP = 4L * WIDTH;

    /** Most rows that read the codes themselves. */
    private static final int FEW = 3;

    /** Groups of a tile that are scaled and added together; their chains stay in the first-level cache. */
    private static final int TOGETHER = 8;

    private static final Compute.Scratch<Room> ROOM = new Compute.Scratch<>(Room::new);

    private final Panels w;
    private final GroupFormat format;
    private final RowTiles x;
    private final Rows y;
    private final int groups;
    private final float[] chains; // [groups, 64] of a row, or [TOGETHER, rows, 64] of a tile
    private final float[] sums; // [rows, groups] of the inputs, if the format needs them
    private final float zero; // minus what is added to codes that are stored
    private final MemorySegment wide; // codes of a panel [groups * group, 64], then numbers in f32 [groups, 2, 64]
    private final long numbers; // bytes to them

    private VectorGroups(Panels w, RowTiles x, Rows y, Room room, MemorySegment wide) {
        this.w = w;
        this.format = (GroupFormat) w.format();
        this.x = x;
        this.y = y;
        this.groups = format.groups(w.depth());
        this.chains = room.chains = Room.atLeast(room.chains, Math.max(groups, TOGETHER * RowTiles.ROWS) * WIDTH);
        this.sums = room.sums = Room.atLeast(room.sums, format.sums() ? groups * x.count() : 0);
        this.zero = -format.zero();
        this.wide = wide;
        this.numbers = (long) groups * format.group() * STEP;
    }

    /** Scratch of a thread. */
    private static final class Room {
        private float[] chains = {};
        private float[] sums = {};

        private static float[] atLeast(float[] array, int size) {
            return array.length >= size ? array : new float[size];
        }
    }

    static void multiply(Panels w, RowTiles x, Rows y) {
        GroupFormat format = (GroupFormat) w.format();
        Room room = ROOM.take();
        VectorProducts.Widened wide = VectorProducts.widened(format.groups(w.depth()) * (format.group() + 2));
        new VectorGroups(w, x, y, room, wide.memory).run();
        VectorProducts.give(wide);
        ROOM.give(room);
    }

    private void run() {
        for (int i = 0; format.sums() && i < x.count() * groups; i++) {
            int from = i % groups * format.group();
            sums[i] = x.sum(x.start(i / groups) + from * x.step(), Math.min(format.group(), w.depth() - from));
        }
        for (int p = 0; p < w.count(); p++) {
            for (int r = 0; r < x.count(); r++) {
                int to = y.start(r) + p * WIDTH;
                Arrays.fill(y.data(), to, to + WIDTH, 0f);
            }
            if (x.count() <= FEW) {
                few(p);
            } else {
                many(p);
            }
        }
    }

    /** y = fma(scale, chain, y), and with minimums y = fma(minimum, sum, y), for some groups and rows. */
    private void fold(int p, int row, int rows, int from, int to) {
        MemorySegment m = format.wide() ? w.data(p) : wide;
        long start = format.wide() ? w.start(p) : numbers;
        long stride = format.wide() ? format.groupBytes() : 2 * STEP;
        boolean minimum = format.minimum();
        for (int j = 0; j < WIDTH; j += W) {
            float over = 1 / format.unit(j);
            for (int r = 0; r < rows; r++) {
                int out = y.start(row + r) + p * WIDTH + j;
                FloatVector sum = FloatVector.fromArray(S, y.data(), out);
                for (int g = from; g < to; g++) {
                    long at = start + g * stride + 4L * j;
                    FloatVector chain = FloatVector.fromArray(S, chains, ((g - from) * rows + r) * WIDTH + j)
                            .mul(over);
                    if (zero != 0) {
                        chain = FloatVector.broadcast(S, zero)
                                .fma(FloatVector.broadcast(S, sums[(row + r) * groups + g]), chain);
                    }
                    sum = FloatVector.fromMemorySegment(S, m, at, LE).fma(chain, sum);
                    if (minimum) {
                        FloatVector inputs = FloatVector.broadcast(S, sums[(row + r) * groups + g]);
                        sum = FloatVector.fromMemorySegment(S, m, at + STEP, LE).fma(inputs, sum);
                    }
                }
                FloatVector.broadcast(S, -0f).add(sum).intoArray(y.data(), out);
            }
        }
    }

    private void few(int p) {
        for (int r = 0; r < x.count(); r++) {
            for (int word = 0; word < 16; word += W) {
                long at = w.start(p) + format.header() + 4L * word;
                if (format.bits() == 8) {
                    chains8(w.data(p), at, x.start(r), word);
                } else {
                    chains4(w.data(p), at, x.start(r), word);
                }
            }
            if (format.wide()) {
                fold(p, r, 1, 0, groups);
            } else {
                foldHalves(p, r);
            }
        }
    }

    /** The chains of 4 W outputs in all groups, times their units. */
    private void chains8(MemorySegment m, long codesAt, int row, int word) {
        float[] xs = x.data();
        int step = x.step();
        int group = format.group();
        long bytes = format.groupBytes();
        long at = codesAt;
        for (int from = 0; from < w.depth(); from += group, at += bytes) {
            FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
            int count = Math.min(group, w.depth() - from);
            int first = row + from * step;
            for (int k = 0; k < count; k++) {
                FloatVector v = FloatVector.broadcast(S, xs[first + k * step]);
                IntVector codes = IntVector.fromMemorySegment(I, m, at + (long) k * WIDTH, LE);
                a = v.fma((FloatVector) codes.lanewise(LSHL, 24).convert(I2F, 0), a);
                b = v.fma((FloatVector) codes.lanewise(LSHL, 16).and(INT8_BITS).convert(I2F, 0), b);
                c = v.fma((FloatVector) codes.lanewise(LSHL, 8).and(INT8_BITS).convert(I2F, 0), c);
                d = v.fma((FloatVector) codes.and(INT8_BITS).convert(I2F, 0), d);
            }
            store(a, b, c, d, chains, from / group * WIDTH + word);
        }
    }

    /** The same for codes of 4 bits. */
    private void chains4(MemorySegment m, long codesAt, int row, int word) {
        float[] xs = x.data();
        int step = x.step();
        int pairs = format.group() / 2;
        long bytes = format.groupBytes();
        for (int g = 0; g < groups; g++) {
            FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
            int first = row + 2 * g * pairs * step;
            long at = codesAt + g * bytes;
            for (int k = 0; k < pairs; k++) {
                FloatVector v = FloatVector.broadcast(S, xs[first + 2 * k * step]);
                FloatVector u = FloatVector.broadcast(S, xs[first + (2 * k + 1) * step]);
                IntVector low = IntVector.fromMemorySegment(I, m, at + (long) k * WIDTH, LE);
                IntVector high = low.lanewise(LSHR, 16);
                a = v.fma((FloatVector) low.and(0xf).convert(I2F, 0), a);
                b = v.fma((FloatVector) low.and(0xf0).convert(I2F, 0), b);
                c = v.fma((FloatVector) low.and(0xf00).convert(I2F, 0), c);
                d = v.fma((FloatVector) low.and(0xf000).convert(I2F, 0), d);
                a = u.fma((FloatVector) high.and(0xf).convert(I2F, 0), a);
                b = u.fma((FloatVector) high.and(0xf0).convert(I2F, 0), b);
                c = u.fma((FloatVector) high.and(0xf00).convert(I2F, 0), c);
                d = u.fma((FloatVector) high.and(0xf000).convert(I2F, 0), d);
            }
            store(a, b, c, d, chains, g * WIDTH + word);
        }
    }

    /** Stores outputs w, w + 16, w + 32 and w + 48; adding -0 changes nothing and needs no object (VectorLoops). */
    private static void store(FloatVector a, FloatVector b, FloatVector c, FloatVector d, float[] to, int at) {
        FloatVector exact = FloatVector.broadcast(S, -0f);
        exact.add(a).intoArray(to, at);
        exact.add(b).intoArray(to, at + 16);
        exact.add(c).intoArray(to, at + 32);
        exact.add(d).intoArray(to, at + 48);
    }

    /** The same for all groups and one row, with scales and minimums in f16. */
    private void foldHalves(int p, int row) {
        MemorySegment m = w.data(p);
        boolean minimum = format.minimum();
        long bytes = format.groupBytes();
        for (int j = 0; j < WIDTH; j += W) {
            float over = 1 / format.unit(j);
            int shift = j / 16 % 2 == 0 ? 16 : 0; // outputs of a low half
            long at = w.start(p) + 4L * (j / 32 * 16 + j % 16);
            FloatVector sum = FloatVector.zero(S);
            for (int g = 0; g < groups; g++, at += bytes) {
                IntVector scale = IntVector.fromMemorySegment(I, m, at, LE).lanewise(LSHL, shift);
                FloatVector chain =
                        FloatVector.fromArray(S, chains, g * WIDTH + j).mul(over);
                if (zero != 0) {
                    chain = FloatVector.broadcast(S, zero).fma(FloatVector.broadcast(S, sums[row * groups + g]), chain);
                }
                sum = VectorProducts.f16(scale).fma(chain, sum);
                if (minimum) {
                    IntVector number =
                            IntVector.fromMemorySegment(I, m, at + STEP / 2, LE).lanewise(LSHL, shift);
                    sum = VectorProducts.f16(number).fma(FloatVector.broadcast(S, sums[row * groups + g]), sum);
                }
            }
            FloatVector.broadcast(S, -0f).add(sum).intoArray(y.data(), y.start(row) + p * WIDTH + j);
        }
    }

    /** Widens scales and minimums of f16. */
    private void widenNumbers(int p) {
        for (int g = 0; g < groups; g++) {
            long at = w.start(p) + (long) g * format.groupBytes();
            long to = numbers + g * 2L * STEP;
            VectorProducts.widenF16(w.data(p), at, wide, to);
            if (format.minimum()) {
                VectorProducts.widenF16(w.data(p), at + format.numberBytes(), wide, to + STEP);
            }
        }
    }

    /** All rows against one panel. */
    private void many(int p) {
        if (!format.wide()) {
            widenNumbers(p);
        }
        for (int g = 0; g < groups; g++) {
            long at = w.start(p) + (long) g * format.groupBytes() + format.header();
            widen(w.data(p), at, (long) g * format.group() * STEP);
        }
        int height = x.height() == RowTiles.FEW ? 4 : x.height();
        for (int row = 0; row < x.count(); row += height) {
            int rows = Math.min(height, x.count() - row);
            for (int from = 0; from < groups; from += TOGETHER) {
                int to = Math.min(groups, from + TOGETHER);
                for (int g = from; g < to; g++) {
                    tile(g, row, new Rows(chains, (g - from) * rows * WIDTH, WIDTH, rows));
                }
                fold(p, row, rows, from, to);
            }
        }
    }

    /** The chains of some rows in one group. */
    private void tile(int g, int row, Rows to) {
        int from = g * format.group();
        int depth = Math.min(format.group(), w.depth() - from);
        int start = x.start(row) + from * RowTiles.STEP;
        if (x.height() == RowTiles.FEW) {
            VectorLoops.tileF32x4(wide, from * STEP, depth, x.data(), start, to, 0, 0, 0, 0);
            return;
        }
        for (int j = 0; j < WIDTH; j += 2 * W) {
            VectorLoops.tileF32x6(wide, from * STEP + 4L * j, depth, x.data(), start, to, 0, j);
        }
    }

    /** Widens the codes of a group: [group, 64]. */
    private void widen(MemorySegment m, long codes, long to) {
        for (int k = 0; format.bits() == 8 && k < format.group(); k++) {
            VectorProducts.widenInt8(m, codes + (long) k * WIDTH, wide, to + k * STEP);
        }
        for (int i = 0; format.bits() == 4 && i < format.group() * WIDTH / 8; i += W) {
            IntVector low = IntVector.fromMemorySegment(I, m, codes + 4L * i, LE);
            IntVector high = low.lanewise(LSHR, 16);
            long at = to + i / 16 * 2L * STEP + 4L * (i % 16);
            for (int n = 0; n < 4; n++) {
                ((FloatVector) low.and(0xf << (4 * n)).convert(I2F, 0)).intoMemorySegment(wide, at + 64L * n, LE);
                ((FloatVector) high.and(0xf << (4 * n)).convert(I2F, 0))
                        .intoMemorySegment(wide, at + STEP + 64L * n, LE);
            }
        }
    }
}
