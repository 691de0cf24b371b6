package dev.causal4j.kernel;

import static dev.causal4j.kernel.Lanes.B;
import static dev.causal4j.kernel.Lanes.I;
import static dev.causal4j.kernel.Lanes.LE;
import static dev.causal4j.kernel.Lanes.S;
import static dev.causal4j.kernel.Lanes.W;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.B2F;
import static jdk.incubator.vector.VectorOperators.GE;
import static jdk.incubator.vector.VectorOperators.I2B;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.MAX;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Products by weights in groups with W lanes over outputs; see {@link GroupFormat}. Sums of a group are whole numbers,
 * so that f32 chains and lanes of 16 bits are exact in any order. Not thread-safe: an instance is the scratch of a
 * product.
 *
 * <p>A few rows read the codes of a panel one after the other. The sums of all groups are first written to an array,
 * then scaled and added, since C2 would not compile both as one loop (decision 0030). More rows are multiplied by codes
 * that are widened to f32 once, some groups and a tile at a time.
 */
final class VectorGroups {
    private static final int WIDTH = Panels.WIDTH;
    private static final int GROUP = RoundedRows.GROUP;
    private static final int BLOCK = GroupFormat.BLOCK;

    /** Bytes of 64 floats. */
    private static final long STEP = 4L * WIDTH;

    /**
     * If a sum of squares of scales is below it, no scale is infinite or NaN in f16: such a scale would be 65,536 or
     * more.
     */
    private static final float NOT_FINITE = 0x1p32f;

    /** Most rows that are multiplied by the stored codes. */
    private static final int FEW = W == 16 ? 3 : 2;

    private static final boolean MANY_REGISTERS = Hardware.hasManyRegisters();

    /** Rows of a register tile. */
    private static final int HEIGHT = 4;

    private static final VectorSpecies<Short> SHORTS = VectorSpecies.of(short.class, S.vectorShape());

    /**
     * Factors of inputs for stored codes of 8 bits: codes in the second and third byte of a word are masked but not
     * shifted.
     */
    private static final FloatVector FACTORS = factors();

    private static final Compute.Scratch<VectorGroups> FREE = new Compute.Scratch<>(VectorGroups::new);

    private float[] numbers = {}; // inputs as floats: few rows [rows, depth], or a tile [groups of 32, 16, 32]
    private int[] pairs = {}; // inputs of few rows as pairs of shorts: [rows, depth / 4, 2]
    private float[] sums = {}; // sums of two panels and a row [2, groups, 64], or outputs of a tile [4, 64]
    private float[] weights = {}; // numbers of a panel's groups, [2, 64] each: scales, then minimums
    private float[] factors = {}; // numbers of a tile, for each group: 16 scales, then 16 scales times sums

    static void multiply(Panels w, RoundedRows x, Rows y) {
        VectorGroups product = FREE.take();
        if (x.count() <= FEW) {
            product.few(w, x, y);
        } else {
            product.many(w, x, y);
        }
        FREE.give(product);
    }

    private static FloatVector factors() {
        float[] four = new float[W];
        for (int i = 0; i < W; i++) {
            four[i] = i % 4 == 1 ? 0x1p-8f : i % 4 == 2 ? 0x1p-16f : 1;
        }
        return FloatVector.fromArray(S, four, 0);
    }

    private static float[] room(float[] old, int size) {
        return old.length >= size ? old : new float[size];
    }

    /** Rounds 32 inputs as {@link Products#round(float[], int, byte[], int)} does, with 8 or 16 lanes. */
    static float round(float[] x, int from, byte[] q, int to) {
        IntVector most = IntVector.zero(I);
        for (int k = 0; k < GROUP; k += W) {
            most = most.max(
                    FloatVector.fromArray(S, x, from + k).reinterpretAsInts().and(Integer.MAX_VALUE));
        }
        float s = Products.scale(Float.intBitsToFloat(most.reduceLanes(MAX)));
        float inverse = Products.inverse(s);
        if (inverse == 0) {
            Arrays.fill(q, to, to + GROUP, (byte) 0);
            return s;
        }
        for (int k = 0; k < GROUP; k += W) { // adding ROUND leaves a whole number in the low bits, rounded to even
            FloatVector sum = FloatVector.fromArray(S, x, from + k).mul(inverse).add(Elementary.ROUND);
            ((ByteVector) sum.reinterpretAsInts().convertShape(I2B, B, 0)).intoArray(q, to + k);
        }
        return s;
    }

