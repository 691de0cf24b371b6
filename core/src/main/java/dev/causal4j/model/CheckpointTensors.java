package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.format.TensorStore;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.TensorView;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * Hands out the tensors of a checkpoint once their shape and dtype are checked, and knows which were asked for. Nothing is
 * read. Belongs to the caller who opens the checkpoint.
 */
final class CheckpointTensors {
    /** What a row-major tensor may be stored in. */
    static final Set<DType> FLOATS = Set.of(DType.F32, DType.F16, DType.BF16);

    private final String subject;
    private final TensorStore store;
    private final Set<String> used = new HashSet<>();

    CheckpointTensors(String subject, TensorStore store) {
        this.subject = subject;
        this.store = store;
    }

    boolean has(String name) {
        return store.names().contains(name);
    }

    /** The names nobody asked for. */
    Set<String> unused() {
        Set<String> unused = new TreeSet<>(store.names());
        unused.removeAll(used);
        return unused;
    }

    /** @throws FormatException if there is no such tensor, or it has another shape or dtype */
    TensorView tensor(String name, List<Long> shape, Set<DType> dtypes) throws FormatException {
        TensorView tensor = store.tensor(name);
        if (!tensor.shape().equals(shape)) {
            throw new FormatException(
                    subject + ", tensor " + name,
                    "shape " + shape,
                    tensor.shape().toString(),
                    "the configuration and the weights do not belong together");
        }
        if (!dtypes.contains(tensor.dtype())) {
            throw new FormatException(
                    subject + ", tensor " + name,
                    "dtype " + stored(dtypes),
                    stored(tensor.dtype()),
                    "convert the checkpoint");
        }
        used.add(name);
        return tensor;
    }

    /** The names the format has for them. */
    private static String stored(Set<DType> dtypes) {
        return dtypes.equals(FLOATS)
                ? "F32, F16 or BF16"
                : dtypes.stream().map(CheckpointTensors::stored).sorted().collect(Collectors.joining(" or "));
    }

    private static String stored(DType dtype) {
        return dtype == DType.INT8 ? "I8" : dtype.name();
    }
}
