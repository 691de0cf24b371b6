package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.kernel.PanelFormat;
import dev.causal4j.kernel.Panels;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Matrix;
import dev.causal4j.tensor.TensorView;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A checkpoint whose matrices are stored as they are used, so that loading it is a memory map. Only this project reads it.
 *
 * <p>In the place of {@code NAME.weight} there is {@code NAME.weight.panels} [panels, cols, 64], the bytes of
 * {@link PanelFormat}: F32, BF16 or I8, of which a panel has four more steps for its scales. Rows are outputs also where
 * Hugging Face stores [in, out]. Vectors keep their
 * names and are F32. The metadata names the layout with its version, and the dtype of the matrices.
 *
 * @param dtype of all matrices but the positions, which are f32 in an int8 model
 */
record PanelLayout(DType dtype) {
    static final String PANELS = ".panels";

    private static final String LAYOUT = "causal4j.layout";
    private static final String VERSION = "panels-" + Panels.WIDTH + "/2";
    private static final String DTYPE = "causal4j.dtype";

    /**
     * The layout a file says it has; empty for the row-major one of other programs.
     *
     * @throws FormatException if it is one we do not know
     */
    static Optional<PanelLayout> of(String subject, Map<String, String> metadata) throws FormatException {
        String layout = metadata.get(LAYOUT);
        if (layout == null) {
            return Optional.empty();
        }
        if (!layout.equals(VERSION)) {
            throw wrong(subject, LAYOUT, VERSION, layout, "convert the original checkpoint with this version");
        }
        String dtype = metadata.getOrDefault(DTYPE, "");
        return Optional.of(new PanelLayout(DType.ofLabel(dtype)
                .filter(known -> known != DType.F16)
                .orElseThrow(() ->
                        wrong(subject, DTYPE, "f32, bf16 or int8", dtype, "convert the original checkpoint again"))));
    }

    private static FormatException wrong(String subject, String key, String expected, String got, String remedy) {
        return new FormatException(
                subject + ", metadata \"" + key + "\"", expected, FormatException.quote(got), remedy);
    }

    /** Throws unless the model is wanted in the dtype its panels have. */
    void check(String subject, DType wanted) throws FormatException {
        if (wanted != dtype) {
            throw new FormatException(
                    subject,
                    "dtype " + dtype.label() + ", to which these weights were converted",
                    wanted.label(),
                    "convert the original checkpoint with --dtype " + wanted.label());
        }
    }

    Map<String, String> metadata() {
        return Map.of(LAYOUT, VERSION, DTYPE, dtype.label());
    }

    /** The shape of a matrix's panels. */
    static List<Long> shape(DType dtype, int rows, int cols) {
        long steps = Matrix.panelBytes(dtype, cols) / ((long) Panels.WIDTH * dtype.bytes());
        return List.of((long) Panels.needed(rows), steps, (long) Panels.WIDTH);
    }

    /** The tensor that stores a matrix. */
    static TensorView tensor(String name, Matrix matrix) {
        List<Long> shape = shape(matrix.dtype(), matrix.rows(), matrix.cols());
        return new TensorView(name + PANELS, matrix.dtype(), shape, matrix.panelData());
    }

    /** The tensor that stores a vector. */
    static TensorView vector(String name, float[] numbers) {
        return new TensorView(name, DType.F32, List.of((long) numbers.length), MemorySegment.ofArray(numbers));
    }
}
