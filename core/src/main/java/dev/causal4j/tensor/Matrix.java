package dev.causal4j.tensor;

import dev.causal4j.kernel.Kernels;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.Rows;
import dev.causal4j.kernel.Threads;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A weight matrix [rows, cols] in panels of 64 rows (see {@link Panels}), off heap, in f32 or bf16: row n holds the
 * weights of output n. Immutable and thread-safe. The memory is freed when the matrix is garbage.
 *
 * <p>The rows are padded to a multiple of 64 with zeros; padding never reaches a result. Java counts the memory against
 * {@code -XX:MaxDirectMemorySize}, which is a quarter of the machine's unless it is set.
 */
public final class Matrix {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Panels a task multiplies at most: enough tasks to share, few enough that each reads a long run. */
    private static final int PANELS_PER_TASK = 16;

    private final DType dtype;
    private final int rows;
    private final int cols;
    private final MemorySegment data;

    private Matrix(DType dtype, int rows, int cols) {
        if (dtype == DType.F16) {
            throw new IllegalArgumentException("matrix dtype: expected f32 or bf16, got f16");
        }
        if (rows < 1 || cols < 1) {
            throw new IllegalArgumentException("matrix: expected at least [1, 1], got [" + rows + ", " + cols + "]");
        }
        this.dtype = dtype;
        this.rows = rows;
        this.cols = cols;
        long bytes = Math.multiplyExact((long) Panels.needed(rows), panelBytes());
        this.data = Arena.ofAuto().allocate(bytes, 64);
    }

    /** Where the numbers of a new matrix come from. Called by several threads at once. */
    @FunctionalInterface
    public interface Source {
        /** Fills {@code target[0 .. cols)} with a row. */
        void row(int row, float[] target);
    }

    /**
     * Builds a matrix from numbers in row-major order, filled in parallel. Numbers are rounded to bf16 to nearest, ties
     * to even, where {@code dtype} asks for it.
     *
     * @throws IllegalArgumentException if the shape is empty or the dtype is f16
     */
    public static Matrix of(DType dtype, int rows, int cols, Source source) {
        Matrix matrix = new Matrix(dtype, rows, cols);
        Threads.run(matrix.panels(), panel -> {
            float[] row = new float[cols];
            int from = panel * Panels.WIDTH;
            for (int n = from; n < Math.min(rows, from + Panels.WIDTH); n++) {
                source.row(n, row);
                for (int k = 0; k < cols; k++) {
                    matrix.set(panel, k, n - from, row[k]);
                }
            }
        });
        return matrix;
    }

    /**
     * Builds a matrix from a tensor [rows, cols].
     *
     * @throws IllegalArgumentException if the tensor does not have two dimensions of 1 to 2^31 - 1
     */
    public static Matrix of(DType dtype, TensorView tensor) {
        int rows = dimension(tensor, 0);
        int cols = dimension(tensor, 1);
        return of(dtype, rows, cols, (row, target) -> tensor.copyTo((long) row * cols, target, 0, cols));
    }

    /**
     * Builds a matrix from a tensor [cols, rows]: the layout of Hugging Face's Conv1D, whose weights are [in, out]. A
     * step of k is then a run of the tensor, so nothing is transposed in between.
     */
    public static Matrix ofTransposed(DType dtype, TensorView tensor) {
        int cols = dimension(tensor, 0);
        int rows = dimension(tensor, 1);
        Matrix matrix = new Matrix(dtype, rows, cols);
        Threads.run(matrix.panels(), panel -> {
            int from = panel * Panels.WIDTH;
            int width = Math.min(Panels.WIDTH, rows - from);
            float[] step = new float[width];
            for (int k = 0; k < cols; k++) {
                tensor.copyTo((long) k * rows + from, step, 0, width);
                for (int j = 0; j < width; j++) {
                    matrix.set(panel, k, j, step[j]);
                }
            }
        });
        return matrix;
    }

    private static int dimension(TensorView tensor, int index) {
        if (tensor.shape().size() != 2) {
            throw new IllegalArgumentException(tensor.name() + ": expected 2 dimensions, got " + tensor.shape());
        }
        return Math.toIntExact(tensor.shape().get(index));
    }

    /** Outputs. */
    public int rows() {
        return rows;
    }

    /** Inputs. */
    public int cols() {
        return cols;
    }

    /** How the numbers are stored. */
    public DType dtype() {
        return dtype;
    }

