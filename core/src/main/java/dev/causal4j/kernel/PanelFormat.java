package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;

/**
 * The storage of a panel of 64 outputs; no other class knows a format's layout. Immutable.
 *
 * <p>A panel begins with the scales of its outputs, if the format has them: 64 f32 numbers. Then come the steps of k,
 * each with the codes of 64 outputs, so that the lanes of a vector are neighbouring outputs and a step is one read in
 * order. A weight is its code times its scale; an output is the chain over its codes, times its scale. Codes of int8 are
 * read as {@link #INT8_UNIT} times themselves, and chains divided by it: exact, and a mask instead of a shift.
 *
 * <p>A step of f32 is 64 floats. A step of bf16 or f16 is 32 words of 32 bits: word w holds output {@code w / 16 * 32 + w %
 * 16} in its low half and the output 16 further on in its high half, so that a shift and a mask widen a whole vector at
 * any width. A step of int8 is 16 words: word w holds outputs w, w + 16, w + 32 and w + 48, from its lowest byte up.
 */
public enum PanelFormat implements WeightFormat {
    /** IEEE binary32. */
    F32(4, false),
    /** The upper half of binary32. */
    BF16(2, false),
    /** IEEE binary16, finite. */
    F16(2, false),
    /** Integers from -127 to 127 with one scale an output, the largest magnitude / 127. */
    INT8(1, true);

    /** What codes of int8 are multiplied by. */
    static final float INT8_UNIT = 0x1p24f;

    /** The bits of a code of int8 in a word that is moved so that it comes first. */
    static final int INT8_BITS = 0xff000000;

    private final int stepBytes;
    private final boolean scaled;

    PanelFormat(int codeBytes, boolean scaled) {
        this.stepBytes = codeBytes * Panels.WIDTH;
        this.scaled = scaled;
    }

    @Override
    public long bytes(int depth) {
        return step(depth);
    }

    /** Bytes of a step of k. */
    int stepBytes() {
        return stepBytes;
    }

    /** Bytes of a row of n values in a page of keys and values. */
    public long rowBytes(int n) {
        return this == F32 ? 4L * n : Math.ceilDiv(n, 32) * 64L;
    }

    /** Whether outputs have scales. */
    boolean scaled() {
        return scaled;
    }

    /** Bytes from the start of a panel to step k. */
    long step(int k) {
        return (scaled ? 4L * Panels.WIDTH : 0) + (long) k * stepBytes;
    }

    /** Bytes from the start of a step to output j in 16 bits. */
    static long half(int j) {
        return (j / 32 * 16 + j % 16) * 4L + j / 16 % 2 * 2L;
    }

    /** The code of output j in the step at byte {@code step}. */
    float code(MemorySegment m, long step, int j) {
        return switch (this) {
            case F32 -> m.get(Panels.FLOAT, step + 4L * j);
            case BF16 -> Float.intBitsToFloat(m.get(Panels.SHORT, step + half(j)) << 16);
            case F16 -> Float.float16ToFloat(m.get(Panels.SHORT, step + half(j)));
            case INT8 -> m.get(Panels.INT, step + j % 16 * 4L) << (24 - j / 16 * 8) & INT8_BITS;
        };
    }

    /** Copies the codes of {@code count} steps from the one at byte {@code step} on, each {@code stride} floats further. */
    void codes(MemorySegment m, long step, int count, float[] target, int offset, int stride) {
        if (this == F32 && stride == Panels.WIDTH) {
            MemorySegment.copy(m, Panels.FLOAT, step, target, offset, count * Panels.WIDTH);
            return;
        }
        int[] words = new int[count * stepBytes / Integer.BYTES]; // one copy beats many short ones
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

    /** Multiplies a code of output j, or the chain over its codes, by the scale, if there is one. */
    float applyScale(float number, MemorySegment m, long panel, int j) {
        return scaled ? number * (1 / INT8_UNIT) * m.get(Panels.FLOAT, panel + 4L * j) : number;
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
            to.set(Panels.SHORT, step + half(j), (short) PanelEncoding.bf16(number));
        }
    }

    @Override
    public void row(MemorySegment m, long panel, int j, int depth, float[] target, int offset) {
        for (int k = 0; k < depth; k++) {
            target[offset + k] = applyScale(code(m, panel + step(k), j), m, panel, j);
        }
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
        for (int i = 0; scaled && i < count * Panels.WIDTH; i++) {
            target[i] = applyScale(target[i], m, panel, i % Panels.WIDTH);
        }
    }

    @Override
    public void encode(float[] wide, int first, MemorySegment to, long at) {
        if (this == F32) {
            MemorySegment.copy(wide, 0, to, Panels.FLOAT, at, wide.length);
            return;
        }
        int[] words = switch (this) {
            case INT8 -> PanelEncoding.int8(wide, first);
            case F16 -> PanelEncoding.f16(wide, first);
            default -> PanelEncoding.halves(wide, PanelEncoding::bf16);
        };
        MemorySegment.copy(words, 0, to, Panels.INT, at, words.length);
    }
}
