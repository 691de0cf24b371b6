package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.kernel.Panels;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import dev.causal4j.tensor.TensorView;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
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
    Matrix load(Device device, DType dtype) throws FormatException;

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

    /** As {@link PanelLayout} writes it; scales for int8. */
    record InPanels(String subject, int rows, TensorView panels, Optional<TensorView> scales) implements StoredMatrix {
        static InPanels find(String subject, CheckpointTensors tensors, String name, int rows, int cols, DType dtype)
                throws FormatException {
            List<Long> shape = List.of((long) Panels.needed(rows), (long) cols, (long) Panels.WIDTH);
            TensorView panels = tensors.tensor(name + PanelLayout.PANELS, shape, Set.of(dtype));
            Optional<TensorView> scales = Optional.empty();
            if (dtype == DType.INT8) {
                List<Long> each = List.of((long) rows);
                scales = Optional.of(tensors.tensor(name + PanelLayout.SCALES, each, Set.of(DType.F32)));
            }
            return new InPanels(subject, rows, panels, scales);
        }

        @Override
        public DType dtype() {
            return panels.dtype();
        }

        @Override
        public long elements() {
            return rows * panels.shape().get(1);
        }

        @Override
        public Matrix load(Device device, DType dtype) throws FormatException {
            if (dtype != panels.dtype()) {
                throw new AssertionError(dtype); // PanelLayout.check was asked before
            }
            float[] factors = scales.map(TensorView::toArray).orElse(new float[0]);
            for (int n = 0; n < factors.length; n++) {
                if (!(factors[n] >= 0) || factors[n] == Float.POSITIVE_INFINITY) {
                    throw new FormatException(
                            subject + ", tensor " + scales.orElseThrow().name(),
                            "finite numbers of at least 0",
                            factors[n] + " for row " + n,
                            "convert the original checkpoint again");
                }
            }
            return Matrix.ofPanels(
                    device, dtype, rows, Math.toIntExact(panels.shape().get(1)), panels.data(), factors);
        }
    }
}
