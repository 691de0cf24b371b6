package dev.causal4j.tensor;

import dev.causal4j.kernel.GroupFormat;
import dev.causal4j.kernel.PanelFormat;
import dev.causal4j.kernel.WeightFormat;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * The storage of numbers: the name of a weight format. Products by codes multiply whole numbers, others f32. Widening
 * to f32 is exact.
 */
@SuppressWarnings("ImmutableEnumChecker") // formats are immutable
public enum DType {
    /** IEEE binary32. */
    F32(PanelFormat.F32),
    /** IEEE binary16: 5 bits of exponent, 10 of mantissa. */
    F16(PanelFormat.F16),
    /** The upper half of binary32: 8 bits of exponent, 7 of mantissa. */
    BF16(PanelFormat.BF16),
    /** A code from -127 to 127, with a scale for its group of 32 inputs; a storage of {@link Matrix}. */
    INT8(GroupFormat.INT8),
    /** A code of 4 bits, with scale and minimum for its group of 32 inputs; a storage of {@link Matrix}. */
    INT4(GroupFormat.INT4);

    final WeightFormat format;

    DType(WeightFormat format) {
        this.format = format;
    }

    /** The dtype that names a format. */
    @SuppressWarnings("exports") // the readers of files alone call it
    public static DType of(WeightFormat format) {
        return ofLabel(format.label()).orElseThrow();
    }

    /** How a matrix of this dtype is stored. */
    @SuppressWarnings("exports") // the readers of files alone call it
    public WeightFormat format() {
        return format;
    }

    /** Bytes of a number in a file. */
    public int bytes() {
        return Math.ceilDiv(format.bits(), 8);
    }

    /** Inputs that share a scale, 1 without groups. A matrix has a multiple of them. */
    public int group() {
        return format.multiple();
    }

    /** Whether a number is a code whose scale is elsewhere: a changed matrix is rounded again. */
    public boolean isQuantised() {
        return format.isQuantised();
    }

    /**
     * How products by a matrix compute: {@code integer}, by codes and inputs that are rounded to whole numbers, or
     * {@code float}. It follows from the format, so all machines compute alike.
     */
    public String arithmetic() {
        return isQuantised() ? "integer" : "float";
    }

    /** The name in flags, JSON and documents: {@code f32}, {@code f16}, {@code bf16}, {@code int8}, {@code int4}. */
    public String label() {
        return format.label();
    }

    /** The names of all dtypes, for messages. */
    public static String labels() {
        String all = Arrays.stream(values()).map(DType::label).collect(Collectors.joining(", "));
        int last = all.lastIndexOf(", ");
        return all.substring(0, last) + " or " + all.substring(last + 2);
    }

    /** The dtype with this name; empty if there is none. */
    public static Optional<DType> ofLabel(String label) {
        return Arrays.stream(values())
                .filter(each -> each.label().equals(label))
                .findFirst();
    }

    /** The dtype of numbers or panels of this one in files: codes are bytes. */
    public DType stored() {
        return isQuantised() ? INT8 : this;
    }

    /** The name of {@link #stored} in safetensors files. */
    public String fileType() {
        return isQuantised() ? "I8" : name();
    }

    /** The dtype of tensors with this type in safetensors files; empty if they are not read. */
    public static Optional<DType> ofFileType(String type) {
        return Arrays.stream(values())
                .filter(each -> each.fileType().equals(type))
                .map(DType::stored)
                .findFirst();
    }

    /** The quantised dtype of the fewest bits; empty if none is quantised. */
    public static Optional<DType> narrowest(Collection<DType> dtypes) {
        return dtypes.stream().filter(DType::isQuantised).min(Comparator.comparingInt(each -> each.format.bits()));
    }

    /**
     * Reads numbers of a file in row-major order, from number {@code from} on, widened to f32.
     *
     * @throws UnsupportedOperationException if numbers are codes
     */
    public void read(MemorySegment file, long from, float[] target, int offset, int count) {
        numbers().read(file, from, target, offset, count);
    }

    /**
     * Writes a number of a file in row-major order, rounded to nearest, ties to even; false if it is not finite in f16.
     *
     * @throws UnsupportedOperationException if numbers are codes
     */
    public boolean write(float number, MemorySegment file, long index) {
        return numbers().write(number, file, index);
    }

    private PanelFormat numbers() {
        if (format instanceof PanelFormat numbers) {
            return numbers;
        }
        throw new UnsupportedOperationException("codes need scales");
    }

    /** The bf16 nearest to {@code value}, ties to even; NaN stays NaN. */
    public static short toBFloat16(float value) {
        return (short) PanelFormat.bf16(value);
    }

    /** The float a bf16 stands for, exactly. */
    public static float fromBFloat16(short value) {
        return Float.intBitsToFloat(value << 16);
    }
}
