package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import dev.causal4j.tensor.TensorView;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/**
 * A matrix [rows, cols] of a checkpoint, found and its shape checked; no number is read before {@link #load}. Immutable and
 * thread-safe.
 */
sealed interface StoredMatrix {
    /** The dtype of {@link Matrix} that holds it without loss. */
    DType dtype();

    /** Numbers: rows times cols. */
    long elements();

    /** Brings it into panels of a dtype; panels in a file are used where they are mapped. */
    Matrix load(Device device, DType dtype);

    /** One tensor as other programs write it: [rows, cols], or [cols, rows] if {@code transposed}. */
    record RowMajor(TensorView numbers, boolean transposed) implements StoredMatrix {
        static RowMajor find(CheckpointTensors tensors, String name, long rows, long cols, boolean transposed)
                throws FormatException {
            List<Long> shape = transposed ? List.of(cols, rows) : List.of(rows, cols);
            return new RowMajor(tensors.tensor(name, shape, CheckpointTensors.FLOATS), transposed);
        }

        @Override
        public DType dtype() {
            return numbers.dtype() == DType.BF16 ? DType.BF16 : DType.F32;
        }

        @Override
        public long elements() {
            return numbers.elements();
        }

        @Override
        public Matrix load(Device device, DType dtype) {
            return transposed ? Matrix.ofTransposed(device, dtype, numbers) : Matrix.of(device, dtype, numbers);
        }

        /** Whether two of one shape hold the same numbers, perhaps in different dtypes. */
        static boolean equal(TensorView a, TensorView b) {
            if (a.data().equals(b.data())) {
                return true;
            }
            if (a.dtype() == b.dtype()) {
                return a.data().mismatch(b.data()) < 0;
            }
            int cols = Math.toIntExact(a.shape().getLast());
            float[] x = new float[cols];
            float[] y = new float[cols];
            for (long from = 0; from < a.elements(); from += cols) {
                a.copyTo(from, x, 0, cols);
                b.copyTo(from, y, 0, cols);
                if (Arrays.mismatch(x, y) >= 0) {
                    return false;
                }
            }
            return true;
        }
    }

    /** As {@link PanelLayout} writes it. */
    record InPanels(int rows, int cols, TensorView panels) implements StoredMatrix {
        static InPanels find(CheckpointTensors tensors, String name, int rows, int cols, DType dtype)
                throws FormatException {
            List<Long> shape = PanelLayout.shape(dtype, rows, cols);
            return new InPanels(rows, cols, tensors.tensor(name + PanelLayout.PANELS, shape, Set.of(dtype)));
        }

        @Override
        public DType dtype() {
            return panels.dtype();
        }

        @Override
        public long elements() {
            return (long) rows * cols;
        }

        @Override
        public Matrix load(Device device, DType dtype) {
            if (dtype != panels.dtype()) {
                throw new AssertionError(dtype); // PanelLayout.check was asked before
            }
            return Matrix.ofPanels(device, dtype, rows, cols, panels.data());
        }
    }
}
