package dev.causal4j.kernel;

import static dev.causal4j.kernel.VectorProducts.I;
import static dev.causal4j.kernel.VectorProducts.LE;
import static dev.causal4j.kernel.VectorProducts.S;
import static dev.causal4j.kernel.VectorProducts.W;
import static jdk.incubator.vector.VectorOperators.ASHR;
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
 * Products of panels in groups with W lanes over outputs; see {@link GroupFormat}. First the chains of all groups go to
 * an array, then they are scaled and added: together they would be more than C2 compiles as one (decision 0030).
 *
 * <p>A few rows read the codes of a panel one after the other. More rows are multiplied with codes that are widened to
 * f32 once, a tile at a time.
 */
final class VectorGroups {
    private static final int WIDTH = Panels.WIDTH;

    /** Most rows that read the codes themselves. */
    private static final int FEW = 3;

    private static final Compute.Scratch<Room> ROOM = new Compute.Scratch<>(Room::new);

    private VectorGroups() {}

    /** Scratch of a thread. */
    private static final class Room {
        private float[] sums = {}; // [rows, groups]
        private float[] scales = {}; // [groups, 64]
        private float[] minimums = {}; // [groups, 64]
        private float[] chains = {}; // [groups, 64] of a row, or [rows, 64] of a group

        private static float[] atLeast(float[] array, int size) {
            return array.length >= size ? array : new float[size];
        }
    }

    static void multiply(Panels w, RowTiles x, Rows y) {
        GroupFormat format = (GroupFormat) w.format();
        int groups = format.groups(w.depth());
        Room room = ROOM.take();
        room.scales = Room.atLeast(room.scales, groups * WIDTH);
        room.chains = Room.atLeast(room.chains, Math.max(groups, RowTiles.ROWS) * WIDTH);
        if (format.minimum()) {
            room.minimums = Room.atLeast(room.minimums, groups * WIDTH);
            room.sums = Room.atLeast(room.sums, groups * x.count());
            sums(x, w.depth(), format.group(), room.sums);
        }
        for (int p = 0; p < w.count(); p++) {
            if (x.count() <= FEW) {
                few(w, p, x, y, room);
            } else {
                numbers(w.data(p), w.start(p), format, groups, room);
                many(w, p, x, y, room);
            }
        }
        ROOM.give(room);
    }

    /** The sums of each row's groups, in the order of k. */
    private static void sums(RowTiles x, int depth, int group, float[] sums) {
        int groups = Math.ceilDiv(depth, group);
        for (int i = 0; i < x.count() * groups; i++) {
            int from = i % groups * group;
            int at = x.start(i / groups) + from * x.step();
            float sum = 0;
            for (int k = Math.min(group, depth - from); k > 0; k--, at += x.step()) {
                sum += x.data()[at];
            }
            sums[i] = sum;
        }
    }

    /** Widens scales and minimums. */
    private static void numbers(MemorySegment m, long panel, GroupFormat format, int groups, Room room) {
        for (int g = 0; g < groups; g++) {
            long at = panel + (long) g * format.groupBytes();
            if (format.wide()) {
                MemorySegment.copy(m, Panels.FLOAT, at, room.scales, g * WIDTH, WIDTH);
            } else {
                halves(m, at, room.scales, g * WIDTH);
            }
            if (format.minimum() && format.wide()) {
                MemorySegment.copy(m, Panels.FLOAT, at + 4L * WIDTH, room.minimums, g * WIDTH, WIDTH);
            } else if (format.minimum()) {
                halves(m, at + 2L * WIDTH, room.minimums, g * WIDTH);
            }
        }
    }

    private static void halves(MemorySegment m, long at, float[] target, int to) {
        for (int word = 0; word < WIDTH / 2; word += W) {
            IntVector both = IntVector.fromMemorySegment(I, m, at + 4L * word, LE);
            int low = to + word / 16 * 32 + word % 16;
            VectorProducts.f16(both.lanewise(LSHL, 16)).intoArray(target, low);
            VectorProducts.f16(both).intoArray(target, low + 16);
        }
    }

