package dev.causal4j.tensor;

import java.lang.foreign.MemorySegment;

/**
 * A writable f32 matrix, owned by the trainer. Readers read {@link #matrix()} between writes. Not thread-safe.
 *
 * <p>Its memory is always its own, so a loaded matrix never changes.
 */
public final class MutableMatrix {
    private final Matrix matrix;

    private MutableMatrix(Matrix matrix) {
        this.matrix = matrix;
    }

    /** A copy of a matrix, widened to f32. */
    public static MutableMatrix copyOf(Device device, Matrix source) {
        return new MutableMatrix(source.widened(device));
    }

    /** A matrix of zeros. */
    public static MutableMatrix zeros(Device device, int rows, int cols) {
        return of(device, rows, cols, (n, row) -> {});
    }

    /** A matrix of numbers in row-major order; see {@link Matrix#of}. */
    public static MutableMatrix of(Device device, int rows, int cols, Matrix.Source source) {
        return new MutableMatrix(Matrix.of(device, DType.F32, rows, cols, source));
    }

    /** All numbers in panels, [rows / 64 rounded up][cols][64], f32; writing to them changes the matrix. */
    public MemorySegment panels() {
        return matrix.data;
    }

    /** A read view of the same memory. */
    public Matrix matrix() {
        return matrix;
    }
}
