package dev.causal4j.model.families;

import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.kernel.Panels;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Matrix;
import java.util.ArrayList;
import java.util.List;

/** The place and layout of a parameter in a checkpoint, for reading and writing. */
public sealed interface Origin {
    /** The names of its tensors. */
    List<String> names();

    /** A matrix in panels; see {@code Conversion}. */
    record InPanels(String name, DType dtype) implements Origin {
        @Override
        public List<String> names() {
            return List.of(name);
        }

        /** The dtype of the tensor: codes of 4 bits are bytes there. */
        public DType stored() {
            return dtype == DType.INT4 ? DType.INT8 : dtype;
        }

        /** The shape of the tensor. */
        public List<Long> shape(ParameterSpec spec) {
            long steps = Matrix.panelBytes(dtype, spec.cols()) / ((long) Panels.WIDTH * dtype.bytes());
            return List.of((long) Panels.needed(spec.rows()), steps, (long) Panels.WIDTH);
        }
    }

    /**
     * Rows of tensors, one part after another.
     *
     * @param plusOne whether the parameter is what is stored plus one
     */
    record InRows(List<Part> parts, boolean plusOne) implements Origin {
        public InRows {
            parts = List.copyOf(parts);
        }

        @Override
        public List<String> names() {
            return parts.stream().map(Part::name).distinct().toList();
        }

        /** A name of its own: that of its tensor, or the parameter's where tensors hold parts of several or of one. */
        public String label(ParameterSpec spec) {
            long size = parts.getFirst().shape().stream().reduce(1L, Math::multiplyExact);
            return parts.size() == 1 && size == spec.size() ? parts.getFirst().name() : spec.name();
        }

        /** The same outputs in tensors [outputs, inputs]; for a matrix whose tensors are matrices. */
        public InRows withInputs(int inputs) {
            return new InRows(
                    parts.stream().map(part -> part.withInputs(inputs)).toList(), false);
        }
    }

    /**
     * Rows of a parameter in a tensor: row r, column k is number {@code first + r * rowStride + k * colStride}.
     *
     * @param shape of the whole tensor
     */
    record Part(String name, List<Long> shape, int rows, long first, long rowStride, long colStride) {
        public Part {
            shape = List.copyOf(shape);
        }

        /** Whether the tensor is [in, out]. */
        public boolean isTransposed() {
            return colStride != 1;
        }

        private Part withInputs(int inputs) {
            long step = isTransposed() ? 1 : shape.getLast(); // from an output to the next
            List<Long> other = List.of(shape.get(isTransposed() ? 1 : 0), (long) inputs);
            return new Part(name, other, rows, first / step * inputs, rowStride / step * inputs, 1);
        }
    }

    /** A tensor of the parameter's shape. */
    static InRows tensor(String name, ParameterSpec spec) {
        return new InRows(List.of(rows(name, spec, spec.rows())), false);
    }

    /** A matrix stored as [in, out], as Hugging Face's Conv1D has it. */
    static InRows transposed(String name, ParameterSpec spec) {
        List<Long> shape = List.of((long) spec.cols(), (long) spec.rows());
        return new InRows(List.of(new Part(name, shape, spec.rows(), 0, 1, spec.rows())), false);
    }

    /** A tensor [rows, cols] with this many of the parameter's rows, or a vector of as many. */
    static Part rows(String name, ParameterSpec spec, int rows) {
        long cols = spec.cols();
        List<Long> shape = spec.role().isVector() ? List.of((long) rows) : List.of((long) rows, cols);
        return new Part(name, shape, rows, 0, cols, 1);
    }

    /** Tensors one after another, such as queries, keys and values. */
    static InRows stacked(List<String> names, ParameterSpec spec, int... rows) {
        List<Part> parts = new ArrayList<>();
        for (int i = 0; i < rows.length; i++) {
            parts.add(rows(names.get(i), spec, rows[i]));
        }
        return new InRows(parts, false);
    }
}
