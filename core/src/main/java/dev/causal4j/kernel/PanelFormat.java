package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;
import java.util.Locale;

/**
 * The storage of a panel of 64 outputs without groups; no other class knows such a format's layout.
 *
 * <p>A panel is its steps of k, each with the numbers of 64 outputs, so that the lanes of a vector are neighbouring
 * outputs and a step is one read in order.
 *
 * <p>A step is words of 32 bits, each with one output, or two that are 16 apart, the first in its lowest bits: a step
 * of f32 is 64 floats. Sixteen words hold 16 or 32 neighbouring outputs, so that a shift and a mask widen a whole
 * vector at any width.
 */
public enum PanelFormat implements WeightFormat {
    /** IEEE binary32. */
    F32(32),
    /** The upper half of binary32. */
    BF16(16),
    /**
     * IEEE binary16, finite. Bits of infinity or NaN, which only a damaged file has, are a number from 65,536 on, as in
     * Arm's alternative format. A check would read the whole of a mapped file, and an exact widening would slow each
     * product.
     */
    F16(16);

    /** From this magnitude on a number rounds to infinity. */
    private static final float F16_LIMIT = 65520;

    /** Sign, exponent and mantissa of an f16 in a word shifted right by 3: a float of 2^-112 times its value. */
    static final int F16_BITS = 0x8fffe000;

    /** Scales the shifted bits to the value; exact for subnormals too. */
    static final float F16_SCALE = 0x1p112f;

    private final int bits;

    /** Bits of an output's number that select the output within a word. */
    private final int partBits;

    PanelFormat(int bits) {
        this.bits = bits;
        this.partBits = Integer.numberOfTrailingZeros(32 / bits);
    }

    @Override
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    @Override
    public int bits() {
        return bits;
    }

    @Override
    public long bytes(int depth) {
        return (long) depth * stepBytes();
    }

    /** Bytes of a step of k. */
    public int stepBytes() {
        return bits * Panels.WIDTH / 8;
    }

    /** Bytes of a row of n values in a page of keys and values. */
    public long rowBytes(int n) {
        return this == F32 ? 4L * n : Math.ceilDiv(n, 32) * 64L;
    }

    /** The first output of a word of a step. */
    int output(int word) {
        return ((word >> 4) << (4 + partBits)) + (word & 15);
    }

    /** Bytes from the start of a step to the word of output j. */
    private long word(int j) {
        return 4L * (((j >> (4 + partBits)) << 4) + (j & 15));
    }

    /** The index of output j among the outputs of its word. */
    private int part(int j) {
        return (j >> 4) & ((1 << partBits) - 1);
    }

    /** The code of output j in the step at byte {@code step}. */
    public float code(MemorySegment m, long step, int j) {
        int word = m.get(Panels.INT, step + word(j));
        return switch (this) {
            case F32 -> Float.intBitsToFloat(word);
            case BF16 -> Float.intBitsToFloat((word >> (16 * part(j))) << 16);
            case F16 -> f16(word >> (16 * part(j)));
        };
    }

    /** The number in the lower half of a word. */
    private static float f16(int half) {
        return Float.intBitsToFloat((half << 16 >> 3) & F16_BITS) * F16_SCALE;
    }

    /**
     * Copies the codes of {@code count} steps from the one at byte {@code step} on, each {@code stride} floats further.
     */
    void codes(MemorySegment m, long step, int count, float[] target, int offset, int stride) {
        if (this == F32 && stride == Panels.WIDTH) {
            MemorySegment.copy(m, Panels.FLOAT, step, target, offset, count * Panels.WIDTH);
            return;
        }
        int[] words = new int[count * stepBytes() / Integer.BYTES]; // one copy beats many short ones
        MemorySegment.copy(m, Panels.INT, step, words, 0, words.length);
        for (int k = 0; k < count; k++) {
            int from = k * words.length / count;
            int to = offset + k * stride;
            switch (this) {
                case F32 -> f32(words, from, target, to);
                case BF16 -> bf16(words, from, target, to);
                case F16 -> f16(words, from, target, to);
            }
        }
    }

    private static void f32(int[] words, int from, float[] target, int to) {
        for (int w = 0; w < Panels.WIDTH; w++) {
            target[to + w] = Float.intBitsToFloat(words[from + w]);
        }
    }