    private void few(Panels w, RoundedRows x, Rows y) {
        GroupFormat format = (GroupFormat) w.format();
        int groups = format.groups(w.depth());
        sums = room(sums, 2 * groups * WIDTH);
        weights = room(weights, groups * 2 * WIDTH);
        numbers = room(numbers, x.count() * w.depth());
        pairs = pairs.length >= x.count() * w.depth() / 2 ? pairs : new int[x.count() * w.depth() / 2];
        for (int r = 0; r < x.count(); r++) {
            for (int g = 0; g < w.depth() / GROUP; g++) {
                int from = x.scaleAt(r, g) * GROUP;
                int to = r * w.depth() + g * GROUP;
                if (format.bits() == 8) {
                    widen(x.codes(), from, GROUP, numbers, to);
                    for (int i = to; i < to + GROUP; i += W) {
                        FloatVector.fromArray(S, numbers, i).mul(FACTORS).intoArray(numbers, i);
                    }
                } else {
                    pair(x.codes(), from, to / 2);
                }
            }
        }
        int panels = W == 16 ? 2 : 1;
        for (int p = 0; p < w.count(); p += panels) {
            int count = Math.min(panels, w.count() - p);
            for (int r = 0; r < x.count(); r++) {
                int parts = W == 16 ? count : 16 / W;
                if (format.bits() == 8) {
                    sums8(w, p, parts, format, groups, x, r);
                } else {
                    sums4(w, p, parts, format, groups, r);
                    settle(format, groups, count, x, r);
                }
                for (int i = 0; i < count; i++) {
                    numbers(w.memory(), w.start(p + i), format, 0, groups);
                    for (int j = 0; j < WIDTH; j += 4 * W) {
                        int from = i * groups * WIDTH + j;
                        fold(format, groups, x, r, from, j, y.data(), y.start(r) + (p + i) * WIDTH + j);
                    }
                }
            }
        }
    }

    /** Inputs as floats. */
    private static void widen(byte[] q, int from, int count, float[] target, int to) {
        for (int i = 0; i < count; i += B.length()) {
            ByteVector eight = ByteVector.fromArray(B, q, from + i);
            for (int part = 0; part < B.length() / W; part++) {
                ((FloatVector) eight.convertShape(B2F, S, part)).intoArray(target, to + i + part * W);
            }
        }
    }

    /** Packs each four inputs into two words: the first and third, then the second and fourth. */
    private void pair(byte[] q, int from, int to) {
        for (int i = 0; i < GROUP / 4; i++) {
            int at = from + 4 * i;
            pairs[to + 2 * i] = (q[at] & 0xffff) | (q[at + 2] << 16);
            pairs[to + 2 * i + 1] = (q[at + 1] & 0xffff) | (q[at + 3] << 16);
        }
    }

