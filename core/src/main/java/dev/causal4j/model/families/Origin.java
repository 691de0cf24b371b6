package dev.causal4j.model.families;

import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.kernel.Panels;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Matrix;
import java.util.List;

/** The place and layout of a parameter in a checkpoint, for reading and writing. */
public sealed interface Origin {
    /** The tensor's name. */
    String name();

    /** A tensor of the parameter's shape. */
    record Tensor(String name) implements Origin {}

    /** A matrix stored as [in, out], as Hugging Face's Conv1D has it. */
    record Transposed(String name) implements Origin {}

    /** A matrix in panels; see {@code Conversion}. */
    record InPanels(String name, DType dtype) implements Origin {}

    /** The shape of a parameter's tensor. */
    default List<Long> shape(ParameterSpec spec) {
        long rows = spec.rows();
        long cols = spec.cols();
        return switch (this) {
            case Tensor _ -> spec.role().isVector() ? List.of(rows) : List.of(rows, cols);
            case Transposed _ -> List.of(cols, rows);
            case InPanels(String _, DType dtype) -> {
                long steps = Matrix.panelBytes(dtype, spec.cols()) / ((long) Panels.WIDTH * dtype.bytes());
                yield List.of((long) Panels.needed(spec.rows()), steps, (long) Panels.WIDTH);
            }
        };
    }
}
