package dev.causal4j.format;

import dev.causal4j.tensor.DType;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The dtypes of the safetensors format (0.8), by their names in the header. */
enum StoredType {
    BOOL(8),
    F4(4),
    F6_E2M3(6),
    F6_E3M2(6),
    U8(8),
    I8(8, DType.INT8),
    F8_E5M2(8),
    F8_E4M3(8),
    F8_E8M0(8),
    F8_E4M3FNUZ(8),
    F8_E5M2FNUZ(8),
    I16(16),
    U16(16),
    F16(16, DType.F16),
    BF16(16, DType.BF16),
    I32(32),
    U32(32),
    F32(32, DType.F32),
    C64(64),
    F64(64),
    I64(64),
    U64(64);

    private static final Map<String, StoredType> BY_NAME =
            Arrays.stream(values()).collect(Collectors.toUnmodifiableMap(StoredType::name, Function.identity()));

    private final int bits;
    private final @Nullable DType dtype;

    StoredType(int bits) {
        this(bits, null);
    }

    StoredType(int bits, @Nullable DType dtype) {
        this.bits = bits;
        this.dtype = dtype;
    }

    static Optional<StoredType> named(String name) {
        return Optional.ofNullable(BY_NAME.get(name));
    }

    static StoredType of(DType dtype) {
        return Arrays.stream(values())
                .filter(type -> type.dtype == dtype)
                .findFirst()
                .orElseThrow();
    }

    /** The dtype of this library, if it supports the type. */
    Optional<DType> dtype() {
        return Optional.ofNullable(dtype);
    }

    /**
     * Bytes of this many numbers.
     *
     * @throws ArithmeticException if the result is not an integer or overflows
     */
    long bytes(long numbers) {
        if (bits >= 8) {
            return Math.multiplyExact(numbers, (long) bits / 8);
        }
        long total = Math.multiplyExact(numbers, (long) bits);
        if (total % 8 != 0) {
            throw new ArithmeticException("not a whole number of bytes");
        }
        return total / 8;
    }
}
