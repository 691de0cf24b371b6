package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Locale;

/**
 * The storage of a panel of 64 outputs without groups; no other class knows such a format's layout.
 *
 * <p>A panel begins with the scales of its outputs, if the format has them: 64 f32 numbers. Then come the steps of k,
 * each with the codes of 64 outputs, so that the lanes of a vector are neighbouring outputs and a step is one read in
 * order. A weight is its code times its scale; an output is the chain over its codes, times its scale. Codes of int8 are
 * read as {@link #INT8_UNIT} times themselves, and chains divided by it: exact, and a mask instead of a shift.
 *
 * <p>A step is words of 32 bits, each with 1, 2 or 4 outputs that are 16 apart, the first in its lowest bits: a step of
 * f32 is 64 floats. Sixteen words hold 16, 32 or 64 neighbouring outputs, so that a shift and a mask widen a whole vector
 * at any width.
 */
public enum PanelFormat implements WeightFormat {
    /** IEEE binary32. */
    F32(32),
    /** The upper half of binary32. */
    BF16(16),
    /** IEEE binary16, finite. */
    F16(16),
    /** Integers from -127 to 127 with one scale an output, the largest magnitude / 127. */
    INT8(8);

    /** The factor of int8 codes as they are read. */
    static final float INT8_UNIT = 0x1p24f;

    /** The bits of a code of int8 in a word that is moved so that it comes first. */
    static final int INT8_BITS = 0xff000000;

    /** Adding 1.5 · 2^23 rounds to the nearest integer, ties to even, and leaves it in the low bits. */
    private static final float ROUND = 0x1.8p23f;

    /** Numbers from here on round to infinity. */
    private static final float F16_LIMIT = 65520;

    private final int bits;

    /** Bits of the number of an output that choose the outputs of a word. */
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
    public boolean isQuantised() {
        return this == INT8;
    }

    @Override
    public long bytes(int depth) {
        return step(depth);
    }

    /** Bytes of a step of k. */
    int stepBytes() {
        return bits * Panels.WIDTH / 8;
    }

    /** Bytes of a row of n values in a page of keys and values. */
    public long rowBytes(int n) {
        return this == F32 ? 4L * n : Math.ceilDiv(n, 32) * 64L;
    }

    /** Bytes from the start of a panel to step k. */
    long step(int k) {
        return (isQuantised() ? 4L * Panels.WIDTH : 0) + (long) k * stepBytes();
    }

    /** The first output of a word of a step. */
    int output(int word) {
        return ((word >> 4) << (4 + partBits)) + (word & 15);
    }

    /** Bytes from the start of a step to the word of output j. */
    private long word(int j) {
        return 4L * (((j >> (4 + partBits)) << 4) + (j & 15));
    }

    /** The number of output j among the outputs of its word. */
    private int part(int j) {
        return (j >> 4) & ((1 << partBits) - 1);
    }

    /** The code of output j in the step at byte {@code step}. */
    float code(MemorySegment m, long step, int j) {
        int word = m.get(Panels.INT, step + word(j));
        return switch (this) {
            case F32 -> Float.intBitsToFloat(word);
            case BF16 -> Float.intBitsToFloat((word >> (16 * part(j))) << 16);
            case F16 -> Float.float16ToFloat((short) (word >> (16 * part(j))));
            case INT8 -> (word << (24 - 8 * part(j))) & INT8_BITS;
        };
    }