    /**
     * The sums of a row with codes of 8 bits in all groups, 4 W outputs at a time: with 16 lanes two panels in turn, so
     * that two runs of memory are read at once, else the parts of one panel. The loops have a step that C2 does not
     * know: in loops that it counts it would check all bounds before each group.
     */
    private void sums8(Panels w, int p, int parts, GroupFormat format, int groups, RoundedRows x, int r) {
        MemorySegment m = w.memory();
        float[] xs = numbers;
        float[] to = sums;
        int one = Lanes.one;
        int group = format.group();
        int first = r * x.depth();
        int size = format.groupBytes();
        int head = format.headBytes();
        long codes = w.start(p) + format.codesAt(0);
        long apart = W == 16 ? w.stride() : 16L * W;
        int other = W == 16 ? groups * WIDTH : 4 * W;
        int sum = x.sumAt(r, 0);
        int height = x.height();
        FloatVector exact = FloatVector.broadcast(S, -0f);
        int part = 0;
        for (int g = 0; g < groups; ) {
            FloatVector a = FloatVector.broadcast(S, -128f * x.sums()[sum + g * height]), b = a, c = a, d = a;
            long from = codes + part * apart + (long) g * size + (long) (g * group / BLOCK) * head;
            for (int k = 0, i = first + g * group; k < group; k += 4 * one, i += 4 * one) {
                long at = from + (long) k * WIDTH;
                IntVector na = IntVector.fromMemorySegment(I, m, at, LE);
                IntVector nb = IntVector.fromMemorySegment(I, m, at + 4L * W, LE);
                IntVector nc = IntVector.fromMemorySegment(I, m, at + 8L * W, LE);
                IntVector nd = IntVector.fromMemorySegment(I, m, at + 12L * W, LE);
                FloatVector v = FloatVector.broadcast(S, xs[i]);
                a = v.fma((FloatVector) na.and(0xff).convert(I2F, 0), a);
                b = v.fma((FloatVector) nb.and(0xff).convert(I2F, 0), b);
                c = v.fma((FloatVector) nc.and(0xff).convert(I2F, 0), c);
                d = v.fma((FloatVector) nd.and(0xff).convert(I2F, 0), d);
                v = FloatVector.broadcast(S, xs[i + 1]);
                a = v.fma((FloatVector) na.and(0xff00).convert(I2F, 0), a);
                b = v.fma((FloatVector) nb.and(0xff00).convert(I2F, 0), b);
                c = v.fma((FloatVector) nc.and(0xff00).convert(I2F, 0), c);
                d = v.fma((FloatVector) nd.and(0xff00).convert(I2F, 0), d);
                v = FloatVector.broadcast(S, xs[i + 2]);
                a = v.fma((FloatVector) na.and(0xff0000).convert(I2F, 0), a);
                b = v.fma((FloatVector) nb.and(0xff0000).convert(I2F, 0), b);
                c = v.fma((FloatVector) nc.and(0xff0000).convert(I2F, 0), c);
                d = v.fma((FloatVector) nd.and(0xff0000).convert(I2F, 0), d);
                v = FloatVector.broadcast(S, xs[i + 3]);
                a = v.fma((FloatVector) na.lanewise(LSHR, 24).convert(I2F, 0), a);
                b = v.fma((FloatVector) nb.lanewise(LSHR, 24).convert(I2F, 0), b);
                c = v.fma((FloatVector) nc.lanewise(LSHR, 24).convert(I2F, 0), c);
                d = v.fma((FloatVector) nd.lanewise(LSHR, 24).convert(I2F, 0), d);
            }
            int o = g * WIDTH + part * other;
            exact.add(a).intoArray(to, o);
            exact.add(b).intoArray(to, o + W);
            exact.add(c).intoArray(to, o + 2 * W);
            exact.add(d).intoArray(to, o + 3 * W);
            part += one;
            if (part == parts) {
                part = 0;
                g += one;
            }
        }
    }

