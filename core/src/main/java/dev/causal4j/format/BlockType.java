package dev.causal4j.format;

import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.causal4j.FormatException;
import dev.causal4j.kernel.GroupFormat;
import dev.causal4j.tensor.Blocks;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.List;

/**
 * How a GGUF file stores numbers. A quantised type has blocks of 32 or 256 elements, each an integer code; a group of
 * them shares a scale and perhaps a minimum: {@code weight = code * scale + minimum}. Every scale is exact in float, so
 * a weight is the real number rounded at most once. Stateless and thread-safe.
 */
@SuppressWarnings("ImmutableEnumChecker") // a record of integers is immutable
public enum BlockType implements Blocks {
    /** Numbers as they are: float. */
    F32(4),
    /** Half precision. */
    F16(2),
    /** The upper half of a float. */
    BF16(2),
    /** 8 bits, a scale. */
    Q8_0(32, 34, 32, 0, new Plane(2, 8, 5)),
    /** 4 bits around 8, a scale. */
    Q4_0(32, 18, 32, 8, new Plane(2, 4, 4)),
    /** 4 bits, scale and minimum. */
    Q4_1(32, 20, 32, 0, new Plane(4, 4, 4)),
    /** 5 bits around 16, a scale. */
    Q5_0(32, 22, 32, 16, new Plane(6, 4, 4), new Plane(2, 1, 0)),
    /** 5 bits, scale and minimum. */
    Q5_1(32, 24, 32, 0, new Plane(8, 4, 4), new Plane(4, 1, 0)),
    /** 4 bits; scales and minimums of 6 bits. */
    Q4_K(256, 144, 32, 0, new Plane(16, 4, 5)),
    /** 5 bits; scales and minimums of 6 bits. */
    Q5_K(256, 176, 32, 0, new Plane(48, 4, 5), new Plane(16, 1, 5)),
    /** 6 bits around 32; scales of 8 bits. */
    Q6_K(256, 210, 16, 32, new Plane(0, 4, 6), new Plane(128, 2, 5)),
    /** 4 bits that choose from 16 uneven values, a scale. */
    IQ4_NL(32, 18, 32, 0, new Plane(2, 4, 4)),
    /** The same; scales of 6 bits. */
    IQ4_XS(256, 136, 32, 0, new Plane(8, 4, 4)),
    /** Floats of 4 bits, doubled to be integers; a power of two as scale. */
    MXFP4(32, 17, 32, 0, new Plane(1, 4, 4)),
    /** 2 bits; scales and minimums of 4 bits. */
    Q2_K(256, 84, 16, 0, new Plane(16, 2, 5)),
    /** 3 bits around 4; scales of 6 bits. */
    Q3_K(256, 110, 16, 4, new Plane(32, 2, 5), new Plane(0, 1, 5));

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(LITTLE_ENDIAN);
    private static final VarHandle EIGHT = MethodHandles.byteArrayViewVarHandle(long[].class, LITTLE_ENDIAN);

    /** A one in each of eight bytes. */
    private static final long ONES = 0x0101010101010101L;

    private static final long SIGNS = ONES << 7;

    private static final byte[] NO_TABLE = {};
    private static final byte[] IQ4 = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    private static final byte[] MX4 = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

    /** The format's types in the order of their numbers, from 0. */
    private static final List<String> NAMES = List.of(
            ("F32 F16 Q4_0 Q4_1 Q4_2 Q4_3 Q5_0 Q5_1 Q8_0 Q8_1 Q2_K Q3_K Q4_K Q5_K Q6_K Q8_K IQ2_XXS IQ2_XS IQ3_XXS"
                            + " IQ1_S IQ4_NL IQ3_S IQ2_S IQ4_XS I8 I16 I32 I64 F64 IQ1_M BF16 Q4_0_4_4 Q4_0_4_8"
                            + " Q4_0_8_8 TQ1_0 TQ2_0 IQ4_NL_4_4 IQ4_NL_4_8 IQ4_NL_8_8 MXFP4 NVFP4")
                    .split(" "));

    private final int elements;
    private final int bytes;
    private final int group;
    private final int zero;
    private final Plane low;
    private final Plane high;

    /**
     * @param zero subtracted from what is stored to give the code
     * @param low the lower bits of the codes
     * @param high the other bits, if they are apart
     */
    BlockType(int elements, int bytes, int group, int zero, Plane low, Plane high) {
        this.elements = elements;
        this.bytes = bytes;
        this.group = group;
        this.zero = zero;
        this.low = low;
        this.high = high;
    }