    private static void bf16(int[] words, int from, float[] target, int to) {
        for (int w = 0; w < 16; w++) {
            target[to + w] = Float.intBitsToFloat(words[from + w] << 16);
            target[to + w + 16] = Float.intBitsToFloat(words[from + w] & 0xffff0000);
            target[to + w + 32] = Float.intBitsToFloat(words[from + w + 16] << 16);
            target[to + w + 48] = Float.intBitsToFloat(words[from + w + 16] & 0xffff0000);
        }
    }

    private static void f16(int[] words, int from, float[] target, int to) {
        for (int w = 0; w < 16; w++) {
            target[to + w] = f16(words[from + w]);
            target[to + w + 16] = f16(words[from + w] >> 16);
            target[to + w + 32] = f16(words[from + w + 16]);
            target[to + w + 48] = f16(words[from + w + 16] >> 16);
        }
    }

    /** Reads numbers of a file in row-major order, from number {@code from} on. */
    public void read(MemorySegment file, long from, float[] target, int offset, int count) {
        switch (this) {
            case F32 -> MemorySegment.copy(file, Panels.FLOAT, from * 4, target, offset, count);
            case BF16 -> {
                for (int i = 0; i < count; i++) {
                    target[offset + i] = Float.intBitsToFloat(file.get(Panels.SHORT, (from + i) * 2) << 16);
                }
            }
            case F16 -> {
                for (int i = 0; i < count; i++) {
                    target[offset + i] = Float.float16ToFloat(file.get(Panels.SHORT, (from + i) * 2));
                }
            }
        }
    }

    /**
     * Writes a number of a file in row-major order, rounded to nearest, ties to even; false if f16 does not hold it.
     */
    public boolean write(float number, MemorySegment file, long index) {
        switch (this) {
            case F32 -> file.set(Panels.FLOAT, index * 4, number);
            case BF16, F16 -> file.set(Panels.SHORT, index * 2, (short) half(number));
        }
        return this != F16 || Float.isFinite(Float.float16ToFloat(Float.floatToFloat16(number)));
    }

    /**
     * Stores a number as output j of a step, or as number j of a row in a page of keys and values; f32 or bf16.
     *
     * @param step byte of the step or row
     */
    public void put(float number, MemorySegment to, long step, int j) {
        if (this == F32) {
            to.set(Panels.FLOAT, step + 4L * j, number);
        } else {
            to.set(Panels.SHORT, step + word(j) + 2L * part(j), (short) bf16(number));
        }
    }

    @Override
    public float weight(MemorySegment m, long panel, int depth, int k, int j) {
        return code(m, panel + bytes(k), j);
    }

    @Override
    public float output(MemorySegment m, long panel, int j, int depth, float[] x, int offset) {
        float sum = 0;
        for (int k = 0; k < depth; k++) {
            sum = Math.fma(x[offset + k], code(m, panel + bytes(k), j), sum);
        }
        return sum;
    }

    @Override
    public void steps(MemorySegment m, long panel, int depth, int from, int count, float[] target) {
        codes(m, panel + bytes(from), count, target, 0, Panels.WIDTH);
    }

    @Override
    public void encode(float[] wide, int first, MemorySegment to, long at) {
        if (this == F32) {
            MemorySegment.copy(wide, 0, to, Panels.FLOAT, at, wide.length);
            return;
        }
        int[] words = halves(wide, first);
        MemorySegment.copy(words, 0, to, Panels.INT, at, words.length);
    }

    /** The bf16 nearest to {@code value}, ties to even; NaN stays NaN. */
    public static int bf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        // A payload in the low half alone would round to infinity.
        return Float.isNaN(value) ? (bits >>> 16) | 0x40 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
    }

    private int half(float number) {
        return this == BF16 ? bf16(number) : Float.floatToFloat16(number);
    }

    /** Packs two outputs a word. */
    private int[] halves(float[] wide, int first) {
        for (int i = 0; i < wide.length && this == F16; i++) {
            if (!(Math.abs(wide[i]) < F16_LIMIT)) {
                throw new IllegalArgumentException("f16: expected finite weights below " + F16_LIMIT + ", got "
                        + wide[i] + " in row " + (first + i % Panels.WIDTH));
            }
        }
        int[] words = new int[wide.length / 2];
        for (int i = 0; i < wide.length; i += 32) {
            for (int w = 0; w < 16; w++) {
                words[i / 2 + w] = (half(wide[i + w]) & 0xffff) | (half(wide[i + w + 16]) << 16);
            }
        }
        return words;
    }
}