    /**
     * The sums of a row with codes of 4 bits, at a time 2 W neighbouring outputs and the 2 W outputs 32 further. Lanes
     * have 16 bits: sixteen products of at most 15 · 127 fit. The two lanes of a word have the products of different
     * inputs.
     */
    private void sums4(Panels w, int p, int parts, GroupFormat format, int groups, int r) {
        MemorySegment m = w.memory();
        int[] xs = pairs;
        float[] to = sums;
        int one = Lanes.one;
        int group = format.group();
        int first = r * groups * group / 2;
        int size = format.groupBytes();
        int head = format.headBytes();
        long codes = w.start(p) + format.codesAt(0);
        long apart = W == 16 ? w.stride() : 8L * W;
        int other = W == 16 ? groups * WIDTH : 2 * W;
        ShortVector exact = ShortVector.zero(SHORTS);
        int part = 0;
        for (int g = 0; g < groups; ) {
            ShortVector a = ShortVector.zero(SHORTS), b = a, c = a, d = a;
            long from = codes + part * apart + (long) g * size + (long) (g * group / BLOCK) * head;
            for (int k = 0, i = first + g * group / 2; k < group; k += 4 * one, i += 2 * one) {
                long at = from + (long) k * (WIDTH / 2);
                ShortVector e = IntVector.broadcast(I, xs[i]).reinterpretAsShorts();
                ShortVector f = IntVector.broadcast(I, xs[i + 1]).reinterpretAsShorts();
                ShortVector v = IntVector.fromMemorySegment(I, m, at, LE).reinterpretAsShorts();
                ShortVector u =
                        IntVector.fromMemorySegment(I, m, at + 4L * W, LE).reinterpretAsShorts();
                a = a.add(v.and((short) 15).mul(e))
                        .add(v.lanewise(LSHR, 8).and((short) 15).mul(f));
                b = b.add(u.and((short) 15).mul(e))
                        .add(u.lanewise(LSHR, 8).and((short) 15).mul(f));
                c = c.add(v.lanewise(LSHR, 4).and((short) 15).mul(e))
                        .add(v.lanewise(LSHR, 12).mul(f));
                d = d.add(u.lanewise(LSHR, 4).and((short) 15).mul(e))
                        .add(u.lanewise(LSHR, 12).mul(f));
            }
            int o = g * WIDTH + part * other;
            exact.add(a).reinterpretAsFloats().intoArray(to, o);
            exact.add(b).reinterpretAsFloats().intoArray(to, o + W);
            exact.add(c).reinterpretAsFloats().intoArray(to, o + WIDTH / 2);
            exact.add(d).reinterpretAsFloats().intoArray(to, o + WIDTH / 2 + W);
            part += one;
            if (part == parts) {
                part = 0;
                g += one;
            }
        }
    }

    /** Adds the two lanes of each word, and subtracts the share of the codes' offset. */
    private void settle(GroupFormat format, int groups, int panels, RoundedRows x, int r) {
        for (int g = 0; g < groups * panels; g++) {
            int less = format.zero() * x.sums()[x.sumAt(r, g % groups)];
            for (int i = g * WIDTH; i < (g + 1) * WIDTH; i += W) {
                IntVector words = FloatVector.fromArray(S, sums, i).reinterpretAsInts();
                IntVector sum = words.lanewise(LSHL, 16).lanewise(ASHR, 16).add(words.lanewise(ASHR, 16));
                ((FloatVector) sum.sub(less).convert(I2F, 0)).intoArray(sums, i);
            }
        }
    }

    /** Widens the scales and minimums of groups {@code from} on of a panel: {@code [2, 64]} each. */
    private void numbers(MemorySegment m, long panel, GroupFormat format, int from, int count) {
        for (int g = 0; g < count; g++) {
            long at = panel + format.numbersAt(from + g);
            long head = panel + format.headAt(from + g);
            for (int n = 0; n < (format.minimum() ? 2 : 1); n++) {
                int to = (2 * g + n) * WIDTH;
                switch (format.scales()) {
                    case HALVES -> halves(m, at + n * STEP / 2, weights, to);
                    case FLOATS -> MemorySegment.copy(m, Panels.FLOAT, at + n * STEP, weights, to, WIDTH);
                    case LEVELS -> levels(m, head + n * STEP / 2, at + n * (long) WIDTH, n == 0 ? 1 : -1, weights, to);
                }
            }
        }
    }

    private static void halves(MemorySegment m, long at, float[] target, int to) {
        FloatVector squares = FloatVector.zero(S);
        for (int j = 0; j < WIDTH; j += W) {
            FloatVector half = Lanes.halves(m, at + 2L * j);
            squares = half.fma(half, squares);
            half.intoArray(target, to + j);
        }
        if (squares.compare(GE, NOT_FINITE).anyTrue()) {
            for (int j = 0; j < WIDTH; j++) {
                target[to + j] = Float.float16ToFloat(m.get(Panels.SHORT, at + 2L * j));
            }
        }
    }