    BlockType(int elements, int bytes, int group, int zero, Plane low) {
        this(elements, bytes, group, zero, low, Plane.NONE);
    }

    /** Floats. */
    BlockType(int bytes) {
        this(1, bytes, 1, 0, Plane.NONE);
    }

    /**
     * Some bits of every code. The bytes of a run of {@code 2^span} elements also hold the next runs, in higher bits.
     *
     * @param at the first byte in the block
     * @param bits 1, 2, 4 or 8; 0 for nothing
     * @param span the logarithm of a run's length; 0, one element a run, only for single bits
     */
    private record Plane(int at, int bits, int span) {
        static final Plane NONE = new Plane(0, 0, 0);

        /** The bits of elements {@code i} to {@code i + 7}, a byte each. */
        long eight(MemorySegment data, long block, int i) {
            if (bits == 0) {
                return 0;
            }
            int runs = 3 - Integer.numberOfTrailingZeros(bits);
            long from = block + at + ((i >> (span + runs)) << span) + (i & ((1 << span) - 1));
            if (span == 0) {
                return Long.expand(data.get(ValueLayout.JAVA_BYTE, from), ONES);
            }
            int run = (i >> span) & ((1 << runs) - 1);
            return (data.get(LONG, from) >>> (bits * run)) & (ONES * ((1 << bits) - 1));
        }
    }

    /**
     * The type of a number in a file.
     *
     * @throws FormatException naming the type if there is none or it is not supported
     */
    static BlockType of(String place, int id) throws FormatException {
        String name = id >= 0 && id < NAMES.size() ? NAMES.get(id) : Integer.toUnsignedString(id);
        return Arrays.stream(values())
                .filter(each -> each.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new FormatException(
                        place,
                        "a type of " + Arrays.toString(values()),
                        "type " + name,
                        "take this model in another quantisation"));
    }

    /** Elements of a block, which is the smallest part that can be decoded; 1 for floats. */
    @Override
    public int elements() {
        return elements;
    }

    /** Bytes of a block. */
    @Override
    public int bytes() {
        return bytes;
    }

    /** Whether elements are floats of some size, with nothing to {@link #decode}. */
    public boolean isFloat() {
        return elements == 1;
    }

    /** Successive elements that share a scale: 32 or 16. */
    public int group() {
        return group;
    }

    /** Whether weights have a minimum besides the scale. */
    public boolean hasMinimum() {
        return switch (this) {
            case Q4_1, Q5_1, Q2_K, Q4_K, Q5_K -> true;
            default -> false;
        };
    }

    /** Bits that hold a code: 4 if there are at most 16 of them, in a row; else 8. */
    public int codeBits() {
        return switch (this) {
            case Q4_0, Q4_1, Q4_K, Q2_K, Q3_K -> 4;
            default -> 8;
        };
    }

    @Override
    public GroupFormat panels() {
        boolean half = switch (this) {
            case Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, IQ4_NL -> true;
            default -> false;
        };
        boolean signed = zero != 0 || codeBits() == 8;
        return new GroupFormat(codeBits(), signed, group, hasMinimum(), !half);
    }

    private byte[] table() {
        return switch (this) {
            case IQ4_NL, IQ4_XS -> IQ4;
            case MXFP4 -> MX4;
            default -> NO_TABLE;
        };
    }

    /**
     * Decodes whole blocks. Element i is exactly {@code Math.fma(codes[i], scales[i / group], minimums[i / group])}, or
     * without minimum {@code codes[i] * scales[i / group]}.
     *
     * @param offset of the first block in {@code data}, in bytes
     * @param count of elements, a multiple of {@link #elements}
     * @param codes receives {@code count} codes
     * @param scales receives one for each {@link #group}
     * @param minimums the same, to be added; unused by types that have none
     * @throws IllegalArgumentException if this is a type of floats, or a block would be cut
     */
    @Override
    public void decode(MemorySegment data, long offset, int count, byte[] codes, float[] scales, float[] minimums) {
        if (isFloat() || count % elements != 0) {
            throw new IllegalArgumentException(this + ": expected whole blocks of codes, got " + count + " elements");
        }
        for (int done = 0; done < count; done += elements) {
            long block = offset + (long) (done / elements) * bytes;
            codes(data, block, codes, done);
            scales(data, block, scales, minimums, done / group);
        }
        byte[] table = table();
        for (int i = 0; table.length > 0 && i < count; i++) {
            codes[i] = table[codes[i]];
        }
    }