    private static void few(Panels w, int p, RowTiles x, Rows y, Room room) {
        GroupFormat format = (GroupFormat) w.format();
        int groups = format.groups(w.depth());
        for (int r = 0; r < x.count(); r++) {
            for (int word = 0; word < 16; word += W) {
                long at = w.start(p) + format.header() + 4L * word;
                int start = x.start(r);
                if (format.bits() == 8) {
                    chains8(w.data(p), at, format, w.depth(), x.data(), start, x.step(), room.chains, word);
                } else if (format.signed()) {
                    signed4(w.data(p), at, format, w.depth(), x.data(), start, x.step(), room.chains, word);
                } else {
                    unsigned4(w.data(p), at, format, w.depth(), x.data(), start, x.step(), room.chains, word);
                }
            }
            int to = y.start(r) + p * WIDTH;
            for (int j = 0; j < WIDTH; j += W) {
                if (format.wide()) {
                    fold(w.data(p), w.start(p), format, groups, room, r * groups, j, y.data(), to + j);
                } else {
                    foldHalves(w.data(p), w.start(p), format, groups, room, r * groups, j, y.data(), to + j);
                }
            }
        }
    }

    /** The chains of 4 W outputs in all groups. */
    private static void chains8(
            MemorySegment m,
            long codesAt,
            GroupFormat f,
            int depth,
            float[] xs,
            int x,
            int step,
            float[] to,
            int word) {
        int group = f.group();
        long at = codesAt;
        for (int from = 0; from < depth; from += group, at += f.groupBytes()) {
            FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
            int count = Math.min(group, depth - from);
            int first = x + from * step;
            for (int k = 0; k < count; k++) {
                FloatVector v = FloatVector.broadcast(S, xs[first + k * step]);
                IntVector codes = IntVector.fromMemorySegment(I, m, at + (long) k * WIDTH, LE);
                a = v.fma(high8(codes.lanewise(LSHL, 24)), a);
                b = v.fma(high8(codes.lanewise(LSHL, 16)), b);
                c = v.fma(high8(codes.lanewise(LSHL, 8)), c);
                d = v.fma(high8(codes), d);
            }
            store(a, b, c, d, to, from / group * WIDTH + word);
        }
    }

    /** The same for codes of 4 bits from -8 to 7. */
    private static void signed4(
            MemorySegment m,
            long codesAt,
            GroupFormat f,
            int depth,
            float[] xs,
            int x,
            int step,
            float[] to,
            int word) {
        int pairs = f.group() / 2;
        long at = codesAt;
        for (int from = 0; from < depth; from += 2 * pairs, at += f.groupBytes()) {
            FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
            int first = x + from * step;
            for (int k = 0; k < pairs; k++) {
                FloatVector v = FloatVector.broadcast(S, xs[first + 2 * k * step]);
                FloatVector u = FloatVector.broadcast(S, xs[first + (2 * k + 1) * step]);
                IntVector codes = IntVector.fromMemorySegment(I, m, at + (long) k * WIDTH, LE);
                a = v.fma(high4(codes.lanewise(LSHL, 28)), a);
                b = v.fma(high4(codes.lanewise(LSHL, 24)), b);
                c = v.fma(high4(codes.lanewise(LSHL, 20)), c);
                d = v.fma(high4(codes.lanewise(LSHL, 16)), d);
                a = u.fma(high4(codes.lanewise(LSHL, 12)), a);
                b = u.fma(high4(codes.lanewise(LSHL, 8)), b);
                c = u.fma(high4(codes.lanewise(LSHL, 4)), c);
                d = u.fma(high4(codes), d);
            }
            store(a, b, c, d, to, from / (2 * pairs) * WIDTH + word);
        }
    }

