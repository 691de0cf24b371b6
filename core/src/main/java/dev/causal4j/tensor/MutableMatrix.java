package dev.causal4j.tensor;

import dev.causal4j.kernel.Threads;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The right to change an f32 matrix while it is trained. Whoever has it is the one caller that may write; others have only
 * {@link #matrix()}, which they may read between the writes. Not thread-safe.
 *
 * <p>It always has memory of its own, so that a matrix somebody loaded can never change.
 */
public final class MutableMatrix {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);

    /**
     * Numbers that are worked on at once: four arrays of them stay in the first-level cache. The processor reads the next ones
     * meanwhile, but not far ahead: 2,048 take a sixth longer.
     */
    private static final int CHUNK = 1024;

    private final Matrix matrix;

    /** What becomes of each number, elementwise. Called by several threads at once. */
    @FunctionalInterface
    public interface Update {
        /**
         * Changes {@code weights} and the two moments.
         *
         * @param n how many numbers of each array there are
         */
        void apply(float[] weights, float[] gradient, float[] first, float[] second, int n);
    }

    private MutableMatrix(Matrix matrix) {
        this.matrix = matrix;
    }

    /** A copy of a matrix, widened to f32. */
    public static MutableMatrix copyOf(Matrix source) {
        if (source.dtype() == DType.F32) {
            MutableMatrix copy = zeros(source.rows(), source.cols());
            copy.matrix.numbers().copyFrom(source.numbers());
            return copy;
        }
        return of(source.rows(), source.cols(), (n, row) -> source.row(n, row, 0));
    }

    /** A matrix of zeros. */
    public static MutableMatrix zeros(int rows, int cols) {
        return of(rows, cols, (n, row) -> {});
    }

    /** A matrix of numbers in row-major order; see {@link Matrix#of}. */
    public static MutableMatrix of(int rows, int cols, Matrix.Source source) {
        return new MutableMatrix(Matrix.of(DType.F32, rows, cols, source));
    }

    /** All numbers as they lie in the panels, [rows / 64 rounded up][cols][64], f32; writing to them changes the matrix. */
    public MemorySegment panels() {
        return matrix.numbers();
    }

    /** The matrix: what is written here is seen there. */
    public Matrix matrix() {
        return matrix;
    }

    /**
     * Updates each number by its gradient and its moments, shared among {@link Threads}. Padding is updated too; it is 0
     * everywhere, and must stay so.
     *
     * @throws IllegalArgumentException if the shapes differ
     */
    public void update(Gradient gradient, MutableMatrix first, MutableMatrix second, Update update) {
        MemorySegment weights = matrix.numbers();
        MemorySegment gradients = gradient.numbers();
        check(gradient.rows(), gradient.cols());
        check(first.matrix.rows(), first.matrix.cols());
        check(second.matrix.rows(), second.matrix.cols());
        long size = weights.byteSize() / Float.BYTES;
        int tasks = (int) Math.min(Math.ceilDiv(size, CHUNK), 8L * Threads.count());
        Threads.run(tasks, task -> {
            float[] w = new float[CHUNK];
            float[] g = new float[CHUNK];
            float[] m = new float[CHUNK];
            float[] v = new float[CHUNK];
            long end = size * (task + 1) / tasks;
            for (long from = size * task / tasks; from < end; from += CHUNK) {
                int n = (int) Math.min(CHUNK, end - from);
                long offset = from * Float.BYTES;
                MemorySegment.copy(weights, FLOAT, offset, w, 0, n);
                MemorySegment.copy(gradients, FLOAT, offset, g, 0, n);
                MemorySegment.copy(first.matrix.numbers(), FLOAT, offset, m, 0, n);
                MemorySegment.copy(second.matrix.numbers(), FLOAT, offset, v, 0, n);
                update.apply(w, g, m, v, n);
                MemorySegment.copy(w, 0, weights, FLOAT, offset, n);
                MemorySegment.copy(m, 0, first.matrix.numbers(), FLOAT, offset, n);
                MemorySegment.copy(v, 0, second.matrix.numbers(), FLOAT, offset, n);
            }
        });
    }

    private void check(int rows, int cols) {
        if (rows != matrix.rows() || cols != matrix.cols()) {
            throw new IllegalArgumentException("update: expected [" + matrix.rows() + ", " + matrix.cols() + "], got ["
                    + rows + ", " + cols + "]");
        }
    }
}
