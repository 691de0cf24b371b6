package dev.causal4j.format;

import dev.causal4j.tensor.DType;

/** A dtype of the safetensors format (0.8) by its name in the header. */
public record StoredType(String name) {
    /** The type of a dtype. */
    public static StoredType of(DType dtype) {
        return new StoredType(dtype == DType.INT8 ? "I8" : dtype.name());
    }

    /** Bits of a number; 0 if the format has no such dtype. */
    int bits() {
        return switch (name) {
            case "F4" -> 4;
            case "F6_E2M3", "F6_E3M2" -> 6;
            case "BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ" -> 8;
            case "I16", "U16", "F16", "BF16" -> 16;
            case "I32", "U32", "F32" -> 32;
            case "C64", "F64", "I64", "U64" -> 64;
            default -> 0;
        };
    }

    /**
     * Bytes of this many numbers.
     *
     * @throws ArithmeticException if the result is not an integer or overflows
     */
    long bytes(long numbers) {
        long rest = numbers % 8 * bits();
        if (rest % 8 != 0) {
            throw new ArithmeticException("not a whole number of bytes");
        }
        return Math.addExact(Math.multiplyExact(numbers / 8, (long) bits()), rest / 8);
    }
}
