package dev.causal4j.format;

import dev.causal4j.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A dense tensor as a file stores it: row-major, little-endian, not copied. Thread-safe while its memory is not
 * modified.
 *
 * @param name its name in errors
 * @param blocks how its numbers are packed; null for numbers of the dtype
 * @param shape the dimensions, outermost first; empty for a scalar
 * @param data exactly product(shape) numbers
 */
public record TensorView(String name, DType dtype, @Nullable BlockType blocks, List<Long> shape, MemorySegment data) {
    /**
     * Checks that the bytes fit the shape.
     *
     * @throws IllegalArgumentException if a dimension is negative or {@code data} has another size than the shape
     */
    public TensorView {
        shape = List.copyOf(shape);
        long numbers = elements(name, shape);
        long bytes = blocks == null
                ? Math.multiplyExact(numbers, (long) dtype.bytes())
                : Math.multiplyExact(numbers / blocks.elements(), (long) blocks.bytes());
        if (data.byteSize() != bytes) {
            throw new IllegalArgumentException(
                    name + ": expected " + bytes + " bytes for " + dtype.label() + shape + ", got " + data.byteSize());
        }
    }

    /** Numbers of a dtype. */
    public TensorView(String name, DType dtype, List<Long> shape, MemorySegment data) {
        this(name, dtype, null, shape, data);
    }

    /** Numbers in blocks. */
    public static TensorView of(String name, BlockType blocks, List<Long> shape, MemorySegment data) {
        return new TensorView(name, blocks.groups().dtype(), blocks, shape, data);
    }

    /**
     * A tensor to be filled by {@link #set}.
     *
     * @param dtype f32, bf16 or f16
     */
    public static TensorView allocate(String name, DType dtype, List<Long> shape, SegmentAllocator arena) {
        if (dtype.isQuantised()) {
            throw new IllegalArgumentException(
                    "dtype of a tensor to write: expected f32, bf16 or f16, got " + dtype.label());
        }
        MemorySegment data = arena.allocate(Math.multiplyExact(elements(name, shape), (long) dtype.bytes()), 64);
        return new TensorView(name, dtype, shape, data);
    }

    /**
     * Sets a number, counted in row-major order; bf16 and f16 are rounded to nearest, ties to even.
     *
     * @throws IllegalArgumentException if it is not finite in f16
     */
    public void set(long index, float value) {
        if (!dtype.write(value, data, index)) {
            throw new IllegalArgumentException(
                    "tensor " + name + ": expected numbers that f16 holds, got " + value + "; choose bf16 or f32");
        }
    }

    /** Releases the physical memory of a mapped file until it is read again. */
    public void unload() {
        if (data.isMapped()) {
            data.unload();
        }
    }

    /** Number of elements. */
    public long elements() {
        return elements(name, shape);
    }

    /**
     * Copies numbers {@code from} to {@code from + count}, counted in row-major order, widened to f32.
     *
     * @throws IndexOutOfBoundsException if they are not all inside the tensor and the target
     */
    public void copyTo(long from, float[] target, int offset, int count) {
        Objects.checkFromIndexSize(from, (long) count, elements());
        Objects.checkFromIndexSize(offset, count, target.length);
        if (blocks != null) {
            blocks.widen(data, from / blocks.elements() * blocks.bytes(), count, target, offset);
        } else {
            dtype.read(data, from, target, offset, count);
        }
    }

    /**
     * All numbers, widened to f32.
     *
     * @throws IllegalArgumentException if there are more than an array can hold
     */
    public float[] toArray() {
        if (elements() > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException(name + ": expected at most 2,147,483,639 numbers, got " + elements());
        }
        float[] numbers = new float[(int) elements()];
        copyTo(0, numbers, 0, numbers.length);
        return numbers;
    }

    private static long elements(String name, List<Long> shape) {
        long product = 1;
        for (long dimension : shape) {
            if (dimension < 0) {
                throw new IllegalArgumentException(name + ": expected no negative dimension, got " + shape);
            }
            product = Math.multiplyExact(product, dimension);
        }
        return product;
    }
}
