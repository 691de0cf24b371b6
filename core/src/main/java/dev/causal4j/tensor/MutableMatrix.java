package dev.causal4j.tensor;

import dev.causal4j.compute.Compute;
import dev.causal4j.kernel.Panels;
import java.lang.foreign.MemorySegment;

/**
 * A writable f32 matrix, owned by the trainer; readers see it as {@link #matrix()}, between writes. Not thread-safe.
 *
 * <p>It always has memory of its own, so a loaded matrix never changes.
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

    /** A step of an optimizer. Called by several threads at once. */
    @FunctionalInterface
    public interface Update {
        /** Changes {@code count} neighbouring f32 weights and their moments, from the same byte of each memory on. */
        void apply(
                MemorySegment weights,
                MemorySegment gradient,
                MemorySegment first,
                MemorySegment second,
                long offset,
                int count);
    }

    /**
     * Updates each number by its gradient and its moments, shared among {@link Compute}. Padding is updated too; it is
     * 0 everywhere, and must stay so.
     *
     * @throws IllegalArgumentException if the shapes differ
     */
    public void update(Gradient gradient, MutableMatrix first, MutableMatrix second, Update update) {
        check(gradient.rows(), gradient.cols());
        check(first.matrix.rows(), first.matrix.cols());
        check(second.matrix.rows(), second.matrix.cols());
        MemorySegment gradients = gradient.numbers();
        int panel = Math.multiplyExact(matrix.cols(), Panels.WIDTH);
        matrix.device().compute().each(Panels.needed(matrix.rows()), p -> {
            long offset = (long) p * panel * Float.BYTES;
            update.apply(panels(), gradients, first.panels(), second.panels(), offset, panel);
        });
    }

    private void check(int rows, int cols) {
        if (rows != matrix.rows() || cols != matrix.cols()) {
            throw new IllegalArgumentException("update: expected [" + matrix.rows() + ", " + matrix.cols() + "], got ["
                    + rows + ", " + cols + "]");
        }
    }
}
