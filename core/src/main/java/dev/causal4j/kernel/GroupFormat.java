package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * The storage of a panel of 64 outputs whose weights are codes of 4 or 8 bits with a scale, and perhaps a minimum, for
 * each output and group of inputs: weight = code · scale + minimum. Immutable.
 *
 * <p>A panel is the codes of its groups in order, then for each group the 64 scales and the minimums if there are any:
 * a product of one row reads them in this order, and memory is fastest when nothing is skipped. Codes are words of 32
 * bits: of 8 bits, a step of k is 16 words, and word w holds outputs w, w + 16, w + 32 and w + 48 from its lowest byte
 * up; of 4 bits, 16 words hold two steps, the first in the low halves. Scales and minimums are f32, or f16 in words like
 * a step of {@link PanelFormat#F16}.
 *
 * <p>An output is y = fma(scale, c, y), then with minimums y = fma(minimum, X, y), for its groups in order, beginning at
 * +0: c is the chain of the group's inputs and stored codes, X the sum of its inputs in order. What is added to codes that
 * are stored is taken off like a minimum of -8 scale. See {@link #add}.
 *
 * @param bits of a code: 4 or 8
 * @param signed whether codes of 4 bits are -8 to 7, stored with 8 added, not 0 to 15; those of 8 bits are -128 to 127
 * @param group inputs of a group
 * @param wide whether scales and minimums are f32, not f16
 */
public record GroupFormat(int bits, boolean signed, int group, boolean minimum, boolean wide) implements WeightFormat {
    /** What weights of our own are quantised to: 4 bits, scales and minimums in f16. */
    public static final GroupFormat INT4 = new GroupFormat(4, false, 32, true, false);

    private static final int WIDTH = Panels.WIDTH;

    private static final VarHandle EIGHT = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    public GroupFormat {
        if (bits == 4 && signed && minimum) {
            throw new IllegalArgumentException("codes around 8: expected no minimums, got some");
        }
    }

    /** Bytes of 64 scales, or of 64 minimums. */
    int scaleBytes() {
        return numbers().stepBytes();
    }

    /** Bytes of a group's scales and minimums. */
    int numbersBytes() {
        return scaleBytes() * (minimum ? 2 : 1);
    }

    /** Bytes of a group's codes. */
    int codesBytes() {
        return group * WIDTH * bits / 8;
    }

    /** Bytes from the start of a panel to the scales of group {@code g}; the minimums follow them. */
    long numbersAt(int depth, int g) {
        return (long) groups(depth) * codesBytes() + (long) g * numbersBytes();
    }

    /** Groups of this many inputs. */
    int groups(int depth) {
        return depth / group;
    }

    /** The format that also holds weights of another. */
    public GroupFormat with(GroupFormat other) {
        boolean same = bits == other.bits && signed == other.signed;
        return new GroupFormat(
                same ? bits : 8,
                !same || signed,
                Math.min(group, other.group),
                minimum || other.minimum,
                wide || other.wide);
    }

    /** Spreads this format's scales and minimums, in place, over the groups of another that holds it. */
    public void spread(float[] scales, float[] minimums, GroupFormat other) {
        int times = group / other.group;
        for (int g = scales.length - 1; g >= 0; g--) {
            scales[g] = scales[g / times];
            minimums[g] = minimum ? minimums[g / times] : 0;
        }
    }

    /** Throws unless a panel can have this many inputs. */
    public void check(int depth) {
        if (depth % group != 0) {
            throw new IllegalArgumentException("inputs: expected a multiple of " + group + ", got " + depth);
        }
    }

    @Override
    public long bytes(int depth) {
        return numbersAt(depth, groups(depth));
    }

    /** What is added to codes that are stored. */
    int zero() {
        return bits == 4 && signed ? 8 : 0;
    }

    /** Whether products need the sums of their inputs. */
    boolean needsSums() {
        return minimum || zero() != 0;
    }

    @Override
    public int sums(int depth) {
        return needsSums() ? groups(depth) : 0;
    }

    /** What products multiply the stored codes of output j by: a power of two, since masks are cheaper than shifts. */
    float unit(int j) {
        return bits == 8 ? PanelFormat.INT8_UNIT : 1 << (4 * (j / 16));
    }

    /**
     * An output with one more group.
     *
     * @param y the output so far
     * @param chain of fused multiply-adds of inputs and stored codes times their unit, from +0
     * @param least the group's minimum, if the format has some
     * @param sum X
     */
    float add(float y, float scale, float chain, float least, float sum, int j) {
        float scaled = Math.fma(scale * (1 / unit(j)), chain, y);
        return needsSums() ? Math.fma(minimum ? least : -zero() * scale, sum, scaled) : scaled;
    }

    /** The stored code of step k, output j, times its unit. */
    private float stored(MemorySegment m, long panel, int k, int j) {
        if (bits == 8) {
            return PanelFormat.INT8.code(m, panel + (long) k * WIDTH, j);
        }
        int word = m.get(Panels.INT, panel + k / 2 * (long) WIDTH + j % 16 * 4L);
        return word >>> (k % 2 * 16) & 15 << (4 * (j / 16));
    }

    /** The format of scales and minimums: those of 64 outputs lie like a step. */
    PanelFormat numbers() {
        return wide ? PanelFormat.F32 : PanelFormat.F16;
    }

    private float weight(MemorySegment m, long panel, int depth, int k, int j) {
        long at = panel + numbersAt(depth, k / group);
        float code = stored(m, panel, k, j) * (1 / unit(j)) - zero();
        float scaled = code * numbers().code(m, at, j); // exact
        return minimum ? scaled + numbers().code(m, at + scaleBytes(), j) : scaled;
    }

    @Override
    public void row(MemorySegment m, long panel, int j, int depth, float[] target, int offset) {
        for (int k = 0; k < depth; k++) {
            target[offset + k] = weight(m, panel, depth, k, j);
        }
    }

    @Override
    public float output(MemorySegment m, long panel, int j, int depth, float[] x, int offset) {
        float y = 0;
        for (int from = 0; from < depth; from += group) {
            long at = panel + numbersAt(depth, from / group);
            float chain = 0;
            float sum = 0;
            for (int k = from; k < from + group; k++) {
                chain = Math.fma(x[offset + k], stored(m, panel, k, j), chain);
                sum += x[offset + k];
            }
            float least = minimum ? numbers().code(m, at + scaleBytes(), j) : 0;
            y = add(y, numbers().code(m, at, j), chain, least, sum, j);
        }
        return y;
    }

    @Override
    public void steps(MemorySegment m, long panel, int depth, int from, int count, float[] target) {
        for (int i = 0; i < count * WIDTH; i++) {
            target[i] = weight(m, panel, depth, from + i / WIDTH, i % WIDTH);
        }
    }

    /**
     * Quantises to {@link #INT4}.
     *
     * @throws IllegalStateException if this is another format: its codes come from files
     */
    @Override
    public void encode(float[] wide, int first, MemorySegment to, long at) {
        if (!equals(INT4)) {
            throw new IllegalStateException("quantising: expected " + INT4 + ", got " + this);
        }
        int depth = wide.length / WIDTH;
        int[] words = new int[(int) bytes(depth) / Integer.BYTES];
        float[] row = new float[depth];
        byte[] codes = new byte[WIDTH * depth];
        byte[] output = new byte[depth]; // its codes
        float[] scales = new float[groups(depth)];
        float[] minimums = new float[scales.length];
        for (int j = 0; j < WIDTH; j++) {
            for (int k = 0; k < depth; k++) {
                row[k] = wide[k * WIDTH + j];
            }
            GroupEncoding.int4(row, first + j, output, scales, minimums);
            System.arraycopy(output, 0, codes, j * depth, depth);
            putNumbers(j, depth, scales, minimums, words);
        }
        putCodes(codes, depth, words);
        MemorySegment.copy(words, 0, to, Panels.INT, at, words.length);
    }

    /** The stored codes of a group that begin at a byte, times their units: [group, 64]. */
    void codes(MemorySegment m, long at, float[] target) {
        if (bits == 8) {
            PanelFormat.INT8.codes(m, at, group, target, 0, WIDTH);
            return;
        }
        for (int i = 0; i < group * WIDTH / 8; i++) {
            int word = m.get(Panels.INT, at + 4L * i);
            int to = i / 16 * WIDTH * 2 + i % 16;
            for (int n = 0; n < 4; n++) {
                target[to + 16 * n] = word & 15 << (4 * n);
                target[to + 16 * n + WIDTH] = word >>> 16 & 15 << (4 * n);
            }
        }
    }

    /**
     * Stores the codes of a panel's outputs.
     *
     * @param codes [64, depth]
     * @param words a panel
     */
    public void putCodes(byte[] codes, int depth, int[] words) {
        int apart = 16 * depth; // from an output of a word to the next
        for (int w = 0; w < 16; w++) {
            for (int k = 0; bits == 8 && k < depth; k++) {
                int at = w * depth + k;
                words[16 * k + w] = (codes[at] & 0xff)
                        | ((codes[at + apart] & 0xff) << 8)
                        | ((codes[at + 2 * apart] & 0xff) << 16)
                        | (codes[at + 3 * apart] << 24);
            }
            for (int k = 0; bits == 4 && k < depth; k += Long.BYTES) {
                int at = w * depth + k;
                long low = stored(codes, at) | (stored(codes, at + apart) << 4); // bytes of two outputs
                long high = stored(codes, at + 2 * apart) | (stored(codes, at + 3 * apart) << 4);
                for (int to = 8 * k + w; to < 8 * k + 64; to += 32, low >>>= 32, high >>>= 32) {
                    long two = Long.expand(low, 0x00ff00ff00ff00ffL) | Long.expand(high, 0xff00ff00ff00ff00L);
                    words[to] = (int) two;
                    words[to + 16] = (int) (two >>> 32);
                }
            }
        }
    }

    /** The codes of 4 bits of eight steps as they are stored, a byte each. */
    private long stored(byte[] codes, int at) {
        return ((long) EIGHT.get(codes, at) ^ (0x0101010101010101L * zero())) & 0x0f0f0f0f0f0f0f0fL;
    }

    /**
     * Stores scales and minimums of output j.
     *
     * @param scales one for each group, exact in the format
     * @param minimums the same; not read without minimums
     * @param words a panel of zeros before its first output
     */
    public void putNumbers(int j, int depth, float[] scales, float[] minimums, int[] words) {
        for (int g = 0; g < groups(depth); g++) {
            int at = (int) (numbersAt(depth, g) / 4);
            put(scales[g], words, at, j);
            if (minimum) {
                put(minimums[g], words, at + scaleBytes() / 4, j);
            }
        }
    }

    private void put(float number, int[] words, int at, int j) {
        if (wide) {
            words[at + j] = Float.floatToRawIntBits(number);
        } else {
            words[at + j / 32 * 16 + j % 16] |= (Float.floatToFloat16(number) & 0xffff) << (j / 16 % 2 * 16);
        }
    }
}
