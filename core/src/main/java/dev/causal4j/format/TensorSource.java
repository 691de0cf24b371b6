package dev.causal4j.format;

import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.TensorView;
import java.lang.foreign.SegmentAllocator;
import java.util.List;
import java.util.function.Function;

/**
 * A tensor that is to be written: what the header of a file says of it, and how to make its numbers when their turn comes.
 * Immutable, and as thread-safe as {@code numbers}.
 *
 * @param shape the dimensions, outermost first
 * @param numbers makes them, of this dtype and shape; what it gives back is used until the next tensor's turn
 */
public record TensorSource(String name, DType dtype, List<Long> shape, Function<SegmentAllocator, TensorView> numbers) {
    public TensorSource {
        shape = List.copyOf(shape);
    }

    /** One whose numbers are there already. */
    static TensorSource of(TensorView tensor) {
        return new TensorSource(tensor.name(), tensor.dtype(), tensor.shape(), _ -> tensor);
    }

    /** Bytes of all its numbers. */
    long bytes() {
        return shape.stream().reduce((long) dtype.bytes(), Math::multiplyExact);
    }
}