    /** The same for codes of 4 bits from 0 to 15. */
    private static void unsigned4(
            MemorySegment m,
            long codesAt,
            GroupFormat f,
            int depth,
            float[] xs,
            int x,
            int step,
            float[] to,
            int word) {
        int pairs = f.group() / 2;
        long at = codesAt;
        for (int from = 0; from < depth; from += 2 * pairs, at += f.groupBytes()) {
            FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
            int first = x + from * step;
            for (int k = 0; k < pairs; k++) {
                FloatVector v = FloatVector.broadcast(S, xs[first + 2 * k * step]);
                FloatVector u = FloatVector.broadcast(S, xs[first + (2 * k + 1) * step]);
                IntVector codes = IntVector.fromMemorySegment(I, m, at + (long) k * WIDTH, LE);
                a = v.fma(low4(codes), a);
                b = v.fma(low4(codes.lanewise(LSHR, 4)), b);
                c = v.fma(low4(codes.lanewise(LSHR, 8)), c);
                d = v.fma(low4(codes.lanewise(LSHR, 12)), d);
                a = u.fma(low4(codes.lanewise(LSHR, 16)), a);
                b = u.fma(low4(codes.lanewise(LSHR, 20)), b);
                c = u.fma(low4(codes.lanewise(LSHR, 24)), c);
                d = u.fma(low4(codes.lanewise(LSHR, 28)), d);
            }
            store(a, b, c, d, to, from / (2 * pairs) * WIDTH + word);
        }
    }

    private static FloatVector high8(IntVector words) {
        return (FloatVector) words.lanewise(ASHR, 24).convert(I2F, 0);
    }

    private static FloatVector high4(IntVector words) {
        return (FloatVector) words.lanewise(ASHR, 28).convert(I2F, 0);
    }

    private static FloatVector low4(IntVector words) {
        return (FloatVector) words.and(15).convert(I2F, 0);
    }

    /** Stores outputs w, w + 16, w + 32 and w + 48; adding -0 changes nothing and needs no object (VectorLoops). */
    private static void store(FloatVector a, FloatVector b, FloatVector c, FloatVector d, float[] to, int at) {
        FloatVector exact = FloatVector.broadcast(S, -0f);
        exact.add(a).intoArray(to, at);
        exact.add(b).intoArray(to, at + 16);
        exact.add(c).intoArray(to, at + 32);
        exact.add(d).intoArray(to, at + 48);
    }

    /** y = fma(scale, chain, y), and with minimums y = fma(minimum, sum, y), over the groups, for W outputs. */
    private static void fold(
            MemorySegment m, long panel, GroupFormat f, int groups, Room room, int sums, int j, float[] ys, int y) {
        FloatVector sum = FloatVector.zero(S);
        long at = panel + 4L * j;
        for (int g = 0; g < groups; g++, at += f.groupBytes()) {
            FloatVector scale = FloatVector.fromMemorySegment(S, m, at, LE);
            sum = scale.fma(FloatVector.fromArray(S, room.chains, g * WIDTH + j), sum);
            if (f.minimum()) {
                FloatVector minimum = FloatVector.fromMemorySegment(S, m, at + 4L * WIDTH, LE);
                sum = minimum.fma(FloatVector.broadcast(S, room.sums[sums + g]), sum);
            }
        }
        FloatVector.broadcast(S, -0f).add(sum).intoArray(ys, y);
    }

    /** The same with scales and minimums in f16. */
    private static void foldHalves(
            MemorySegment m, long panel, GroupFormat f, int groups, Room room, int sums, int j, float[] ys, int y) {
        FloatVector sum = FloatVector.zero(S);
        int shift = j / 16 % 2 == 0 ? 16 : 0; // outputs of a low half
        long at = panel + 4L * (j / 32 * 16 + j % 16);
        for (int g = 0; g < groups; g++, at += f.groupBytes()) {
            IntVector scale = IntVector.fromMemorySegment(I, m, at, LE).lanewise(LSHL, shift);
            sum = VectorProducts.f16(scale).fma(FloatVector.fromArray(S, room.chains, g * WIDTH + j), sum);
            if (f.minimum()) {
                IntVector minimum =
                        IntVector.fromMemorySegment(I, m, at + 2L * WIDTH, LE).lanewise(LSHL, shift);
                sum = VectorProducts.f16(minimum).fma(FloatVector.broadcast(S, room.sums[sums + g]), sum);
            }
        }
        FloatVector.broadcast(S, -0f).add(sum).intoArray(ys, y);
    }

