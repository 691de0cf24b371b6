package dev.causal4j.format;

import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.causal4j.FormatException;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Groups;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * How a GGUF file stores numbers. A quantised type has blocks of 32 or 256 elements, each an integer code; a group of
 * them shares a scale and perhaps a minimum: {@code weight = code * scale + minimum}. Every scale is exact in float, so
 * a weight is the real number rounded at most once. Stateless and thread-safe.
 */
@SuppressWarnings("ImmutableEnumChecker") // a record of integers is immutable
public enum BlockType {
    /** Floats as they are, which a {@link dev.causal4j.tensor.DType} describes. */
    F32(new Layout(1, 4, 1, 0, 0, Plane.NONE, Plane.NONE)),
    /** Half precision. */
    F16(new Layout(1, 2, 1, 0, 0, Plane.NONE, Plane.NONE)),
    /** The upper half of a float. */
    BF16(new Layout(1, 2, 1, 0, 0, Plane.NONE, Plane.NONE)),
    /** 8 bits, a scale. */
    Q8_0(new Layout(32, 34, 32, 0, 0, new Plane(2, 8, 5), Plane.NONE)),
    /** 4 bits around 8, a scale. */
    Q4_0(new Layout(32, 18, 32, 0, 8, new Plane(2, 4, 4), Plane.NONE)),
    /** 4 bits, scale and minimum. */
    Q4_1(new Layout(32, 20, 32, 0, 0, new Plane(4, 4, 4), Plane.NONE)),
    /** 5 bits around 16, a scale. */
    Q5_0(new Layout(32, 22, 32, 0, 16, new Plane(6, 4, 4), new Plane(2, 1, 0))),
    /** 5 bits, scale and minimum. */
    Q5_1(new Layout(32, 24, 32, 0, 0, new Plane(8, 4, 4), new Plane(4, 1, 0))),
    /** 4 bits; scales and minimums of 6 bits. */
    Q4_K(new Layout(256, 144, 32, 0, 0, new Plane(16, 4, 5), Plane.NONE)),
    /** 5 bits; scales and minimums of 6 bits. */
    Q5_K(new Layout(256, 176, 32, 0, 0, new Plane(48, 4, 5), new Plane(16, 1, 5))),
    /** 6 bits around 32; scales of 8 bits. */
    Q6_K(new Layout(256, 210, 16, 208, 32, new Plane(0, 4, 6), new Plane(128, 2, 5))),
    /** 4 bits that choose from 16 uneven values, a scale. */
    IQ4_NL(new Layout(32, 18, 32, 0, 0, new Plane(2, 4, 4), Plane.NONE)),
    /** 4 bits that choose from 16 uneven values; scales of 6 bits. */
    IQ4_XS(new Layout(256, 136, 32, 0, 0, new Plane(8, 4, 4), Plane.NONE)),
    /** Floats of 4 bits, doubled to be integers; a power of two as scale. */
    MXFP4(new Layout(32, 17, 32, 0, 0, new Plane(1, 4, 4), Plane.NONE)),
    /** 2 bits; scales and minimums of 4 bits. */
    Q2_K(new Layout(256, 84, 16, 80, 0, new Plane(16, 2, 5), Plane.NONE)),
    /** 3 bits around 4; scales of 6 bits. */
    Q3_K(new Layout(256, 110, 16, 108, 4, new Plane(32, 2, 5), new Plane(0, 1, 5)));

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LITTLE_ENDIAN);
    private static final VarHandle EIGHT = MethodHandles.byteArrayViewVarHandle(long[].class, LITTLE_ENDIAN);

    /** A one in each of eight bytes. */
    private static final long ONES = 0x0101010101010101L;

    private static final long SIGNS = ONES << 7;

    private static final byte[] NO_TABLE = {};
    private static final byte[] IQ4 = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    private static final byte[] MX4 = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

    /** The format's types in the order of their numbers, from 0. */
    private static final List<String> NAMES = List.of("""
            F32 F16 Q4_0 Q4_1 Q4_2 Q4_3 Q5_0 Q5_1 Q8_0 Q8_1 Q2_K Q3_K Q4_K Q5_K Q6_K Q8_K IQ2_XXS IQ2_XS IQ3_XXS IQ1_S \
            IQ4_NL IQ3_S IQ2_S IQ4_XS I8 I16 I32 I64 F64 IQ1_M BF16 Q4_0_4_4 Q4_0_4_8 Q4_0_8_8 TQ1_0 TQ2_0 IQ4_NL_4_4 \
            IQ4_NL_4_8 IQ4_NL_8_8 MXFP4 NVFP4""".split(" "));

    private final Layout layout;

    BlockType(Layout layout) {
        this.layout = layout;
    }

    /**
     * A block.
     *
     * @param scaleAt the byte of the block's scale; the minimum follows it
     * @param zero subtracted from a stored code
     * @param low the lower bits of the codes
     * @param high the other bits, if they are stored separately
     */
    private record Layout(int elements, int bytes, int group, int scaleAt, int zero, Plane low, Plane high) {}

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
        String expected = "a type of " + Arrays.toString(values());
        return of(name).orElseThrow(() ->
                new FormatException(place, expected, "type " + name, "take this model in another quantisation"));
    }

    /** The type of a name; empty if there is none or it is not supported. */
    public static Optional<BlockType> of(String name) {
        return Arrays.stream(values()).filter(each -> each.name().equals(name)).findFirst();
    }

    /** The number of the type in a file. */
    public int id() {
        return NAMES.indexOf(name());
    }

    /** Numbers of a block; rows are whole blocks. */
    public int elements() {
        return layout.elements;
    }

    /** Bytes of a block. */
    public int bytes() {
        return layout.bytes;
    }

    private boolean hasMinimum() {
        return this == Q4_1 || this == Q5_1 || this == Q2_K || this == Q4_K || this == Q5_K;
    }

    /** The codes that stored ones choose from; none if they are codes themselves. */
    private byte[] table() {
        return this == MXFP4 ? MX4 : this == IQ4_NL || this == IQ4_XS ? IQ4 : NO_TABLE;
    }

    /** How a matrix holds the same codes, scales and minimums without loss. */
    public Groups groups() {
        boolean eight = table().length > 0 || layout.low.bits + layout.high.bits > 4;
        boolean signed = eight || layout.zero != 0;
        boolean wide = this == MXFP4; // its scales are not f16
        return new Groups(eight ? 8 : 4, signed, layout.group, hasMinimum(), wide, layout.elements > 32);
    }

    /**
     * Decodes whole blocks. Element i is exactly {@code Math.fma(codes[i], scales[i / group], minimums[i / group])}, or
     * without minimum {@code codes[i] * scales[i / group]}. Where scales have two levels and {@code scales} has room
     * for both, a scale is {@code scales[i / group] * scales[upper + i / 256]}, and a minimum is minus such a product.
     *
     * @param offset bytes to the first block
     * @param count of elements
     * @param minimums not written if the blocks have none
     * @param upper index at which the upper of two levels is written; if it is past the end of the array, the products
     *     of both are written instead
     * @throws IllegalArgumentException if a block would be cut
     */
    public void decode(
            MemorySegment data, long offset, int count, byte[] codes, float[] scales, float[] minimums, int upper) {
        int elements = layout.elements;
        if (count % elements != 0) {
            throw new IllegalArgumentException(this + ": expected whole blocks of codes, got " + count + " elements");
        }
        long zeros = ONES * layout.zero;
        for (int done = 0; done < count; done += elements) {
            long block = offset + (long) (done / elements) * layout.bytes;
            for (int i = 0; i < elements; i += Long.BYTES) {
                long eight = layout.low.eight(data, block, i);
                eight |= layout.high.eight(data, block, i) << layout.low.bits;
                // The sign bit takes the borrow of its byte.
                EIGHT.set(codes, done + i, zeros == 0 ? eight : ((eight | SIGNS) - zeros) ^ SIGNS);
            }
            scales(data, block, scales, minimums, done / layout.group, upper + done / elements);
        }
        byte[] table = table();
        for (int i = 0; i < count && table.length > 0; i++) {
            codes[i] = table[codes[i]];
        }
    }

    private void scales(MemorySegment data, long block, float[] scales, float[] minimums, int to, int upper) {
        int e = unsigned(data, block);
        float power = Float.intBitsToFloat(e < 2 ? 0x0020_0000 << e : (e - 1) << 23);
        float scale = this == MXFP4 ? power : half(data, block + layout.scaleAt);
        float minimum = hasMinimum() ? half(data, block + layout.scaleAt + 2) : 0;
        boolean apart = upper < scales.length;
        if (apart) {
            scales[upper] = scale;
            minimums[upper] = minimum;
        }
        for (int g = 0; g < layout.elements / layout.group; g++) {
            int factors = factors(data, block, g);
            scales[to + g] = (apart ? 1 : scale) * (short) factors;
            if (hasMinimum()) {
                minimums[to + g] = (apart ? 1 : -minimum) * (factors >> 16); // its sign counts where it is zero
            }
        }
    }

    /** The factors of group g: the scale's in the lower 16 bits, the minimum's in the upper. */
    private int factors(MemorySegment data, long block, int g) {
        return switch (this) {
            case Q4_1, Q5_1 -> pair(1, -1);
            case Q2_K -> pair(unsigned(data, block + g) & 15, unsigned(data, block + g) >> 4);
            case Q4_K, Q5_K -> {
                int a = unsigned(data, block + 4 + g % 4);
                int b = unsigned(data, block + 8 + g % 4);
                int low = unsigned(data, block + 12 + g % 4);
                yield g < 4 ? pair(a & 63, b & 63) : pair((low & 15) + 16 * (a >> 6), (low >> 4) + 16 * (b >> 6));
            }
            case Q6_K -> data.get(ValueLayout.JAVA_BYTE, block + 192 + g);
            case Q3_K -> {
                int low = unsigned(data, block + 96 + g % 8) >> (g / 8 * 4);
                int high = unsigned(data, block + 104 + g % 4) >> (g / 4 * 2);
                yield (low & 15) + 16 * (high & 3) - 32;
            }
            case IQ4_XS -> {
                int low = unsigned(data, block + 4 + g / 2) >> (g % 2 * 4);
                int high = data.get(SHORT, block + 2) >> (g * 2);
                yield (low & 15) + 16 * (high & 3) - 32;
            }
            default -> 1;
        };
    }

    private static int pair(int scale, int minimum) {
        return minimum << 16 | scale;
    }

    private static int unsigned(MemorySegment data, long at) {
        return Byte.toUnsignedInt(data.get(ValueLayout.JAVA_BYTE, at));
    }

    private static float half(MemorySegment data, long at) {
        return Float.float16ToFloat(data.get(SHORT, at));
    }

    /** Widens whole blocks, from byte {@code offset} on, to {@code count} numbers. */
    public void widen(MemorySegment data, long offset, int count, float[] target, int at) {
        int group = layout.group;
        byte[] codes = new byte[count];
        float[] scales = new float[count / group];
        float[] minimums = new float[count / group];
        decode(data, offset, count, codes, scales, minimums, scales.length);
        for (int g = 0; g < scales.length; g++) {
            float minimum = hasMinimum() ? minimums[g] : -0f; // adding -0 changes no bit
            for (int i = g * group; i < (g + 1) * group; i++) {
                target[at + i] = Math.fma(codes[i], scales[g], minimum);
            }
        }
    }

    /**
     * Encodes whole blocks as llama.cpp does. Floats are rounded to nearest, ties to even. The number of the largest
     * magnitude in a block has the code 127 or -127 in Q8_0, and -8 in Q4_0.
     *
     * @param offset bytes to the first block
     * @throws IllegalArgumentException if a number or scale to store as f16 is not finite there
     * @throws UnsupportedOperationException for other types
     */
    public void encode(float[] numbers, MemorySegment data, long offset) {
        for (int i = 0; i < numbers.length; i += layout.elements) {
            long at = offset + (long) (i / layout.elements) * layout.bytes;
            switch (this) {
                case F32 -> data.set(FLOAT, at, numbers[i]);
                case F16 -> setHalf(data, at, numbers[i]);
                case BF16 -> data.set(SHORT, at, DType.toBFloat16(numbers[i]));
                case Q8_0, Q4_0 -> encodeBlock(numbers, i, data, at);
                default -> throw new UnsupportedOperationException(this + " is read, not written");
            }
        }
    }

    /** Multiplies by the reciprocal of the scale before rounding, as the reference does. */
    private void encodeBlock(float[] numbers, int from, MemorySegment data, long at) {
        float most = 0; // the largest in magnitude, with its sign
        for (int i = from; i < from + layout.elements; i++) {
            most = Math.abs(numbers[i]) > Math.abs(most) || Float.isNaN(numbers[i]) ? numbers[i] : most;
        }
        float scale = this == Q8_0 ? Math.abs(most) / 127 : most / -8;
        setHalf(data, at, scale);
        float inverse = scale == 0 ? 0 : 1 / scale;
        long codes = at + layout.low.at;
        for (int i = 0; i < layout.elements; i++) {
            float number = numbers[from + i] * inverse;
            if (this == Q8_0) {
                int code = Math.round(Math.abs(number)); // halves away from zero
                data.set(ValueLayout.JAVA_BYTE, codes + i, (byte) (number < 0 ? -code : code));
            } else {
                int code = Math.min(15, (int) (number + 8.5f));
                int half = layout.elements / 2;
                int low = i < half ? 0 : unsigned(data, codes + i - half);
                data.set(ValueLayout.JAVA_BYTE, codes + i % half, (byte) (i < half ? code : low | code << 4));
            }
        }
    }

    private void setHalf(MemorySegment data, long at, float number) {
        short half = Float.floatToFloat16(number);
        if (!Float.isFinite(Float.float16ToFloat(half))) {
            throw new IllegalArgumentException(this + ": expected finite weights that f16 holds, got " + number);
        }
        data.set(SHORT, at, half);
    }
}