    private static void levels(MemorySegment m, long head, long at, float sign, float[] target, int to) {
        FloatVector squares = FloatVector.zero(S);
        for (int j = 0; j < WIDTH; j += W) {
            FloatVector number =
                    (FloatVector) ByteVector.fromMemorySegment(B, m, at + j, LE).convertShape(B2F, S, 0);
            FloatVector half = Lanes.halves(m, head + 2L * j);
            squares = half.fma(half, squares);
            half.mul(number).mul(sign).intoArray(target, to + j);
        }
        if (squares.compare(GE, NOT_FINITE).anyTrue()) {
            for (int j = 0; j < WIDTH; j++) {
                float half = Float.float16ToFloat(m.get(Panels.SHORT, head + 2L * j));
                target[to + j] = half * m.get(ValueLayout.JAVA_BYTE, at + j) * sign;
            }
        }
    }

    /** y = fma(D, w · s, y) and y = fma(n, s · X, y) for all groups of a row and 4 W outputs from j on. */
    private void fold(GroupFormat format, int groups, RoundedRows x, int r, int first, int j, float[] y, int to) {
        float[] from = sums;
        float[] ws = weights;
        boolean minimum = format.minimum();
        int perScale = GROUP / format.group();
        FloatVector a = FloatVector.zero(S), b = a, c = a, d = a;
        for (int g = 0; g < groups; g++) {
            float s = x.scales()[x.scaleAt(r, g / perScale)];
            int o = first + g * WIDTH;
            int n = 2 * g * WIDTH + j;
            a = FloatVector.fromArray(S, from, o)
                    .fma(FloatVector.fromArray(S, ws, n).mul(s), a);
            b = FloatVector.fromArray(S, from, o + W)
                    .fma(FloatVector.fromArray(S, ws, n + W).mul(s), b);
            c = FloatVector.fromArray(S, from, o + 2 * W)
                    .fma(FloatVector.fromArray(S, ws, n + 2 * W).mul(s), c);
            d = FloatVector.fromArray(S, from, o + 3 * W)
                    .fma(FloatVector.fromArray(S, ws, n + 3 * W).mul(s), d);
            if (minimum) {
                FloatVector v = FloatVector.broadcast(S, s * x.sums()[x.sumAt(r, g)]);
                n += WIDTH;
                a = FloatVector.fromArray(S, ws, n).fma(v, a);
                b = FloatVector.fromArray(S, ws, n + W).fma(v, b);
                c = FloatVector.fromArray(S, ws, n + 2 * W).fma(v, c);
                d = FloatVector.fromArray(S, ws, n + 3 * W).fma(v, d);
            }
        }
        FloatVector exact = FloatVector.broadcast(S, -0f);
        exact.add(a).intoArray(y, to);
        exact.add(b).intoArray(y, to + W);
        exact.add(c).intoArray(y, to + 2 * W);
        exact.add(d).intoArray(y, to + 3 * W);
    }

    /**
     * Multiplies all rows by one panel after the other. As many groups as the second-level cache holds are widened at a
     * time, the codes of each to {@code [group, 64]}.
     */
    private void many(Panels w, RoundedRows x, Rows y) {
        GroupFormat format = (GroupFormat) w.format();
        int groups = format.groups(w.depth());
        int most = Math.min(groups, Lanes.STEPS / format.group());
        sums = room(sums, HEIGHT * WIDTH);
        weights = room(weights, most * 2 * WIDTH);
        numbers = room(numbers, most * format.group() * RoundedRows.TILE);
        factors = room(factors, most * 2 * RoundedRows.TILE);
        Widened wide = Widened.take(most * format.group());
        int held = -1; // the tile and groups of the widened inputs
        for (int p = 0; p < w.count(); p++) {
            for (int from = 0; from < groups; from += most) {
                int count = Math.min(most, groups - from);
                numbers(w.memory(), w.start(p), format, from, count);
                for (int g = 0; g < count; g++) {
                    long codes = w.start(p) + format.codesAt(from + g);
                    codes(w.memory(), codes, format, wide.memory, (long) g * format.group() * STEP);
                }
                for (int tile = 0; tile < x.tiles(); tile++) {
                    int rows = Math.min(RoundedRows.TILE, x.count() - tile * RoundedRows.TILE);
                    if (held != tile * groups + from) {
                        held = tile * groups + from;
                        inputs(x, tile, rows, format, from, count);
                    }
                    tile(wide.memory, format, from, count, y, tile * RoundedRows.TILE, rows, p * WIDTH);
                }
            }
        }
        wide.give();
    }

