package dev.causal4j.tensor;

import dev.causal4j.kernel.Panels;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Objects;

/**
 * A dense tensor as a file stores it: row-major, little-endian, not copied. Immutable and thread-safe while its memory
 * is not modified.
 *
 * @param name its name in errors
 * @param shape the dimensions, outermost first; empty for a scalar
 * @param data exactly product(shape) numbers
 */
public record TensorView(String name, DType dtype, List<Long> shape, MemorySegment data) {
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /**
     * Checks that the bytes fit the shape.
     *
     * @throws IllegalArgumentException if a dimension is negative or the size of {@code data} is not that of the shape
     */
    public TensorView {
        shape = List.copyOf(shape);
        long bytes = Math.multiplyExact(elements(name, shape), (long) dtype.bytes());
        if (data.byteSize() != bytes) {
            throw new IllegalArgumentException(
                    name + ": expected " + bytes + " bytes for " + dtype.label() + shape + ", got " + data.byteSize());
        }
    }

    /**
     * A copy of a matrix in row-major order; int8 is widened.
     *
     * @param transposed whether as [cols, rows], as Hugging Face's Conv1D stores them
     * @param dtype f32 or bf16, which rounds to nearest, ties to even
     * @param arena memory of the copy
     */
    public static TensorView of(String name, Matrix matrix, boolean transposed, DType dtype, SegmentAllocator arena) {
        int rows = matrix.rows();
        int cols = matrix.cols();
        MemorySegment data = allocate(dtype, matrix.parameters(), arena);
        matrix.device().compute().run(Panels.needed(rows), panel -> {
            int from = panel * Panels.WIDTH;
            int width = Math.min(Panels.WIDTH, rows - from);
            float[] step = new float[Panels.WIDTH];
            for (int k = 0; k < cols; k++) {
                matrix.steps(panel, k, 1, step);
                for (int j = 0; j < width; j++) {
                    set(data, dtype, transposed ? (long) k * rows + from + j : (long) (from + j) * cols + k, step[j]);
                }
            }
        });
        return new TensorView(
                name, dtype, transposed ? List.of((long) cols, (long) rows) : List.of((long) rows, (long) cols), data);
    }

    /** The same of a vector. */
    public static TensorView of(String name, float[] numbers, DType dtype, SegmentAllocator arena) {
        MemorySegment data = allocate(dtype, numbers.length, arena);
        for (int i = 0; i < numbers.length; i++) {
            set(data, dtype, i, numbers[i]);
        }
        return new TensorView(name, dtype, List.of((long) numbers.length), data);
    }

    private static MemorySegment allocate(DType dtype, long count, SegmentAllocator arena) {
        if (dtype != DType.F32 && dtype != DType.BF16) {
            throw new IllegalArgumentException(
                    "dtype of a tensor to write: expected f32 or bf16, got " + dtype.label());
        }
        return arena.allocate(count * dtype.bytes(), 64);
    }

    private static void set(MemorySegment data, DType dtype, long index, float value) {
        if (dtype == DType.F32) {
            data.set(FLOAT, index * 4, value);
        } else {
            data.set(SHORT, index * 2, DType.toBFloat16(value));
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
        switch (dtype) {
            case F32 -> MemorySegment.copy(data, FLOAT, from * 4, target, offset, count);
            case F16 -> {
                for (int i = 0; i < count; i++) {
                    target[offset + i] = Float.float16ToFloat(data.get(SHORT, (from + i) * 2));
                }
            }
            case INT8 -> {
                for (int i = 0; i < count; i++) {
                    target[offset + i] = data.get(ValueLayout.JAVA_BYTE, from + i);
                }
            }
            case BF16 -> {
                for (int i = 0; i < count; i++) {
                    target[offset + i] = DType.fromBFloat16(data.get(SHORT, (from + i) * 2));
                }
            }
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
