package dev.causal4j.tensor;

import dev.causal4j.kernel.PanelEncoding;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/** The storage of numbers. Arithmetic is always f32; widening to it is exact. */
public enum DType {
    /** IEEE binary32. */
    F32(4),
    /** IEEE binary16: 5 bits of exponent, 10 of mantissa. */
    F16(2),
    /** The upper half of binary32: 8 bits of exponent, 7 of mantissa. */
    BF16(2),
    /** A code of 4 bits, with scale and minimum for its group of 32 inputs; a storage of {@link Matrix}. */
    INT4(1),
    /** An integer from -127 to 127, to be multiplied by the scale of its row; a storage of {@link Matrix}. */
    INT8(1);

    private final int bytes;

    DType(int bytes) {
        this.bytes = bytes;
    }

    /** Bytes of a number. */
    public int bytes() {
        return bytes;
    }

    /** Whether a number is a code whose scale is elsewhere: what a matrix holds is rounded again if it is changed. */
    public boolean isQuantised() {
        return this == INT8 || this == INT4;
    }

    /** The name in flags, JSON and documents: {@code f32}, {@code f16}, {@code bf16}, {@code int8}, {@code int4}. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** The dtype with this name; empty if there is none. */
    public static Optional<DType> ofLabel(String label) {
        return Arrays.stream(values())
                .filter(each -> each.label().equals(label))
                .findFirst();
    }

    /** The bf16 nearest to {@code value}, ties to even; NaN stays NaN. */
    public static short toBFloat16(float value) {
        return (short) PanelEncoding.bf16(value);
    }

    /** The float a bf16 stands for, exactly. */
    public static float fromBFloat16(short value) {
        return Float.intBitsToFloat(value << 16);
    }
}