    private void codes(MemorySegment data, long block, byte[] codes, int to) {
        for (int i = 0; i < elements; i += Long.BYTES) {
            long eight = low.eight(data, block, i) | high.eight(data, block, i) << low.bits;
            // The sign bit takes the borrow of its byte.
            EIGHT.set(codes, to + i, zero == 0 ? eight : ((eight | SIGNS) - ONES * zero) ^ SIGNS);
        }
    }

    private void scales(MemorySegment data, long block, float[] scales, float[] minimums, int to) {
        int groups = elements / group;
        switch (this) {
            case Q4_1, Q5_1 -> {
                scales[to] = half(data, block);
                minimums[to] = half(data, block + 2);
            }
            case MXFP4 -> {
                int e = unsigned(data, block);
                scales[to] = Float.intBitsToFloat(e < 2 ? 0x0020_0000 << e : (e - 1) << 23);
            }
            case Q2_K -> {
                float scale = half(data, block + 80);
                float minimum = half(data, block + 82);
                for (int g = 0; g < groups; g++) {
                    int both = unsigned(data, block + g);
                    scales[to + g] = scale * (both & 15);
                    minimums[to + g] = -(minimum * (both >> 4));
                }
            }
            case Q4_K, Q5_K -> {
                float scale = half(data, block);
                float minimum = half(data, block + 2);
                for (int g = 0; g < groups; g++) {
                    int both = sixBits(data, block + 4, g);
                    scales[to + g] = scale * (both & 63);
                    minimums[to + g] = -(minimum * (both >> 6));
                }
            }
            case Q3_K -> {
                float scale = half(data, block + 108);
                for (int g = 0; g < groups; g++) {
                    int low = unsigned(data, block + 96 + g % 8) >> (g / 8 * 4);
                    int high = unsigned(data, block + 104 + g % 4) >> (g / 4 * 2);
                    scales[to + g] = scale * ((low & 15) + 16 * (high & 3) - 32);
                }
            }
            case IQ4_XS -> {
                float scale = half(data, block);
                for (int g = 0; g < groups; g++) {
                    int low = unsigned(data, block + 4 + g / 2) >> (g % 2 * 4);
                    int high = data.get(SHORT, block + 2) >> (g * 2);
                    scales[to + g] = scale * ((low & 15) + 16 * (high & 3) - 32);
                }
            }
            case Q6_K -> {
                float scale = half(data, block + 208);
                for (int g = 0; g < groups; g++) {
                    scales[to + g] = scale * data.get(ValueLayout.JAVA_BYTE, block + 192 + g);
                }
            }
            default -> scales[to] = half(data, block);
        }
    }

    /** Scale g of eight in the lower 6 bits, minimum g in the upper 6. */
    private static int sixBits(MemorySegment data, long at, int g) {
        int a = unsigned(data, at + g % 4);
        int b = unsigned(data, at + g % 4 + 4);
        if (g < 4) {
            return (a & 63) + 64 * (b & 63);
        }
        int low = unsigned(data, at + g % 4 + 8);
        return (low & 15) + 16 * (a >> 6) + 64 * ((low >> 4) + 16 * (b >> 6));
    }

    private static int unsigned(MemorySegment data, long at) {
        return Byte.toUnsignedInt(data.get(ValueLayout.JAVA_BYTE, at));
    }

    private static float half(MemorySegment data, long at) {
        return Float.float16ToFloat(data.get(SHORT, at));
    }

    /**
     * The floats of whole blocks.
     *
     * @param offset of the first block in {@code data}, in bytes
     * @param count of elements, a multiple of {@link #elements}
     * @param at the first index of {@code target}
     * @throws IllegalArgumentException if a block would be cut
     */
    @Override
    public void widen(MemorySegment data, long offset, int count, float[] target, int at) {
        switch (this) {
            case F32 -> MemorySegment.copy(data, FLOAT, offset, target, at, count);
            case F16 -> {
                for (int i = 0; i < count; i++) {
                    target[at + i] = half(data, offset + i * 2L);
                }
            }
            case BF16 -> {
                for (int i = 0; i < count; i++) {
                    target[at + i] = Float.intBitsToFloat(data.get(SHORT, offset + i * 2L) << 16);
                }
            }
            default -> {
                byte[] codes = new byte[count];
                float[] scales = new float[count / group];
                float[] minimums = new float[count / group];
                decode(data, offset, count, codes, scales, minimums);
                for (int i = 0; i < count; i++) {
                    int g = i / group;
                    target[at + i] = hasMinimum() ? Math.fma(codes[i], scales[g], minimums[g]) : codes[i] * scales[g];
                }
            }
        }
    }
}