    /** Numbers without padding: rows times cols. */
    public long parameters() {
        return (long) rows * cols;
    }

    /**
     * y[r][n] = sum over k of x[r][k] · w[n][k] (+ bias[n]), shared among {@link Threads}. The sum is one chain of fused
     * multiply-adds in the order of k, the bias is added last, whatever the number of rows and threads.
     *
     * @param x rows of {@code cols()} numbers
     * @param bias {@code rows()} numbers, or null for none
     * @param y as many rows, of {@code rows()} numbers
     */
    public void multiply(Rows x, float @Nullable [] bias, Rows y) {
        if (bias != null && bias.length != rows) {
            throw new IllegalArgumentException("bias: expected " + rows + " numbers, got " + bias.length);
        }
        if (y.stride() < rows && y.count() > 1) {
            throw new IllegalArgumentException("y: expected rows of " + rows + " numbers, got " + y.stride());
        }
        int panels = panels();
        int tasks = Math.max(Math.min(panels, Threads.count()), Math.ceilDiv(panels, PANELS_PER_TASK));
        Threads.run(tasks, task -> {
            int from = (int) ((long) panels * task / tasks);
            int to = (int) ((long) panels * (task + 1) / tasks);
            multiplyPanels(from, to, x, bias, y);
        });
    }

    private void multiplyPanels(int from, int to, Rows x, float @Nullable [] bias, Rows y) {
        int whole = Math.min(to, rows / Panels.WIDTH);
        if (from < whole) {
            Rows target = new Rows(y.data(), y.offset() + from * Panels.WIDTH, y.stride(), y.count());
            multiply(from, whole - from, x, target);
        }
        if (whole < to) { // the last panel is padded: its results go through a scratch row
            int width = rows - whole * Panels.WIDTH;
            Rows scratch = Rows.of(new float[y.count() * Panels.WIDTH], Panels.WIDTH, y.count());
            multiply(whole, 1, x, scratch);
            for (int r = 0; r < y.count(); r++) {
                System.arraycopy(scratch.data(), scratch.start(r), y.data(), y.start(r) + whole * Panels.WIDTH, width);
            }
        }
        if (bias != null) {
            int end = Math.min(rows, to * Panels.WIDTH);
            for (int r = 0; r < y.count(); r++) {
                float[] out = y.data();
                int start = y.start(r);
                for (int n = from * Panels.WIDTH; n < end; n++) {
                    out[start + n] += bias[n];
                }
            }
        }
    }

    private void multiply(int panel, int count, Rows x, Rows y) {
        Panels run = new Panels(data, panel * panelBytes(), panelBytes(), count, cols);
        switch (dtype) {
            case F32 -> Kernels.multiplyF32(run, x, y);
            case BF16 -> Kernels.multiplyBf16(run, x, y);
            case F16 -> throw new AssertionError(dtype);
        }
    }

    /**
     * Copies row n, widened to f32, to {@code target[offset .. offset + cols)}.
     *
     * @throws IndexOutOfBoundsException if there is no such row
     */
    public void row(int n, float[] target, int offset) {
        Objects.checkIndex(n, rows);
        Objects.checkFromIndexSize(offset, cols, target.length);
        int panel = n / Panels.WIDTH;
        for (int k = 0; k < cols; k++) {
            target[offset + k] = get(panel, k, n % Panels.WIDTH);
        }
    }

    private int panels() {
        return Panels.needed(rows);
    }

    private long panelBytes() {
        return (long) cols * Panels.WIDTH * dtype.bytes();
    }

    private long position(int panel, int k, int j) {
        long step = panel * panelBytes() + (long) k * Panels.WIDTH * dtype.bytes();
        if (dtype == DType.F32) {
            return step + j * 4L;
        }
        int word = j / 32 * 16 + j % 16;
        return step + word * 4L + (j / 16 % 2) * 2L;
    }

    private void set(int panel, int k, int j, float value) {
        long position = position(panel, k, j);
        if (dtype == DType.F32) {
            data.set(FLOAT, position, value);
        } else {
            data.set(SHORT, position, DType.toBFloat16(value));
        }
    }

    private float get(int panel, int k, int j) {
        long position = position(panel, k, j);
        return dtype == DType.F32 ? data.get(FLOAT, position) : DType.fromBFloat16(data.get(SHORT, position));
    }
}