    /** Copies the codes of {@code count} steps from the one at byte {@code step} on, each {@code stride} floats further. */
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
                case INT8 -> int8(words, from, target, to);
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
            target[to + w] = Float.float16ToFloat((short) words[from + w]);
            target[to + w + 16] = Float.float16ToFloat((short) (words[from + w] >> 16));
            target[to + w + 32] = Float.float16ToFloat((short) words[from + w + 16]);
            target[to + w + 48] = Float.float16ToFloat((short) (words[from + w + 16] >> 16));
        }
    }

    private static void int8(int[] words, int from, float[] target, int to) {
        for (int w = 0; w < 16; w++) {
            target[to + w] = words[from + w] << 24;
            target[to + w + 16] = words[from + w] << 16 & INT8_BITS;
            target[to + w + 32] = words[from + w] << 8 & INT8_BITS;
            target[to + w + 48] = words[from + w] & INT8_BITS;
        }
    }

    /** Reads numbers of a file in row-major order, from number {@code from} on; codes without their scales. */
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
            case INT8 -> {
                for (int i = 0; i < count; i++) {
                    target[offset + i] = file.get(ValueLayout.JAVA_BYTE, from + i);
                }
            }
        }
    }

    /** Writes a number of a file in row-major order, rounded to nearest, ties to even; false if f16 does not hold it. */
    public boolean write(float number, MemorySegment file, long index) {
        switch (this) {
            case F32 -> file.set(Panels.FLOAT, index * 4, number);
            case BF16, F16 -> file.set(Panels.SHORT, index * 2, (short) half(number));
            case INT8 -> throw new UnsupportedOperationException("codes need scales");
        }
        return this != F16 || Float.isFinite(Float.float16ToFloat(Float.floatToFloat16(number)));
    }

    /** Multiplies a code of output j, or the chain over its codes, by the scale, if there is one. */
    float applyScale(float number, MemorySegment m, long panel, int j) {
        return isQuantised() ? number * (1 / INT8_UNIT) * m.get(Panels.FLOAT, panel + 4L * j) : number;
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
        return applyScale(code(m, panel + step(k), j), m, panel, j);
    }

    @Override
    public float output(MemorySegment m, long panel, int j, int depth, float[] x, int offset) {
        float sum = 0;
        for (int k = 0; k < depth; k++) {
            sum = Math.fma(x[offset + k], code(m, panel + step(k), j), sum);
        }
        return applyScale(sum, m, panel, j);
    }

    @Override
    public void steps(MemorySegment m, long panel, int depth, int from, int count, float[] target) {
        codes(m, panel + step(from), count, target, 0, Panels.WIDTH);
        for (int i = 0; isQuantised() && i < count * Panels.WIDTH; i++) {
            target[i] = applyScale(target[i], m, panel, i % Panels.WIDTH);
        }
    }

    @Override
    public void encode(float[] wide, int first, MemorySegment to, long at) {
        if (this == F32) {
            MemorySegment.copy(wide, 0, to, Panels.FLOAT, at, wide.length);
            return;
        }
        int[] words = this == INT8 ? int8(wide, first) : halves(wide, first);
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

    /**
     * Symmetric: a code is w / scale rounded to nearest, ties to even. The error of a weight is at most half a scale. The
     * inner loops run over neighbouring outputs, so that C2 vectorises them.
     */
    private static int[] int8(float[] wide, int first) {
        int[] words = new int[Panels.WIDTH + wide.length / 4];
        float[] divisors = largest(wide, first);
        for (int j = 0; j < Panels.WIDTH; j++) {
            float scale = divisors[j] / 127;
            words[j] = Float.floatToRawIntBits(scale);
            if (scale < Float.MIN_NORMAL) { // it was rounded, perhaps to 0: the largest may be more than 127 of it
                for (int i = j; i < wide.length; i += Panels.WIDTH) {
                    wide[i] = Math.clamp(wide[i], -127 * scale, 127 * scale);
                }
            }
            divisors[j] = scale == 0 ? 1 : scale;
        }
        for (int i = 0; i < wide.length; i += Panels.WIDTH) {
            for (int j = 0; j < Panels.WIDTH; j++) {
                wide[i + j] = wide[i + j] / divisors[j] + ROUND;
            }
            for (int w = 0; w < 16; w++) {
                words[Panels.WIDTH + i / 4 + w] = lowByte(wide[i + w])
                        | lowByte(wide[i + w + 16]) << 8
                        | lowByte(wide[i + w + 32]) << 16
                        | lowByte(wide[i + w + 48]) << 24;
            }
        }
        return words;
    }

    /** max |w| of each output; an error if one is not finite. */
    private static float[] largest(float[] wide, int first) {
        float[] largest = new float[Panels.WIDTH];
        for (int i = 0; i < wide.length; i += Panels.WIDTH) {
            for (int j = 0; j < Panels.WIDTH; j++) {
                largest[j] = Math.max(largest[j], Math.abs(wide[i + j])); // NaN as soon as one is
            }
        }
        for (int j = 0; j < Panels.WIDTH; j++) {
            if (!Float.isFinite(largest[j])) {
                float found = 0;
                for (int i = j; i < wide.length && Float.isFinite(found); i += Panels.WIDTH) {
                    found = wide[i];
                }
                throw new IllegalArgumentException(
                        "int8: expected finite weights, got " + found + " in row " + (first + j));
            }
        }
        return largest;
    }

    /** A rounded integer from -127 to 127 in two's complement. */
    private static int lowByte(float number) {
        return Float.floatToRawIntBits(number) & 0xff;
    }
}