    /** All rows against one panel. */
    private static void many(Panels w, int p, RowTiles x, Rows y, Room room) {
        GroupFormat format = (GroupFormat) w.format();
        int groups = format.groups(w.depth());
        VectorProducts.Widened wide = VectorProducts.widened(groups * format.group());
        for (int g = 0; g < groups; g++) {
            long at = w.start(p) + (long) g * format.groupBytes() + format.header();
            widen(w.data(p), at, format, wide.memory, 4L * g * format.group() * WIDTH);
        }
        int height = Math.min(x.height(), x.height() == RowTiles.FEW ? 4 : RowTiles.ROWS);
        for (int row = 0; row < x.count(); row += height) {
            int count = Math.min(height, x.count() - row);
            for (int r = row; r < row + count; r++) {
                int to = y.start(r) + p * WIDTH;
                Arrays.fill(y.data(), to, to + WIDTH, 0f);
            }
            for (int g = 0; g < groups; g++) {
                int from = g * format.group();
                tile(wide.memory, from, Math.min(format.group(), w.depth() - from), x, row, room.chains, count);
                fold(format, room, g, groups, row, count, y, p * WIDTH);
            }
        }
        VectorProducts.give(wide);
    }

    /** The chains of some rows in one group: [count, 64]. */
    private static void tile(MemorySegment m, int from, int depth, RowTiles x, int row, float[] chains, int count) {
        Rows to = Rows.of(chains, WIDTH, count);
        int start = x.start(row) + from * RowTiles.STEP;
        long at = from * 4L * WIDTH;
        if (x.height() == RowTiles.FEW) {
            VectorLoops.tileF32x4(m, at, depth, x.data(), start, to, 0, 0, 0, 0);
            return;
        }
        for (int j = 0; j < WIDTH; j += 2 * W) {
            VectorLoops.tileF32x6(m, at + 4L * j, depth, x.data(), start, to, 0, j);
        }
    }

    /** y = fma(scale, chain, y) for one group and some rows. */
    private static void fold(GroupFormat format, Room room, int g, int groups, int row, int count, Rows y, int out) {
        for (int j = 0; j < WIDTH; j += W) {
            FloatVector scale = FloatVector.fromArray(S, room.scales, g * WIDTH + j);
            for (int r = 0; r < count; r++) {
                int at = y.start(row + r) + out + j;
                FloatVector sum = FloatVector.fromArray(S, y.data(), at);
                sum = scale.fma(FloatVector.fromArray(S, room.chains, r * WIDTH + j), sum);
                if (format.minimum()) {
                    FloatVector inputs = FloatVector.broadcast(S, room.sums[(row + r) * groups + g]);
                    sum = FloatVector.fromArray(S, room.minimums, g * WIDTH + j).fma(inputs, sum);
                }
                sum.intoArray(y.data(), at);
            }
        }
    }

    /** Widens the codes of a group: [group, 64]. */
    private static void widen(MemorySegment m, long codes, GroupFormat format, MemorySegment wide, long to) {
        int words = format.group() * WIDTH * format.bits() / 32;
        for (int i = 0; i < words; i += W) {
            IntVector some = IntVector.fromMemorySegment(I, m, codes + 4L * i, LE);
            long at = to + 4L * (i / 16 * (8 / format.bits()) * WIDTH + i % 16);
            if (format.bits() == 8) {
                for (int n = 0; n < 4; n++) {
                    high8(some.lanewise(LSHL, 24 - 8 * n)).intoMemorySegment(wide, at + 64L * n, LE);
                }
            } else {
                for (int n = 0; n < 8; n++) {
                    FloatVector code =
                            format.signed() ? high4(some.lanewise(LSHL, 28 - 4 * n)) : low4(some.lanewise(LSHR, 4 * n));
                    code.intoMemorySegment(wide, at + 64L * n, LE);
                }
            }
        }
    }
}
