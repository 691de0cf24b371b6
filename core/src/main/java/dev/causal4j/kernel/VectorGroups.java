package dev.causal4j.kernel;

import static dev.causal4j.kernel.Lanes.I;
import static dev.causal4j.kernel.Lanes.LE;
import static dev.causal4j.kernel.Lanes.S;
import static dev.causal4j.kernel.Lanes.W;
import static dev.causal4j.kernel.PanelFormat.INT8_BITS;
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
 * A product of panels in groups with W lanes over outputs; see {@link GroupFormat}. Single use; not thread-safe.
 *
 * <p>A few rows read the codes of a panel one after the other: first the chains of all groups go to an array, then they
 * are scaled and added, since together they would be more than C2 compiles as one (decision 0030). More rows are
 * multiplied with codes that are widened to f32 once, some groups and a tile at a time.
 */
final class VectorGroups {
    private static final int WIDTH = Panels.WIDTH;

    /** Bytes of 64 floats. */
    private static final long STEP = 4L * WIDTH;

    /** Most rows that read the codes themselves with 512 bits. With fewer bits only a row in place does. */
    private static final int FEW = 3;

    /** Bytes of codes, as many as a small page has, from one word that is read ahead to the next. */
    private static final int PAGE = 4096;

    /** Bytes to the word that is read ahead. */
    private static final int AHEAD = 256;

    private static final Compute.Scratch<float[]> CHAINS = new Compute.Scratch<>(() -> new float[0]);

    private final Panels w;
    private final GroupFormat format;
    private final RowTiles x;
    private final Rows y;
    private final int groups;
    private final float[] chains; // [groups, 64] of one or two panels of a row, or the outputs of a tile [rows, 64]
    private final int most; // groups that are widened at once: codes [most * group, 64], then numbers [most, 2, 64]
    private final long numbers; // bytes to them

    private VectorGroups(Panels w, RowTiles x, Rows y, float[] room) {
        this.w = w;
        this.format = (GroupFormat) w.format();
        this.x = x;
        this.y = y;
        this.groups = format.groups(w.depth());
        int size = Math.max(2 * groups, RowTiles.FEW) * WIDTH;
        this.chains = room.length >= size ? room : new float[size];
        this.most = Math.clamp(Lanes.STEPS / format.group(), 1, groups);
        this.numbers = (long) most * format.group() * STEP;
    }

    static void multiply(Panels w, RowTiles x, Rows y) {
        VectorGroups product = new VectorGroups(w, x, y, CHAINS.take());
        product.run();
        CHAINS.give(product.chains);
    }

    private void run() {
        if (W == 16 ? x.count() <= FEW : x.height() == 1) {
            few();
            return;
        }
        Widened wide = Widened.take(most * (format.group() + 2));
        for (int p = 0; p < w.count(); p++) {
            many(p, wide.memory);
        }
        wide.give();
    }

    /** Rows one by one; with 16 lanes two panels are read side by side, with fewer the halves of one. */
    private void few() {
        int panels = W == 16 ? 2 : 1;
        for (int p = 0; p < w.count(); p += panels) {
            int q = Math.min(p + panels, w.count()) - 1; // with 16 lanes a single panel is paired with itself
            for (int r = 0; r < x.count(); r++) {
                for (int word = 0; word < 16; word += 2 * W) {
                    long at = w.start(p) + 4L * word;
                    if (format.bits() == 8) {
                        chains8(w.data(p), at, q - p, x.start(r), word);
                    } else {
                        chains4(w.data(p), at, q - p, x.start(r), word);
                    }
                }
                for (int i = p; i <= q; i++) {
                    if (format.wide()) {
                        fold(i, r, (i - p) * groups * WIDTH);
                    } else {
                        foldHalves(i, r, (i - p) * groups * WIDTH);
                    }
                }
            }
        }
    }