    /** Widens the codes of a group. */
    private static void codes(MemorySegment m, long codes, GroupFormat format, MemorySegment wide, long to) {
        if (format.bits() == 8) {
            for (int i = 0; i < format.group() * WIDTH / 4; i += W) {
                IntVector words = IntVector.fromMemorySegment(I, m, codes + 4L * i, LE);
                long at = to + i / WIDTH * (4 * STEP) + 4L * (i % WIDTH);
                code(words.and(0xff), 128, wide, at);
                code(words.lanewise(LSHR, 8).and(0xff), 128, wide, at + STEP);
                code(words.lanewise(LSHR, 16).and(0xff), 128, wide, at + 2 * STEP);
                code(words.lanewise(LSHR, 24), 128, wide, at + 3 * STEP);
            }
            return;
        }
        int zero = format.zero();
        for (int i = 0; i < format.group() * WIDTH / 8; i += W) {
            IntVector words = IntVector.fromMemorySegment(I, m, codes + 4L * i, LE);
            long at = to + i / (WIDTH / 2) * (4 * STEP) + 4L * (i % (WIDTH / 2));
            for (int n = 0; n < 4; n++) {
                IntVector two = words.lanewise(LSHR, 8 * n);
                code(two.and(15), zero, wide, at + n * STEP);
                code(two.lanewise(LSHR, 4).and(15), zero, wide, at + n * STEP + STEP / 2);
            }
        }
    }

    private static void code(IntVector stored, int zero, MemorySegment wide, long at) {
        ((FloatVector) stored.sub(zero).convert(I2F, 0)).intoMemorySegment(wide, at, LE);
    }

    /** Widens the inputs of a tile in some groups of the weights, and their factors. */
    private void inputs(RoundedRows x, int tile, int rows, GroupFormat format, int from, int count) {
        int first = tile * RoundedRows.TILE;
        for (int g = 0; g < count * format.group() / GROUP; g++) {
            int at = x.scaleAt(first, from * format.group() / GROUP + g) * GROUP;
            widen(x.codes(), at, rows * GROUP, numbers, g * RoundedRows.TILE * GROUP);
        }
        for (int g = 0; g < count; g++) {
            for (int r = 0; r < RoundedRows.TILE; r++) {
                float s = x.scales()[x.scaleAt(first + r, (from + g) * format.group() / GROUP)];
                factors[g * 2 * RoundedRows.TILE + r] = s;
                factors[(g * 2 + 1) * RoundedRows.TILE + r] = s * x.sums()[x.sumAt(first + r, from + g)];
            }
        }
    }

    /** Adds some groups to the outputs of a tile's rows. */
    private void tile(MemorySegment wide, GroupFormat format, int from, int count, Rows y, int row, int rows, int out) {
        int group = format.group();
        boolean minimum = format.minimum();
        for (int r = 0; r < rows; r += HEIGHT) {
            int height = Math.min(HEIGHT, rows - r);
            for (int i = 0; i < height; i++) {
                if (from == 0) {
                    Arrays.fill(sums, i * WIDTH, (i + 1) * WIDTH, 0f);
                } else {
                    System.arraycopy(y.data(), y.start(row + r + i) + out, sums, i * WIDTH, WIDTH);
                }
            }
            int x = r * GROUP;
            for (int j = 0; j < WIDTH; j += (MANY_REGISTERS ? 4 : 2) * W) {
                if (MANY_REGISTERS) {
                    VectorTileLoops.groupsX4x4(
                            wide, 4L * j, weights, count, group, numbers, x, factors, r, minimum, sums, j);
                } else {
                    VectorTileLoops.groupsX4x2(
                            wide, 4L * j, weights, count, group, numbers, x, factors, r, minimum, sums, j);
                }
            }
            for (int i = 0; i < height; i++) {
                System.arraycopy(sums, i * WIDTH, y.data(), y.start(row + r + i) + out, WIDTH);
            }
        }
    }
}
