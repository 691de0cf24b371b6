package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;

/**
 * The storage of a panel of 64 outputs; no other class knows a format's layout. Immutable.
 *
 * <p>A panel begins with the scales of its outputs, if the format has them: 64 f32 numbers. Then come the steps of k,
 * each with the codes of 64 outputs, so that the lanes of a vector are neighbouring outputs and a step is one read in
 * order. A weight is its code times its scale; an output is the chain over its codes, times its scale.
 *
 * <p>A step of f32 is 64 floats. A step of bf16 or f16 is 32 words of 32 bits: word w holds output {@code w / 16 * 32 + w %
 * 16} in its low half and the output 16 further on in its high half, so that a shift and a mask widen a whole vector at
 * any width. A step of int8 is 16 words: word w holds outputs w, w + 16, w + 32 and w + 48, from its lowest byte up.
 */
public enum PanelFormat implements WeightFormat {
    /** IEEE binary32. */
    F32(4, false) {
        @Override
        float code(MemorySegment m, long step, int j) {
            return m.get(Panels.FLOAT, step + 4L * j);
        }

        @Override
        void codes(MemorySegment m, long step, int count, float[] target, int offset, int stride) {
            boolean dense = stride == Panels.WIDTH;
            float[] codes = dense ? target : new float[count * Panels.WIDTH]; // one copy beats many short ones
            MemorySegment.copy(m, Panels.FLOAT, step, codes, dense ? offset : 0, count * Panels.WIDTH);
            for (int k = 0; k < count && !dense; k++) {
                System.arraycopy(codes, k * Panels.WIDTH, target, offset + k * stride, Panels.WIDTH);
            }
        }

        @Override
        public void encode(float[] wide, int first, MemorySegment to, long at) {
            MemorySegment.copy(wide, 0, to, Panels.FLOAT, at, wide.length);
        }
    },
    /** The upper half of binary32. */
    BF16(2, false) {
        @Override
        float code(MemorySegment m, long step, int j) {
            int word = m.get(Panels.INT, step + (j / 32 * 16 + j % 16) * 4L);
            return Float.intBitsToFloat(j / 16 % 2 == 0 ? word << 16 : word & 0xffff0000);
        }

        @Override
        void codes(MemorySegment m, long step, int count, float[] target, int offset, int stride) {
            int[] words = words(m, step, count);
            for (int i = 0; i < words.length; i += 16) {
                int at = offset + i / 32 * stride + i % 32 * 2;
                for (int w = 0; w < 16; w++) {
                    target[at + w] = Float.intBitsToFloat(words[i + w] << 16);
                    target[at + w + 16] = Float.intBitsToFloat(words[i + w] & 0xffff0000);
                }
            }
        }

        @Override
        public void encode(float[] wide, int first, MemorySegment to, long at) {
            int[] words = PanelEncoding.bf16Words(wide);
            MemorySegment.copy(words, 0, to, Panels.INT, at, words.length);
        }
    },
    /** IEEE binary16, finite. */
    F16(2, false) {
        @Override
        float code(MemorySegment m, long step, int j) {
            int word = m.get(Panels.INT, step + (j / 32 * 16 + j % 16) * 4L);
            return Float.float16ToFloat((short) (j / 16 % 2 == 0 ? word : word >> 16));
        }

        @Override
        void codes(MemorySegment m, long step, int count, float[] target, int offset, int stride) {
            int[] words = words(m, step, count);
            for (int i = 0; i < words.length; i += 16) {
                int at = offset + i / 32 * stride + i % 32 * 2;
                for (int w = 0; w < 16; w++) {
                    target[at + w] = Float.float16ToFloat((short) words[i + w]);
                    target[at + w + 16] = Float.float16ToFloat((short) (words[i + w] >> 16));
                }
            }
        }

        @Override
        public void encode(float[] wide, int first, MemorySegment to, long at) {
            int[] words = PanelEncoding.f16Words(wide, first);
            MemorySegment.copy(words, 0, to, Panels.INT, at, words.length);
        }
    },
    /** Integers from -127 to 127 with one scale an output, the largest magnitude / 127. */
    INT8(1, true) {
        @Override
        float code(MemorySegment m, long step, int j) {
            return m.get(Panels.INT, step + j % 16 * 4L) << (24 - j / 16 * 8) >> 24;
        }

        @Override
        void codes(MemorySegment m, long step, int count, float[] target, int offset, int stride) {
            int[] words = words(m, step, count);
            for (int i = 0; i < words.length; i += 16) {
                int at = offset + i / 16 * stride;
                for (int w = 0; w < 16; w++) {
                    target[at + w] = words[i + w] << 24 >> 24;
                    target[at + w + 16] = words[i + w] << 16 >> 24;
                    target[at + w + 32] = words[i + w] << 8 >> 24;
                    target[at + w + 48] = words[i + w] >> 24;
                }
            }
        }

        @Override
        public void encode(float[] wide, int first, MemorySegment to, long at) {
            int[] words = PanelEncoding.int8Words(wide, first);
            MemorySegment.copy(words, 0, to, Panels.INT, at, words.length);
        }
    };

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

    /** The code of output j in the step at byte {@code step}. */
    abstract float code(MemorySegment m, long step, int j);

    /** Copies the codes of {@code count} steps from the one at byte {@code step} on, each {@code stride} floats further. */
    abstract void codes(MemorySegment m, long step, int count, float[] target, int offset, int stride);

    /** The words of some steps. */
    int[] words(MemorySegment m, long step, int count) {
        int[] words = new int[count * stepBytes / Integer.BYTES];
        MemorySegment.copy(m, Panels.INT, step, words, 0, words.length);
        return words;
    }

    /** The scale of output j of the panel at byte {@code panel}. */
    float scale(MemorySegment m, long panel, int j) {
        return scaled ? m.get(Panels.FLOAT, panel + 4L * j) : 1;
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
            to.set(Panels.SHORT, step + (j / 32 * 16 + j % 16) * 4L + j / 16 % 2 * 2L, (short)
                    PanelEncoding.bf16(number));
        }
    }

    @Override
    public void row(MemorySegment m, long panel, int j, int depth, float[] target, int offset) {
        float scale = scale(m, panel, j);
        for (int k = 0; k < depth; k++) {
            target[offset + k] = code(m, panel + step(k), j) * scale;
        }
    }

    @Override
    public float output(MemorySegment m, long panel, int j, int depth, float[] x, int offset) {
        float sum = 0;
        for (int k = 0; k < depth; k++) {
            sum = Math.fma(x[offset + k], code(m, panel + step(k), j), sum);
        }
        return scaled ? sum * scale(m, panel, j) : sum;
    }

    @Override
    public void steps(MemorySegment m, long panel, int from, int count, float[] target) {
        codes(m, panel + step(from), count, target, 0, Panels.WIDTH);
        for (int i = 0; scaled && i < count * Panels.WIDTH; i++) {
            target[i] *= scale(m, panel, i % Panels.WIDTH);
        }
    }
}