    /**
     * The chains of 8 W outputs of a row in all groups, times their units. Half of them are in the words at {@code codesAt}.
     * The other half are in the same words of the panel {@code next} panels further with 16 lanes, else in the next W words.
     * Loops here have a step that C2 does not know: for loops that it counts it would check all bounds before each group.
     */
    private void chains8(MemorySegment m, long codesAt, int next, int row, int word) {
        float[] xs = x.data();
        float[] to = chains;
        int one = Lanes.one;
        int step = W == 16 ? x.step() : 1; // with fewer lanes these three are constants: C2 checks less
        long second = W == 16 ? next * w.stride() : 4L * W;
        int other = W == 16 ? groups * WIDTH : W;
        int group = format.group();
        FloatVector exact = FloatVector.broadcast(S, -0f);
        for (int g = 0; g < groups; g += one) {
            FloatVector z = FloatVector.zero(S), a0 = z, b0 = z, c0 = z, d0 = z, a1 = z, b1 = z, c1 = z, d1 = z;
            int first = row + g * group * step;
            long from = codesAt + (long) g * group * WIDTH;
            for (int k = 0, i = first; k < group; k += one, i += step) {
                long at = from + (long) k * WIDTH;
                FloatVector v = FloatVector.broadcast(S, xs[i]);
                IntVector codes = IntVector.fromMemorySegment(I, m, at, LE);
                a0 = v.fma((FloatVector) codes.lanewise(LSHL, 24).convert(I2F, 0), a0);
                b0 = v.fma((FloatVector) codes.lanewise(LSHL, 16).and(INT8_BITS).convert(I2F, 0), b0);
                c0 = v.fma((FloatVector) codes.lanewise(LSHL, 8).and(INT8_BITS).convert(I2F, 0), c0);
                d0 = v.fma((FloatVector) codes.and(INT8_BITS).convert(I2F, 0), d0);
                codes = IntVector.fromMemorySegment(I, m, at + second, LE);
                a1 = v.fma((FloatVector) codes.lanewise(LSHL, 24).convert(I2F, 0), a1);
                b1 = v.fma((FloatVector) codes.lanewise(LSHL, 16).and(INT8_BITS).convert(I2F, 0), b1);
                c1 = v.fma((FloatVector) codes.lanewise(LSHL, 8).and(INT8_BITS).convert(I2F, 0), c1);
                d1 = v.fma((FloatVector) codes.and(INT8_BITS).convert(I2F, 0), d1);
            }
            int o = g * WIDTH + word;
            exact.add(a0).intoArray(to, o);
            exact.add(b0).intoArray(to, o + 16);
            exact.add(c0).intoArray(to, o + 32);
            exact.add(d0).intoArray(to, o + 48);
            exact.add(a1).intoArray(to, o + other);
            exact.add(b1).intoArray(to, o + other + 16);
            exact.add(c1).intoArray(to, o + other + 32);
            exact.add(d1).intoArray(to, o + other + 48);
        }
    }

