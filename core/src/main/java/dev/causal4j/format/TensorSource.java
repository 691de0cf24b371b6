package dev.causal4j.format;

import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.TensorView;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.List;
import java.util.function.Function;

/**
 * A tensor to write: its entry in the header, and a supplier of its numbers. Immutable, and as thread-safe as {@code
 * numbers}.
 *
 * @param shape the dimensions, outermost first
 * @param numbers supplies them, with this dtype and shape; its result is used until the next tensor is written
 */
public record TensorSource(String name, DType dtype, List<Long> shape, Function<SegmentAllocator, TensorView> numbers) {
    /** Copies the shape. */
    public TensorSource {
        shape = List.copyOf(shape);
    }

    /** A source of existing numbers. */
    public static TensorSource of(TensorView tensor) {
        return new TensorSource(tensor.name(), tensor.dtype(), tensor.shape(), _ -> tensor);
    }

    /** Bytes of all its numbers. */
    public long bytes() {
        return Math.multiplyExact(shape.stream().reduce(1L, Math::multiplyExact), (long) dtype.bytes());
    }

    /**
     * The numbers.
     *
     * @throws IllegalArgumentException if they have another dtype or shape
     */
    MemorySegment data(SegmentAllocator arena) {
        TensorView made = numbers.apply(arena);
        if (made.dtype() != dtype || !made.shape().equals(shape)) {
            throw new IllegalArgumentException(name + ": expected " + dtype.label() + shape + ", got "
                    + made.dtype().label() + made.shape());
        }
        return made.data();
    }
}
