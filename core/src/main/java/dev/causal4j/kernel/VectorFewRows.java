package dev.causal4j.kernel;

import static dev.causal4j.kernel.VectorProducts.BF16_STEP;
import static dev.causal4j.kernel.VectorProducts.F32_STEP;
import static dev.causal4j.kernel.VectorProducts.INT8_STEP;
import static dev.causal4j.kernel.VectorProducts.S;
import static dev.causal4j.kernel.VectorProducts.broadcast;
import static dev.causal4j.kernel.VectorProducts.f32;
import static dev.causal4j.kernel.VectorProducts.high;
import static dev.causal4j.kernel.VectorProducts.int8;
import static dev.causal4j.kernel.VectorProducts.low;
import static dev.causal4j.kernel.VectorProducts.words;

import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * Two to eight rows of x, in one tile, against one panel, in register tiles for the 32 registers of 16 lanes: 16 accumulators,
 * the weights, which are widened on the way, and a broadcast. Rows past the last repeat the last: what they compute is what they
 * would store there anyway.
 *
 * <p>A processor that reads ahead ({@link Hardware#readsAhead}) gets tiles of 4 rows by 64 outputs, which read a panel in its
 * order, and read it again from the second-level cache for rows 5 to 8. For another the next panel is read meanwhile, a word of
 * each line, and more than four rows are tiles of 8 by 32, which find it in that cache.
 *
 * <p>Accumulators are locals of one method each, written out: C2 keeps a vector in a register only if it never leaves.
 */
final class VectorFewRows {
    private static final ValueLayout.OfInt WORD = ValueLayout.JAVA_INT_UNALIGNED;

    /** Rows of the smaller tile. */
    private static final int FOUR = 4;

    /** Bytes that memory serves at once. */
    private static final long LINE = 64;

    /** Keeps the compiler from dropping what is read ahead. */
    static int touched;

    private VectorFewRows() {}

    /**
     * Rows in a tile of eight against f32 panels.
     *
     * @param ahead whether to read the next panel meanwhile
     */
    static void multiplyF32(Panels w, RowTiles x, Rows y, boolean ahead) {
        long run = start(w, F32_STEP, ahead);
        for (int p = 0; p < w.count(); p++) {
            long panel = w.start(p);
            long next = w.start(Math.min(p + 1, w.count() - 1));
            int out = p * Panels.WIDTH;
            if (ahead && y.count() > FOUR) {
                eightRowsF32(w.data(), panel, next, w.depth(), x.data(), x.offset(), y, out);
                eightRowsF32(w.data(), panel + 128, next + 16 * run, w.depth(), x.data(), x.offset(), y, out + 32);
                continue;
            }
            for (int row = 0; row < y.count(); row += FOUR) {
                fourRowsF32(w.data(), panel, next, run, w.depth(), x.data(), x.offset() + row, y, row, out);
            }
        }
    }

    /** The same on bf16 panels. */
    static void multiplyBf16(Panels w, RowTiles x, Rows y, boolean ahead) {
        long run = start(w, BF16_STEP, ahead);
        for (int p = 0; p < w.count(); p++) {
            long panel = w.start(p);
            long next = w.start(Math.min(p + 1, w.count() - 1));
            int out = p * Panels.WIDTH;
            if (ahead && y.count() > FOUR) {
                eightRowsBf16(w.data(), panel, next, w.depth(), x.data(), x.offset(), y, out);
                eightRowsBf16(w.data(), panel + 64, next + 8 * run, w.depth(), x.data(), x.offset(), y, out + 32);
                continue;
            }
            for (int row = 0; row < y.count(); row += FOUR) {
                fourRowsBf16(w.data(), panel, next, run, w.depth(), x.data(), x.offset() + row, y, row, out);
            }
        }
    }

    /** The same on int8 panels, which are small and take more arithmetic: at most a panel is read before it is multiplied. */
    static void multiplyInt8(Panels w, RowTiles x, Rows y, boolean ahead) {
        for (int p = 0; p < w.count(); p++) {
            long panel = w.start(p);
            int out = p * Panels.WIDTH;
            if (ahead && y.count() > FOUR) {
                touch(w.data(), panel, (long) w.depth() * INT8_STEP);
                for (int half = 0; half < 2; half++) {
                    eightRowsInt8(w.data(), panel, 24 - 16 * half, w.depth(), x.data(), x.offset(), y, out + half * 32);
                }
                continue;
            }
            for (int row = 0; row < y.count(); row += FOUR) {
                fourRowsInt8(w.data(), panel, w.depth(), x.data(), x.offset() + row, y, row, out);
            }
        }
    }

    /**
     * Reads the first panel, if panels are read ahead, and gives the bytes of a run of {@link #line}; 0 if they are not.
     */
    private static long start(Panels w, int stepBytes, boolean ahead) {
        if (!ahead) {
            return 0;
        }
        touch(w.data(), w.offset(), (long) w.depth() * stepBytes);
        return w.depth() * (LINE / 8);
    }

    /**
     * Reads a word of nearly each line of a panel, in two runs, which brings it into the second-level cache. Eight lines of a
     * run at a time: with twelve it read a quarter less.
     */
    private static void touch(MemorySegment m, long panel, long bytes) {
        long second = panel + bytes / 2;
        long end = bytes / 2 - 8 * LINE;
        int sum = 0;
        for (long o = 0; o <= end; o += 8L * LINE * VectorProducts.one) {
            sum += eightLines(m, panel + o) + eightLines(m, second + o);
        }
        touched = sum;
    }

    /**
     * Where a step of one panel reads the next one: eight runs side by side, and as many again for each further line that a
     * step reads, since the processor fetches only so many lines of one run by itself.
     *
     * @param step counted from 0: it reads line step / 8 of run step % 8
     * @param run bytes of a run
     */
    private static long line(long ahead, int step, long run) {
        return ahead + (step & 7) * run + (long) (step >> 3) * LINE;
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

    /** Up to four rows, from row {@code row} of y on, by 64 outputs; unless {@code run} is 0 the panel ahead is read meanwhile. */
    private static void fourRowsF32(
            MemorySegment m, long panel, long ahead, long run, int depth, float[] xs, int x, Rows y, int row, int out) {
        FloatVector z = FloatVector.zero(S);
        FloatVector a0 = z, b0 = z, c0 = z, d0 = z;
        FloatVector a1 = z, b1 = z, c1 = z, d1 = z;
        FloatVector a2 = z, b2 = z, c2 = z, d2 = z;
        FloatVector a3 = z, b3 = z, c3 = z, d3 = z;
        int read = 0;
        int end = depth * RowTiles.STEP;
        for (int i = 0; i < end; i += RowTiles.STEP) {
            long o = panel + (long) i * (F32_STEP / RowTiles.STEP);
            if (run > 0) {
                long line = line(ahead, i >> 3, run);
                read += m.get(WORD, line)
                        + m.get(WORD, line + 8 * run)
                        + m.get(WORD, line + 16 * run)
                        + m.get(WORD, line + 24 * run);
            }
            FloatVector a = f32(m, o), b = f32(m, o + 64), c = f32(m, o + 128), d = f32(m, o + 192), v;
            v = broadcast(xs[x + i]);
            a0 = v.fma(a, a0);
            b0 = v.fma(b, b0);
            c0 = v.fma(c, c0);
            d0 = v.fma(d, d0);
            v = broadcast(xs[x + i + 1]);
            a1 = v.fma(a, a1);
            b1 = v.fma(b, b1);
            c1 = v.fma(c, c1);
            d1 = v.fma(d, d1);
            v = broadcast(xs[x + i + 2]);
            a2 = v.fma(a, a2);
            b2 = v.fma(b, b2);
            c2 = v.fma(c, c2);
            d2 = v.fma(d, d2);
            v = broadcast(xs[x + i + 3]);
            a3 = v.fma(a, a3);
            b3 = v.fma(b, b3);
            c3 = v.fma(c, c3);
            d3 = v.fma(d, d3);
        }
        touched = read;
        float[] ys = y.data();
        int last = y.count() - 1;
        int o = y.start(row) + out;
        a0.intoArray(ys, o);
        b0.intoArray(ys, o + 16);
        c0.intoArray(ys, o + 32);
        d0.intoArray(ys, o + 48);
        o = y.start(Math.min(row + 1, last)) + out;
        a1.intoArray(ys, o);
        b1.intoArray(ys, o + 16);
        c1.intoArray(ys, o + 32);
        d1.intoArray(ys, o + 48);
        o = y.start(Math.min(row + 2, last)) + out;
        a2.intoArray(ys, o);
        b2.intoArray(ys, o + 16);
        c2.intoArray(ys, o + 32);
        d2.intoArray(ys, o + 48);
        o = y.start(Math.min(row + 3, last)) + out;
        a3.intoArray(ys, o);
        b3.intoArray(ys, o + 16);
        c3.intoArray(ys, o + 32);
        d3.intoArray(ys, o + 48);
    }

    /** Up to four rows, from row {@code row} of y on, by 64 outputs; unless {@code run} is 0 the panel ahead is read meanwhile. */
    private static void fourRowsBf16(
            MemorySegment m, long panel, long ahead, long run, int depth, float[] xs, int x, Rows y, int row, int out) {
        FloatVector z = FloatVector.zero(S);
        FloatVector a0 = z, b0 = z, c0 = z, d0 = z;
        FloatVector a1 = z, b1 = z, c1 = z, d1 = z;
        FloatVector a2 = z, b2 = z, c2 = z, d2 = z;
        FloatVector a3 = z, b3 = z, c3 = z, d3 = z;
        int read = 0;
        int end = depth * RowTiles.STEP;
        for (int i = 0; i < end; i += RowTiles.STEP) {
            long o = panel + (long) i * (BF16_STEP / RowTiles.STEP);
            if (run > 0) {
                long line = line(ahead, i >> 3, run);
                read += m.get(WORD, line) + m.get(WORD, line + 8 * run);
            }
            IntVector first = words(m, o), second = words(m, o + 64);
            FloatVector a = low(first), b = high(first), c = low(second), d = high(second), v;
            v = broadcast(xs[x + i]);
            a0 = v.fma(a, a0);
            b0 = v.fma(b, b0);
            c0 = v.fma(c, c0);
            d0 = v.fma(d, d0);
            v = broadcast(xs[x + i + 1]);
            a1 = v.fma(a, a1);
            b1 = v.fma(b, b1);
            c1 = v.fma(c, c1);
            d1 = v.fma(d, d1);
            v = broadcast(xs[x + i + 2]);
            a2 = v.fma(a, a2);
            b2 = v.fma(b, b2);
            c2 = v.fma(c, c2);
            d2 = v.fma(d, d2);
            v = broadcast(xs[x + i + 3]);
            a3 = v.fma(a, a3);
            b3 = v.fma(b, b3);
            c3 = v.fma(c, c3);
            d3 = v.fma(d, d3);
        }
        touched = read;
        float[] ys = y.data();
        int last = y.count() - 1;
        int o = y.start(row) + out;
        a0.intoArray(ys, o);
        b0.intoArray(ys, o + 16);
        c0.intoArray(ys, o + 32);
        d0.intoArray(ys, o + 48);
        o = y.start(Math.min(row + 1, last)) + out;
        a1.intoArray(ys, o);
        b1.intoArray(ys, o + 16);
        c1.intoArray(ys, o + 32);
        d1.intoArray(ys, o + 48);
        o = y.start(Math.min(row + 2, last)) + out;
        a2.intoArray(ys, o);
        b2.intoArray(ys, o + 16);
        c2.intoArray(ys, o + 32);
        d2.intoArray(ys, o + 48);
        o = y.start(Math.min(row + 3, last)) + out;
        a3.intoArray(ys, o);
        b3.intoArray(ys, o + 16);
        c3.intoArray(ys, o + 32);
        d3.intoArray(ys, o + 48);
    }

    /** Up to four rows, from row {@code row} of y on, by 64 outputs. */
    private static void fourRowsInt8(
            MemorySegment m, long panel, int depth, float[] xs, int x, Rows y, int row, int out) {
        FloatVector z = FloatVector.zero(S);
        FloatVector a0 = z, b0 = z, c0 = z, d0 = z;
        FloatVector a1 = z, b1 = z, c1 = z, d1 = z;
        FloatVector a2 = z, b2 = z, c2 = z, d2 = z;
        FloatVector a3 = z, b3 = z, c3 = z, d3 = z;
        int end = depth * RowTiles.STEP;
        for (int i = 0; i < end; i += RowTiles.STEP) {
            long o = panel + (long) i * (INT8_STEP / RowTiles.STEP);
            IntVector word = words(m, o);
            FloatVector a = int8(word, 24), b = int8(word, 16), c = int8(word, 8), d = int8(word, 0), v;
            v = broadcast(xs[x + i]);
            a0 = v.fma(a, a0);
            b0 = v.fma(b, b0);
            c0 = v.fma(c, c0);
            d0 = v.fma(d, d0);
            v = broadcast(xs[x + i + 1]);
            a1 = v.fma(a, a1);
            b1 = v.fma(b, b1);
            c1 = v.fma(c, c1);
            d1 = v.fma(d, d1);
            v = broadcast(xs[x + i + 2]);
            a2 = v.fma(a, a2);
            b2 = v.fma(b, b2);
            c2 = v.fma(c, c2);
            d2 = v.fma(d, d2);
            v = broadcast(xs[x + i + 3]);
            a3 = v.fma(a, a3);
            b3 = v.fma(b, b3);
            c3 = v.fma(c, c3);
            d3 = v.fma(d, d3);
        }
        float[] ys = y.data();
        int last = y.count() - 1;
        int o = y.start(row) + out;
        a0.intoArray(ys, o);
        b0.intoArray(ys, o + 16);
        c0.intoArray(ys, o + 32);
        d0.intoArray(ys, o + 48);
        o = y.start(Math.min(row + 1, last)) + out;
        a1.intoArray(ys, o);
        b1.intoArray(ys, o + 16);
        c1.intoArray(ys, o + 32);
        d1.intoArray(ys, o + 48);
        o = y.start(Math.min(row + 2, last)) + out;
        a2.intoArray(ys, o);
        b2.intoArray(ys, o + 16);
        c2.intoArray(ys, o + 32);
        d2.intoArray(ys, o + 48);
        o = y.start(Math.min(row + 3, last)) + out;
        a3.intoArray(ys, o);
        b3.intoArray(ys, o + 16);
        c3.intoArray(ys, o + 32);
        d3.intoArray(ys, o + 48);
    }

    /** Up to eight rows by 32 outputs; half of the panel ahead is read meanwhile. */
    private static void eightRowsF32(
            MemorySegment m, long panel, long ahead, int depth, float[] xs, int x, Rows y, int out) {
        FloatVector z = FloatVector.zero(S);
        FloatVector a0 = z, b0 = z;
        FloatVector a1 = z, b1 = z;
        FloatVector a2 = z, b2 = z;
        FloatVector a3 = z, b3 = z;
        FloatVector a4 = z, b4 = z;
        FloatVector a5 = z, b5 = z;
        FloatVector a6 = z, b6 = z;
        FloatVector a7 = z, b7 = z;
        int read = 0;
        int end = depth * RowTiles.STEP;
        for (int i = 0; i < end; i += RowTiles.STEP) {
            long o = panel + (long) i * (F32_STEP / RowTiles.STEP);
            long line = line(ahead, i >> 3, depth * (F32_STEP / 32L));
            read += m.get(WORD, line) + m.get(WORD, line + depth * (F32_STEP / 4L));
            FloatVector a = f32(m, o), b = f32(m, o + 64), v;
            v = broadcast(xs[x + i]);
            a0 = v.fma(a, a0);
            b0 = v.fma(b, b0);
            v = broadcast(xs[x + i + 1]);
            a1 = v.fma(a, a1);
            b1 = v.fma(b, b1);
            v = broadcast(xs[x + i + 2]);
            a2 = v.fma(a, a2);
            b2 = v.fma(b, b2);
            v = broadcast(xs[x + i + 3]);
            a3 = v.fma(a, a3);
            b3 = v.fma(b, b3);
            v = broadcast(xs[x + i + 4]);
            a4 = v.fma(a, a4);
            b4 = v.fma(b, b4);
            v = broadcast(xs[x + i + 5]);
            a5 = v.fma(a, a5);
            b5 = v.fma(b, b5);
            v = broadcast(xs[x + i + 6]);
            a6 = v.fma(a, a6);
            b6 = v.fma(b, b6);
            v = broadcast(xs[x + i + 7]);
            a7 = v.fma(a, a7);
            b7 = v.fma(b, b7);
        }
        touched = read;
        float[] ys = y.data();
        int last = y.count() - 1;
        int o = y.start(0) + out;
        a0.intoArray(ys, o);
        b0.intoArray(ys, o + 16);
        o = y.start(Math.min(1, last)) + out;
        a1.intoArray(ys, o);
        b1.intoArray(ys, o + 16);
        o = y.start(Math.min(2, last)) + out;
        a2.intoArray(ys, o);
        b2.intoArray(ys, o + 16);
        o = y.start(Math.min(3, last)) + out;
        a3.intoArray(ys, o);
        b3.intoArray(ys, o + 16);
        o = y.start(Math.min(4, last)) + out;
        a4.intoArray(ys, o);
        b4.intoArray(ys, o + 16);
        o = y.start(Math.min(5, last)) + out;
        a5.intoArray(ys, o);
        b5.intoArray(ys, o + 16);
        o = y.start(Math.min(6, last)) + out;
        a6.intoArray(ys, o);
        b6.intoArray(ys, o + 16);
        o = y.start(Math.min(7, last)) + out;
        a7.intoArray(ys, o);
        b7.intoArray(ys, o + 16);
    }

    /** Up to eight rows by 32 outputs; half of the panel ahead is read meanwhile. */
    private static void eightRowsBf16(
            MemorySegment m, long panel, long ahead, int depth, float[] xs, int x, Rows y, int out) {
        FloatVector z = FloatVector.zero(S);
        FloatVector a0 = z, b0 = z;
        FloatVector a1 = z, b1 = z;
        FloatVector a2 = z, b2 = z;
        FloatVector a3 = z, b3 = z;
        FloatVector a4 = z, b4 = z;
        FloatVector a5 = z, b5 = z;
        FloatVector a6 = z, b6 = z;
        FloatVector a7 = z, b7 = z;
        int read = 0;
        int end = depth * RowTiles.STEP;
        for (int i = 0; i < end; i += RowTiles.STEP) {
            long o = panel + (long) i * (BF16_STEP / RowTiles.STEP);
            long line = line(ahead, i >> 3, depth * (BF16_STEP / 16L));
            read += m.get(WORD, line);
            IntVector both = words(m, o);
            FloatVector a = low(both), b = high(both), v;
            v = broadcast(xs[x + i]);
            a0 = v.fma(a, a0);
            b0 = v.fma(b, b0);
            v = broadcast(xs[x + i + 1]);
            a1 = v.fma(a, a1);
            b1 = v.fma(b, b1);
            v = broadcast(xs[x + i + 2]);
            a2 = v.fma(a, a2);
            b2 = v.fma(b, b2);
            v = broadcast(xs[x + i + 3]);
            a3 = v.fma(a, a3);
            b3 = v.fma(b, b3);
            v = broadcast(xs[x + i + 4]);
            a4 = v.fma(a, a4);
            b4 = v.fma(b, b4);
            v = broadcast(xs[x + i + 5]);
            a5 = v.fma(a, a5);
            b5 = v.fma(b, b5);
            v = broadcast(xs[x + i + 6]);
            a6 = v.fma(a, a6);
            b6 = v.fma(b, b6);
            v = broadcast(xs[x + i + 7]);
            a7 = v.fma(a, a7);
            b7 = v.fma(b, b7);
        }
        touched = read;
        float[] ys = y.data();
        int last = y.count() - 1;
        int o = y.start(0) + out;
        a0.intoArray(ys, o);
        b0.intoArray(ys, o + 16);
        o = y.start(Math.min(1, last)) + out;
        a1.intoArray(ys, o);
        b1.intoArray(ys, o + 16);
        o = y.start(Math.min(2, last)) + out;
        a2.intoArray(ys, o);
        b2.intoArray(ys, o + 16);
        o = y.start(Math.min(3, last)) + out;
        a3.intoArray(ys, o);
        b3.intoArray(ys, o + 16);
        o = y.start(Math.min(4, last)) + out;
        a4.intoArray(ys, o);
        b4.intoArray(ys, o + 16);
        o = y.start(Math.min(5, last)) + out;
        a5.intoArray(ys, o);
        b5.intoArray(ys, o + 16);
        o = y.start(Math.min(6, last)) + out;
        a6.intoArray(ys, o);
        b6.intoArray(ys, o + 16);
        o = y.start(Math.min(7, last)) + out;
        a7.intoArray(ys, o);
        b7.intoArray(ys, o + 16);
    }

    /** Up to eight rows by 32 outputs, whose bytes begin 24 - shift bits up in each word. */
    private static void eightRowsInt8(
            MemorySegment m, long panel, int shift, int depth, float[] xs, int x, Rows y, int out) {
        FloatVector z = FloatVector.zero(S);
        FloatVector a0 = z, b0 = z;
        FloatVector a1 = z, b1 = z;
        FloatVector a2 = z, b2 = z;
        FloatVector a3 = z, b3 = z;
        FloatVector a4 = z, b4 = z;
        FloatVector a5 = z, b5 = z;
        FloatVector a6 = z, b6 = z;
        FloatVector a7 = z, b7 = z;
        int end = depth * RowTiles.STEP;
        for (int i = 0; i < end; i += RowTiles.STEP) {
            long o = panel + (long) i * (INT8_STEP / RowTiles.STEP);
            IntVector word = words(m, o);
            FloatVector a = int8(word, shift), b = int8(word, shift - 8), v;
            v = broadcast(xs[x + i]);
            a0 = v.fma(a, a0);
            b0 = v.fma(b, b0);
            v = broadcast(xs[x + i + 1]);
            a1 = v.fma(a, a1);
            b1 = v.fma(b, b1);
            v = broadcast(xs[x + i + 2]);
            a2 = v.fma(a, a2);
            b2 = v.fma(b, b2);
            v = broadcast(xs[x + i + 3]);
            a3 = v.fma(a, a3);
            b3 = v.fma(b, b3);
            v = broadcast(xs[x + i + 4]);
            a4 = v.fma(a, a4);
            b4 = v.fma(b, b4);
            v = broadcast(xs[x + i + 5]);
            a5 = v.fma(a, a5);
            b5 = v.fma(b, b5);
            v = broadcast(xs[x + i + 6]);
            a6 = v.fma(a, a6);
            b6 = v.fma(b, b6);
            v = broadcast(xs[x + i + 7]);
            a7 = v.fma(a, a7);
            b7 = v.fma(b, b7);
        }
        float[] ys = y.data();
        int last = y.count() - 1;
        int o = y.start(0) + out;
        a0.intoArray(ys, o);
        b0.intoArray(ys, o + 16);
        o = y.start(Math.min(1, last)) + out;
        a1.intoArray(ys, o);
        b1.intoArray(ys, o + 16);
        o = y.start(Math.min(2, last)) + out;
        a2.intoArray(ys, o);
        b2.intoArray(ys, o + 16);
        o = y.start(Math.min(3, last)) + out;
        a3.intoArray(ys, o);
        b3.intoArray(ys, o + 16);
        o = y.start(Math.min(4, last)) + out;
        a4.intoArray(ys, o);
        b4.intoArray(ys, o + 16);
        o = y.start(Math.min(5, last)) + out;
        a5.intoArray(ys, o);
        b5.intoArray(ys, o + 16);
        o = y.start(Math.min(6, last)) + out;
        a6.intoArray(ys, o);
        b6.intoArray(ys, o + 16);
        o = y.start(Math.min(7, last)) + out;
        a7.intoArray(ys, o);
        b7.intoArray(ys, o + 16);
    }
}