    /**
     * The chains of 8 W outputs with codes of 4 bits, as {@link #chains8} has them. Where the processor fetches too little by
     * itself, a word of both panels is read ahead every {@value #PAGE} bytes: it makes an Intel processor fetch the rest.
     */
    private void chains4(MemorySegment m, long codesAt, int next, int row, int word) {
        float[] xs = x.data();
        float[] to = chains;
        int one = Lanes.one;
        int step = W == 16 ? x.step() : 1; // with fewer lanes these three are constants: C2 checks less
        long second = W == 16 ? next * w.stride() : 4L * W;
        int other = W == 16 ? groups * WIDTH : W;
        int group = format.group();
        int bytes = format.codesBytes();
        boolean touches = Lanes.READ_AHEAD && bytes > AHEAD;
        int read = 0;
        FloatVector exact = FloatVector.broadcast(S, -0f);
        for (int g = 0; g < groups; g += one) {
            FloatVector z = FloatVector.zero(S), a0 = z, b0 = z, c0 = z, d0 = z, a1 = z, b1 = z, c1 = z, d1 = z;
            int first = row + g * group * step;
            long from = codesAt + (long) g * bytes;
            if (touches && (g * bytes & PAGE - 1) == 0) {
                read += m.get(Lanes.WORD, from + AHEAD) + m.get(Lanes.WORD, from + second + AHEAD);
            }
            for (int k = 0, i = first; k < group; k += 2 * one, i += 2 * step) {
                long at = from + (long) k * (WIDTH / 2);
                FloatVector v = FloatVector.broadcast(S, xs[i]);
                FloatVector u = FloatVector.broadcast(S, xs[i + step]);
                IntVector low = IntVector.fromMemorySegment(I, m, at, LE);
                IntVector high = low.lanewise(LSHR, 16);
                a0 = v.fma((FloatVector) low.and(0xf).convert(I2F, 0), a0);
                b0 = v.fma((FloatVector) low.and(0xf0).convert(I2F, 0), b0);
                c0 = v.fma((FloatVector) low.and(0xf00).convert(I2F, 0), c0);
                d0 = v.fma((FloatVector) low.and(0xf000).convert(I2F, 0), d0);
                a0 = u.fma((FloatVector) high.and(0xf).convert(I2F, 0), a0);
                b0 = u.fma((FloatVector) high.and(0xf0).convert(I2F, 0), b0);
                c0 = u.fma((FloatVector) high.and(0xf00).convert(I2F, 0), c0);
                d0 = u.fma((FloatVector) high.and(0xf000).convert(I2F, 0), d0);
                low = IntVector.fromMemorySegment(I, m, at + second, LE);
                high = low.lanewise(LSHR, 16);
                a1 = v.fma((FloatVector) low.and(0xf).convert(I2F, 0), a1);
                b1 = v.fma((FloatVector) low.and(0xf0).convert(I2F, 0), b1);
                c1 = v.fma((FloatVector) low.and(0xf00).convert(I2F, 0), c1);
                d1 = v.fma((FloatVector) low.and(0xf000).convert(I2F, 0), d1);
                a1 = u.fma((FloatVector) high.and(0xf).convert(I2F, 0), a1);
                b1 = u.fma((FloatVector) high.and(0xf0).convert(I2F, 0), b1);
                c1 = u.fma((FloatVector) high.and(0xf00).convert(I2F, 0), c1);
                d1 = u.fma((FloatVector) high.and(0xf000).convert(I2F, 0), d1);
            }
            int o = g * WIDTH + word;
            exact.add(a0).intoArray(to, o);
            exact.add(b0).intoArray(to, o + 16);
            exact.add(c0).intoArray(to, o + 32);
            exact.add(d0).intoArray(to, o + 48);
            exact.add(a1).intoArray(to, o + other);
            exact.add(b1).intoArray(to, o + other + 16);
            exact.add(c1).intoArray(to, o + other + 32);
            exact.add(d1).intoArray(to, o + other + 48);
        }
        Lanes.keep(read);
    }

    /** Stores outputs w, w + 16, w + 32 and w + 48; adding -0 changes nothing and needs no object (VectorLoops). */
    private static void store(FloatVector a, FloatVector b, FloatVector c, FloatVector d, float[] to, int at) {
        FloatVector exact = FloatVector.broadcast(S, -0f);
        exact.add(a).intoArray(to, at);
        exact.add(b).intoArray(to, at + 16);
        exact.add(c).intoArray(to, at + 32);
        exact.add(d).intoArray(to, at + 48);
    }

