package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;

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
 * +0: c is the chain of the group's inputs and stored codes, X the sum of its inputs in order. The 8 that stored codes are
 * greater by is taken off like a minimum of -8 scale. See {@link #add}.
 *
 * @param bits of a code: 4 or 8
 * @param signed whether codes of 4 bits are -8 to 7, stored with 8 added, not 0 to 15; those of 8 bits are -128 to 127
 * @param group inputs of a group
 * @param wide whether scales and minimums are f32, not f16
 */
public record GroupFormat(int bits, boolean signed, int group, boolean minimum, boolean wide) implements WeightFormat {
    /** The format of weights quantised here: 4 bits, scales and minimums in f16. */
    public static final GroupFormat INT4 = new GroupFormat(4, false, 32, true, false);

    private static final int WIDTH = Panels.WIDTH;

    private static final VarHandle EIGHT = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    public GroupFormat {
        if (bits == 4 && signed && minimum) {
            throw new IllegalArgumentException("codes around 8: expected no minimums, got some");
        }
    }

    /** All formats of weights in files, and the formats that hold several of them. */
    static Stream<GroupFormat> all() {
        List<Boolean> both = List.of(false, true);
        return Stream.of(16, 32)
                .flatMap(group -> both.stream()
                        .flatMap(minimum -> both.stream()
                                .flatMap(wide -> Stream.of(
                                        new GroupFormat(8, true, group, minimum, wide),
                                        new GroupFormat(4, !minimum, group, minimum, wide)))));
    }

    @Override
    public String label() {
        return "int" + bits;
    }

    @Override
    public boolean isQuantised() {
        return true;
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

    @Override
    public long bytes(int depth) {
        return numbersAt(depth, groups(depth));
    }

    /** The number that stored codes are greater by. */
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

    /** The factor of stored codes of output j in products: a power of two, since masks are cheaper than shifts. */
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

    @Override
    public float weight(MemorySegment m, long panel, int depth, int k, int j) {
        long at = panel + numbersAt(depth, k / group);
        float code = stored(m, panel, k, j) * (1 / unit(j)) - zero();
        float scaled = code * numbers().code(m, at, j); // exact
        return minimum ? scaled + numbers().code(m, at + scaleBytes(), j) : scaled;
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
     * Quantises numbers to codes with minimums.
     *
     * @throws IllegalStateException if the format has none: its codes come from files
     */
    @Override
    public void encode(float[] wide, int first, MemorySegment to, long at) {
        if (!minimum || signed) {
            throw new IllegalStateException("quantising: expected codes from 0 with minimums, got " + this);
        }
        float[] numbers = new float[wide.length / WIDTH];
        new Packer(this, numbers.length).pack(first, first + WIDTH, to, at, (row, codes, scales, minimums) -> {
            for (int k = 0; k < numbers.length; k++) {
                numbers[k] = wide[k * WIDTH + row - first];
            }
            GroupEncoding.quantise(this, numbers, row, codes, scales, minimums);
        });
    }

    /** Stores a panel of random weights, for comparisons of bits. */
    void encodeRandom(RandomGenerator random, int depth, MemorySegment to, long at) {
        new Packer(this, depth).pack(0, WIDTH, to, at, (_, codes, scales, minimums) -> {
            random.nextBytes(codes);
            for (int k = 0; k < codes.length; k++) {
                codes[k] = (byte) ((codes[k] & ((1 << bits) - 1)) - (signed ? 1 << (bits - 1) : 0));
            }
            for (int g = 0; g < scales.length; g++) {
                scales[g] = GroupEncoding.half(random.nextGaussian());
                minimums[g] = GroupEncoding.half(random.nextGaussian());
            }
        });
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

    /** The source of a panel's codes. */
    @FunctionalInterface
    public interface Codes {
        /** Fills the codes of a row, one for each input, and its scales and minimums, one for each group. */
        void row(int row, byte[] codes, float[] scales, float[] minimums);
    }

    /** Packs codes, scales and minimums of rows to panels, in reused memory. Not thread-safe. */
    public static final class Packer {
        private final GroupFormat format;
        private final int depth;
        private final byte[] codes; // [64, depth]
        private final byte[] row;
        private final float[] scales; // of a row, exact in the format
        private final float[] minimums;
        private final int[] words;

        public Packer(GroupFormat format, int depth) {
            this.format = format;
            this.depth = depth;
            this.codes = new byte[WIDTH * depth];
            this.row = new byte[depth];
            this.scales = new float[format.groups(depth)];
            this.minimums = new float[scales.length];
            this.words = new int[Math.toIntExact(format.bytes(depth) / Integer.BYTES)];
        }

        /**
         * Stores the panel of rows {@code from} to {@code to - 1}, and zeros for the others.
         *
         * @throws IllegalArgumentException if a scale or minimum is not finite, where kernels differ
         */
        public void pack(int from, int to, MemorySegment panels, long at, Codes source) {
            Arrays.fill(words, 0);
            Arrays.fill(codes, (to - from) * depth, codes.length, (byte) 0);
            for (int n = from; n < to; n++) {
                source.row(n, row, scales, minimums);
                System.arraycopy(row, 0, codes, (n - from) * depth, depth);
                putNumbers(n, n - from);
            }
            putCodes();
            MemorySegment.copy(words, 0, panels, Panels.INT, at, words.length);
        }

        private void putNumbers(int n, int j) {
            for (int g = 0; g < scales.length; g++) {
                if (!Float.isFinite(scales[g]) || !Float.isFinite(minimums[g])) {
                    throw new IllegalArgumentException(format.label() + ": expected finite scales and minimums, got "
                            + scales[g] + " and " + minimums[g] + " in row " + n);
                }
                int at = (int) (format.numbersAt(depth, g) / 4);
                put(scales[g], at, j);
                if (format.minimum) {
                    put(minimums[g], at + format.scaleBytes() / 4, j);
                }
            }
        }

        private void put(float number, int at, int j) {
            if (format.wide) {
                words[at + j] = Float.floatToRawIntBits(number);
            } else {
                words[at + j / 32 * 16 + j % 16] |= (Float.floatToFloat16(number) & 0xffff) << (j / 16 % 2 * 16);
            }
        }

        private void putCodes() {
            int apart = 16 * depth; // from an output of a word to the next
            for (int w = 0; w < 16; w++) {
                for (int k = 0; format.bits == 8 && k < depth; k++) {
                    int at = w * depth + k;
                    words[16 * k + w] = (codes[at] & 0xff)
                            | ((codes[at + apart] & 0xff) << 8)
                            | ((codes[at + 2 * apart] & 0xff) << 16)
                            | (codes[at + 3 * apart] << 24);
                }
                for (int k = 0; format.bits == 4 && k < depth; k += Long.BYTES) {
                    int at = w * depth + k;
                    long low = eight(at) | (eight(at + apart) << 4); // bytes of two outputs
                    long high = eight(at + 2 * apart) | (eight(at + 3 * apart) << 4);
                    for (int to = 8 * k + w; to < 8 * k + 64; to += 32, low >>>= 32, high >>>= 32) {
                        long two = Long.expand(low, 0x00ff00ff00ff00ffL) | Long.expand(high, 0xff00ff00ff00ff00L);
                        words[to] = (int) two;
                        words[to + 16] = (int) (two >>> 32);
                    }
                }
            }
        }

        /** The codes of 4 bits of eight steps as they are stored, a byte each. */
        private long eight(int at) {
            return ((long) EIGHT.get(codes, at) ^ (0x0101010101010101L * format.zero())) & 0x0f0f0f0f0f0f0f0fL;
        }
    }
}