    /**
     * y = fma(scale, chain, y) and y = fma(minimum, sum, y) for all groups and one row. Numbers in f32 are a third of a
     * panel: they are read in their order.
     */
    private void fold(int p, int row, int from) {
        MemorySegment m = w.data(p);
        int bytes = format.numbersBytes();
        int one = Lanes.one;
        float zero = -format.zero();
        float[] xs = x.data();
        int sum = x.sumAt(row, w.depth(), 0);
        for (int word = 0; word < 16; word += W) {
            long start = w.start(p) + format.numbersAt(w.depth(), 0) + 4L * word;
            FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
            for (int g = 0; g < groups; g += one) {
                long at = start + (long) g * bytes;
                int chain = from + g * WIDTH + word;
                FloatVector sa = number(m, at), sb = number(m, at + 64);
                FloatVector sc = number(m, at + 128), sd = number(m, at + 192);
                a = sa.mul(1 / format.unit(0)).fma(FloatVector.fromArray(S, chains, chain), a);
                b = sb.mul(1 / format.unit(16)).fma(FloatVector.fromArray(S, chains, chain + 16), b);
                c = sc.mul(1 / format.unit(32)).fma(FloatVector.fromArray(S, chains, chain + 32), c);
                d = sd.mul(1 / format.unit(48)).fma(FloatVector.fromArray(S, chains, chain + 48), d);
                if (format.minimum()) {
                    FloatVector v = FloatVector.broadcast(S, xs[sum + g * x.step()]);
                    a = number(m, at + STEP).fma(v, a);
                    b = number(m, at + STEP + 64).fma(v, b);
                    c = number(m, at + STEP + 128).fma(v, c);
                    d = number(m, at + STEP + 192).fma(v, d);
                } else if (zero != 0) {
                    FloatVector v = FloatVector.broadcast(S, xs[sum + g * x.step()]);
                    a = sa.mul(zero).fma(v, a);
                    b = sb.mul(zero).fma(v, b);
                    c = sc.mul(zero).fma(v, c);
                    d = sd.mul(zero).fma(v, d);
                }
            }
            store(a, b, c, d, y.data(), y.start(row) + p * WIDTH + word);
        }
    }

    private static FloatVector number(MemorySegment m, long at) {
        return FloatVector.fromMemorySegment(S, m, at, LE);
    }

    /** Folds chains as {@link #fold} does, with numbers in f16: a word holds the numbers of outputs j and j + 16. */
    private void foldHalves(int p, int row, int chain) {
        MemorySegment m = w.data(p);
        long bytes = format.numbersBytes();
        float zero = -format.zero();
        float[] xs = x.data();
        int sum = x.sumAt(row, w.depth(), 0);
        for (int word = 0; word < WIDTH / 2; word += W) {
            int j = PanelFormat.F16.output(word);
            float overA = 1 / format.unit(j);
            float overB = 1 / format.unit(j + 16);
            long at = w.start(p) + format.numbersAt(w.depth(), 0) + 4L * word;
            FloatVector a = FloatVector.zero(S), b = a;
            for (int g = 0; g < groups; g++, at += bytes) {
                IntVector scales = IntVector.fromMemorySegment(I, m, at, LE);
                FloatVector sa = Lanes.f16(scales.lanewise(LSHL, 16)), sb = Lanes.f16(scales);
                a = sa.mul(overA).fma(FloatVector.fromArray(S, chains, chain + g * WIDTH + j), a);
                b = sb.mul(overB).fma(FloatVector.fromArray(S, chains, chain + g * WIDTH + j + 16), b);
                if (format.minimum()) {
                    IntVector numbers = IntVector.fromMemorySegment(I, m, at + STEP / 2, LE);
                    FloatVector v = FloatVector.broadcast(S, xs[sum + g * x.step()]);
                    a = Lanes.f16(numbers.lanewise(LSHL, 16)).fma(v, a);
                    b = Lanes.f16(numbers).fma(v, b);
                } else if (zero != 0) {
                    FloatVector v = FloatVector.broadcast(S, xs[sum + g * x.step()]);
                    a = sa.mul(zero).fma(v, a);
                    b = sb.mul(zero).fma(v, b);
                }
            }
            FloatVector exact = FloatVector.broadcast(S, -0f);
            exact.add(a).intoArray(y.data(), y.start(row) + p * WIDTH + j);
            exact.add(b).intoArray(y.data(), y.start(row) + p * WIDTH + j + 16);
        }
    }

    /** Widens groups of a panel: codes times their units, scales over units, minimums. */
    private void widen(int p, int from, int to, MemorySegment wide) {
        MemorySegment m = w.data(p);
        for (int g = from; g < to; g++) {
            long codes = w.start(p) + (long) g * format.codesBytes();
            widenCodes(m, codes, wide, (long) (g - from) * format.group() * STEP);
            long at = w.start(p) + format.numbersAt(w.depth(), g);
            long n = numbers + (g - from) * 2L * STEP;
            if (format.wide()) {
                MemorySegment.copy(m, at, wide, n, format.numbersBytes());
            } else {
                VectorLoops.widenF16(m, at, wide, n);
                if (format.minimum()) {
                    VectorLoops.widenF16(m, at + format.scaleBytes(), wide, n + STEP);
                }
            }
            for (int j = 0; j < WIDTH; j += W) {
                FloatVector scale = FloatVector.fromMemorySegment(S, wide, n + 4L * j, LE);
                scale.mul(1 / format.unit(j)).intoMemorySegment(wide, n + 4L * j, LE);
                if (!format.minimum()) {
                    scale.mul(-format.zero()).intoMemorySegment(wide, n + STEP + 4L * j, LE);
                }
            }
        }
    }

    /** Multiplies all rows by one panel, as many groups at a time as the second-level cache holds. */
    private void many(int p, MemorySegment wide) {
        int height = x.height() == RowTiles.FEW ? 4 : x.height();
        int from = 0;
        do {
            int to = Math.min(groups, from + most);
            widen(p, from, to, wide);
            for (int row = 0; row < x.count(); row += height) {
                tile(p, row, height, from, to, wide);
            }
            from = to;
        } while (from < groups);
    }

    /** Adds some groups to the outputs of a tile's rows. */
    private void tile(int p, int row, int height, int from, int to, MemorySegment wide) {
        int rows = Math.min(height, x.count() - row);
        for (int r = 0; r < rows; r++) {
            if (from == 0) {
                Arrays.fill(chains, r * WIDTH, (r + 1) * WIDTH, 0f);
            } else {
                System.arraycopy(y.data(), y.start(row + r) + p * WIDTH, chains, r * WIDTH, WIDTH);
            }
        }
        int group = format.group();
        int count = to - from;
        int at = x.start(row) + from * group * x.step();
        int s = x.sumAt(row, w.depth(), from);
        int step = format.needsSums() ? x.step() : 0;
        boolean few = x.height() == RowTiles.FEW;
        for (int j = 0; j < WIDTH; j += (few ? 4 : 2) * W) {
            long c = 4L * j;
            long n = numbers + c;
            if (few) {
                VectorTileLoops.groupsX4x4(wide, c, n, count, group, x.data(), at, s, step, chains, j);
            } else if (height == 4) {
                VectorTileLoops.groupsX4x2(wide, c, n, count, group, x.data(), at, s, step, chains, j);
            } else {
                VectorTileLoops.groupsX6x2(wide, c, n, count, group, x.data(), at, s, step, chains, j);
            }
        }
        for (int r = 0; r < rows; r++) {
            System.arraycopy(chains, r * WIDTH, y.data(), y.start(row + r) + p * WIDTH, WIDTH);
        }
    }

    /** Widens the codes of a group: [group, 64]. */
    private void widenCodes(MemorySegment m, long codes, MemorySegment wide, long to) {
        for (int k = 0; format.bits() == 8 && k < format.group(); k++) {
            VectorLoops.widenInt8(m, codes + (long) k * WIDTH, wide, to + k * STEP);
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
