package dev.causal4j.tensor;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.RowTiles;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A weight matrix [rows, cols] in panels of 64 rows (see {@link Panels}), off heap, in f32, bf16 or int8: row n holds
 * the weights of output n. Immutable and thread-safe. Its memory and its threads are those of its {@link Device}.
 *
 * <p>The rows are padded to a multiple of 64 with zeros; padding never reaches a result. Java counts the memory against
 * {@code -XX:MaxDirectMemorySize}, which is a quarter of the machine's unless it is set.
 */
public final class Matrix {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Bytes of a line of the cache. */
    private static final int ALIGNMENT = 64;

    /** Tasks for each thread: enough to even out a slow core, few enough that each reads a long run. */
    private static final int TASKS_PER_THREAD = 16;

    /** Panels of a task for rows in few tiles, at least, where there are so many: they are read in one run. */
    private static final int LEAST_RUN = 12;

    /** Register tiles for which a panel is worth reading by itself: eight, of 43 to 48 rows. */
    private static final int LEAST_TILES = 8;

    private final Device device;
    private final DType dtype;
    private final int rows;
    private final int cols;
    private final MemorySegment data;
    private final float @Nullable [] scales; // [rows] of an int8 matrix

    private Matrix(Device device, DType dtype, int rows, int cols, MemorySegment data, float @Nullable [] scales) {
        this.device = device;
        this.dtype = dtype;
        this.rows = rows;
        this.cols = cols;
        this.data = data;
        this.scales = scales;
    }

    /** A matrix of zeros, to be filled. */
    private static Matrix zeros(Device device, DType dtype, int rows, int cols) {
        MemorySegment data = device.arena().allocate(bytes(dtype, rows, cols), ALIGNMENT);
        return new Matrix(device, dtype, rows, cols, data, dtype == DType.INT8 ? new float[rows] : null);
    }

    /** Bytes of all panels of a matrix, padding included. */
    private static long bytes(DType dtype, int rows, int cols) {
        if (dtype == DType.F16) {
            throw new IllegalArgumentException("matrix dtype: expected f32, bf16 or int8, got f16");
        }
        if (rows < 1 || cols < 1) {
            throw new IllegalArgumentException("matrix: expected at least [1, 1], got [" + rows + ", " + cols + "]");
        }
        return Math.multiplyExact((long) Panels.needed(rows) * Panels.WIDTH, (long) cols * dtype.bytes());
    }

    /**
     * A matrix of panels that exist already, as {@link #panelData} and {@link #scales} gave them, for instance in a mapped
     * file. They are used where they lie if that is off heap and on a multiple of 64 bytes, and copied otherwise. Nobody
     * may write to them.
     *
     * @param scales finite, at least 0, one for each row of an int8 matrix, not copied; empty for another
     * @throws IllegalArgumentException if the sizes are not those of the shape
     */
    public static Matrix ofPanels(
            Device device, DType dtype, int rows, int cols, MemorySegment panels, float[] scales) {
        long bytes = bytes(dtype, rows, cols);
        if (panels.byteSize() != bytes) {
            throw new IllegalArgumentException("panels: expected " + bytes + " bytes, got " + panels.byteSize());
        }
        if (scales.length != (dtype == DType.INT8 ? rows : 0)) {
            throw new IllegalArgumentException(
                    "scales: expected one for each row of an int8 matrix and no other, got " + scales.length);
        }
        MemorySegment data = panels;
        if (!panels.isNative() || panels.address() % ALIGNMENT != 0) {
            data = device.arena().allocate(bytes, ALIGNMENT).copyFrom(panels);
        }
        return new Matrix(device, dtype, rows, cols, data, dtype == DType.INT8 ? scales : null);
    }

    /** All panels as they are stored, [rows / 64 rounded up][cols][64]; not copied and read-only. */
    public MemorySegment panelData() {
        return data.asReadOnly();
    }

    /** The scales of an int8 matrix, one for each row; of another an empty array. A copy. */
    public float[] scales() {
        return scales == null ? new float[0] : scales.clone();
    }

    /** Where the numbers of a new matrix come from. Called by several threads at once. */
    @FunctionalInterface
    public interface Source {
        /** Fills {@code target[0 .. cols)} with a row. */
        void row(int row, float[] target);
    }

    /**
     * Builds a matrix from numbers in row-major order, filled in parallel. For bf16 a number is rounded to nearest, ties
     * to even; for int8 each row gets a scale of its own, max |w| / 127, and holds w / scale rounded likewise, so that a
     * weight is at most half a scale off.
     *
     * @throws IllegalArgumentException if the shape is empty, the dtype is f16, or a number to quantise is not finite
     */
    public static Matrix of(Device device, DType dtype, int rows, int cols, Source source) {
        Matrix matrix = zeros(device, dtype, rows, cols);
        device.compute().run(matrix.panels(), panel -> {
            float[] row = new float[cols];
            float[] wide = new float[cols * Panels.WIDTH]; // [cols, 64]
            int from = panel * Panels.WIDTH;
            for (int n = from; n < Math.min(rows, from + Panels.WIDTH); n++) {
                source.row(n, row);
                for (int k = 0; k < cols; k++) {
                    wide[k * Panels.WIDTH + n - from] = row[k];
                }
            }
            matrix.encode(panel, wide);
        });
        return matrix;
    }

    /**
     * Builds a matrix from a tensor [rows, cols].
     *
     * @throws IllegalArgumentException if the tensor does not have two dimensions of 1 to 2^31 - 1
     */
    public static Matrix of(Device device, DType dtype, TensorView tensor) {
        int rows = dimension(tensor, 0);
        int cols = dimension(tensor, 1);
        return of(device, dtype, rows, cols, (row, target) -> tensor.copyTo((long) row * cols, target, 0, cols));
    }

    /**
     * Builds a matrix from a tensor [cols, rows]: the layout of Hugging Face's Conv1D, whose weights are [in, out]. A
     * step of k is then a run of the tensor, so nothing is transposed in between.
     */
    public static Matrix ofTransposed(Device device, DType dtype, TensorView tensor) {
        int cols = dimension(tensor, 0);
        int rows = dimension(tensor, 1);
        Matrix matrix = zeros(device, dtype, rows, cols);
        device.compute().run(matrix.panels(), panel -> {
            int from = panel * Panels.WIDTH;
            int width = Math.min(Panels.WIDTH, rows - from);
            float[] wide = new float[cols * Panels.WIDTH]; // [cols, 64]
            for (int k = 0; k < cols; k++) {
                tensor.copyTo((long) k * rows + from, wide, k * Panels.WIDTH, width);
            }
            matrix.encode(panel, wide);
        });
        return matrix;
    }

    private static int dimension(TensorView tensor, int index) {
        if (tensor.shape().size() != 2) {
            throw new IllegalArgumentException(tensor.name() + ": expected 2 dimensions, got " + tensor.shape());
        }
        return Math.toIntExact(tensor.shape().get(index));
    }

    /** Where it lives and which threads compute with it. */
    public Device device() {
        return device;
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
     * y[r][n] = sum over k of x[r][k] · w[n][k] (+ bias[n]), shared among {@link Compute}. The sum is one chain of fused
     * multiply-adds in the order of k, then an int8 row's scale is applied, then the bias is added, whatever the number of
     * rows and threads.
     *
     * @param x rows of {@code cols()} numbers
     * @param bias {@code rows()} numbers, or null for none
     * @param y as many rows, of {@code rows()} numbers
     */
    public void multiply(Rows x, float @Nullable [] bias, Rows y) {
        multiplyFrom(0, x, bias, y);
    }

    /**
     * The outputs from {@code from} on of a product, with the bits of {@link #multiply}: y[r][n] for n = from to rows() - 1.
     * Those of the same panel before it are written too; those of earlier panels stay as they are.
     *
     * @throws IndexOutOfBoundsException if there is no output {@code from}
     */
    public void multiplyFrom(int from, Rows x, float @Nullable [] bias, Rows y) {
        int firstPanel = Objects.checkIndex(from, rows) / Panels.WIDTH;
        if (bias != null && bias.length != rows) {
            throw new IllegalArgumentException("bias: expected " + rows + " numbers, got " + bias.length);
        }
        if (y.stride() < rows && y.count() > 1) {
            throw new IllegalArgumentException("y: expected rows of " + rows + " numbers, got " + y.stride());
        }
        int most = Operand.most(x.count(), cols);
        for (int first = 0; first < x.count(); first += most) {
            int count = Math.min(most, x.count() - first);
            Rows some = new Rows(x.data(), x.start(first), x.stride(), count);
            multiply(
                    firstPanel,
                    Operand.of(device, some, cols, Operand.memory()),
                    bias,
                    new Rows(y.data(), y.start(first), y.stride(), count));
        }
    }

    private void multiply(int firstPanel, Operand x, float @Nullable [] bias, Rows y) {
        boolean tiled = x.tiles() != null;
        // Threads share too few panels unevenly, unless each is cut by its rows.
        boolean fewPanels =
                panels() - firstPanel < LEAST_RUN / 2 * device.compute().threads();
        if (x.areMany() || (tiled && fewPanels && RowTiles.needed(y.count()) >= LEAST_TILES)) {
            multiplyMany(firstPanel, x, bias, y);
            return;
        }
        int unit = tiled ? 1 : rowPanels();
        int units = Math.ceilDiv(panels() - firstPanel, unit);
        int perThread =
                Math.clamp(units / ((tiled ? LEAST_RUN : 1) * device.compute().threads()), 1, TASKS_PER_THREAD);
        int tasks = Math.min(units, perThread * device.compute().threads());
        device.compute().run(tasks, task -> {
            int from = firstPanel + unit * (int) ((long) units * task / tasks);
            int to = firstPanel + unit * (int) ((long) units * (task + 1) / tasks);
            multiplyPanels(from, Math.min(to, panels()), x, bias, y);
        });
    }

    /** Panels that one row reads side by side: as many as are best, or two where the thread with the most then has fewer. */
    private int rowPanels() {
        int most = Kernels.rowPanels(dtype.bytes());
        return longestShare(2) < longestShare(most) ? 2 : most;
    }

    private int longestShare(int unit) {
        return unit
                * Math.ceilDiv(Math.ceilDiv(panels(), unit), device.compute().threads());
    }

    /** Many rows: a task is one panel, or where there are few panels a part of the rows of one. */
    private void multiplyMany(int firstPanel, Operand x, float @Nullable [] bias, Rows y) {
        int panels = panels() - firstPanel;
        int tiles = RowTiles.needed(y.count());
        int parts =
                Math.clamp(TASKS_PER_THREAD * device.compute().threads() / panels, 1, Math.max(1, tiles / LEAST_TILES));
        int partRows = RowTiles.ROWS * Math.ceilDiv(tiles, parts);
        device.compute().run(panels * parts, task -> {
            int first = task % parts * partRows;
            int count = Math.min(partRows, y.count() - first);
            if (count > 0) {
                Rows out = new Rows(y.data(), y.start(first), y.stride(), count);
                int panel = firstPanel + task / parts;
                multiplyPanels(panel, panel + 1, x.slice(first, count), bias, out);
            }
        });
    }

    /**
     * The part of a product that makes outputs {@code from} to {@code to - 1}, on the calling thread alone: y[r][n - from]
     * with the bits of {@link #multiply} without a bias. What runs over all outputs in tiles is made of it.
     *
     * @param from a multiple of {@link Panels#WIDTH}
     * @param to a multiple of it too, or {@code rows()}
     * @param x prepared rows of {@code cols()} numbers
     * @param y as many rows, of {@code to - from} numbers
     */
    public void multiplyOutputs(int from, int to, Operand x, Rows y) {
        Objects.checkFromToIndex(from, to, rows);
        if (from % Panels.WIDTH != 0 || (to % Panels.WIDTH != 0 && to != rows)) {
            throw new IllegalArgumentException("outputs: expected whole panels, got " + from + " to " + to);
        }
        Rows all = new Rows(y.data(), y.offset() - from, y.stride(), y.count());
        multiplyPanels(from / Panels.WIDTH, Panels.needed(to), x, null, all);
    }

    private void multiplyPanels(int from, int to, Operand x, float @Nullable [] bias, Rows y) {
        int whole = Math.min(to, rows / Panels.WIDTH);
        int step =
                x.areMany() ? 1 : Math.max(1, whole - from); // of many rows, what is finished at once is in the cache
        for (int p = from; p < whole; p += step) {
            multiply(p, step, x, new Rows(y.data(), y.offset() + p * Panels.WIDTH, y.stride(), y.count()));
            finish(y, p * Panels.WIDTH, (p + step) * Panels.WIDTH, bias);
        }
        if (whole < to) { // the last panel is padded: its results go through a scratch row
            int width = rows - whole * Panels.WIDTH;
            Rows scratch = Rows.of(new float[y.count() * Panels.WIDTH], Panels.WIDTH, y.count());
            multiply(whole, 1, x, scratch);
            for (int r = 0; r < y.count(); r++) {
                System.arraycopy(scratch.data(), scratch.start(r), y.data(), y.start(r) + whole * Panels.WIDTH, width);
            }
            finish(y, whole * Panels.WIDTH, rows, bias);
        }
    }

    /** Scales the outputs of an int8 matrix, then adds the bias. */
    private void finish(Rows y, int from, int to, float @Nullable [] bias) {
        for (int r = 0; r < y.count(); r++) {
            if (scales != null) {
                Kernels.scale(scales, from, y.data(), y.start(r) + from, to - from);
            }
            if (bias != null) {
                Kernels.add(bias, from, y.data(), y.start(r) + from, to - from);
            }
        }
    }

    private void multiply(int panel, int count, Operand x, Rows y) {
        Panels run = new Panels(data, panel * panelBytes(), panelBytes(), count, cols);
        RowTiles tiles = x.tiles();
        switch (dtype) {
            case F32 -> {
                if (tiles == null) {
                    Kernels.multiplyF32(run, x.rows(), y);
                } else {
                    Kernels.multiplyF32(run, tiles, y);
                }
            }
            case BF16 -> {
                if (tiles == null) {
                    Kernels.multiplyBf16(run, x.rows(), y);
                } else {
                    Kernels.multiplyBf16(run, tiles, y);
                }
            }
            case INT8 -> {
                if (tiles == null) {
                    Kernels.multiplyInt8(run, x.rows(), y);
                } else {
                    Kernels.multiplyInt8(run, tiles, y);
                }
            }
            case F16 -> throw new AssertionError(dtype);
        }
    }

    /**
     * dx = dy · W, the gradient of the inputs of y = x · Wᵀ: dx[r][k] = sum over n of dy[r][n] · w[n][k], shared among
     * {@link Compute}. Each 1,024 outputs n are one chain of fused multiply-adds in the order of n; the chains are added in
     * that order. w[n][k] is the number {@link #row} gives. Worth its preparations from 64 rows on.
     *
     * @param dy [R, rows()]
     * @param dx [R, cols()], written
     */
    public void multiplyTransposed(Rows dy, Rows dx) {
        if (dy.count() != dx.count()) {
            throw new IllegalArgumentException(
                    "rows: expected as many in as out, got " + dy.count() + " and " + dx.count());
        }
        new TransposedProduct(this, dy, dx).run();
    }

    /** Copies the numbers of step k of a panel, widened; those of its padding may be left out. */
    void step(int panel, int k, float[] target, int offset) {
        long start = position(panel, k, 0);
        switch (dtype) {
            case F32 -> MemorySegment.copy(data, FLOAT, start, target, offset, Panels.WIDTH);
            case BF16 -> {
                for (int word = 0; word < Panels.WIDTH / 2; word++) {
                    int low = offset + word / 16 * 32 + word % 16;
                    target[low] = DType.fromBFloat16(data.get(SHORT, start + word * 4L));
                    target[low + 16] = DType.fromBFloat16(data.get(SHORT, start + word * 4L + 2));
                }
            }
            case INT8 -> {
                float[] factors = Objects.requireNonNull(scales);
                int first = panel * Panels.WIDTH;
                for (int j = 0; j < Math.min(Panels.WIDTH, rows - first); j++) {
                    target[offset + j] =
                            data.get(ValueLayout.JAVA_BYTE, start + j % 16 * 4L + j / 16) * factors[first + j];
                }
            }
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
        long first = position(n / Panels.WIDTH, 0, n % Panels.WIDTH);
        long step = (long) Panels.WIDTH * dtype.bytes();
        switch (dtype) { // one loop each: a switch inside the loop made building a screen twice as slow
            case F32 -> {
                for (int k = 0; k < cols; k++) {
                    target[offset + k] = data.get(FLOAT, first + k * step);
                }
            }
            case BF16 -> {
                for (int k = 0; k < cols; k++) {
                    target[offset + k] = DType.fromBFloat16(data.get(SHORT, first + k * step));
                }
            }
            case INT8 -> {
                float scale = Objects.requireNonNull(scales)[n];
                for (int k = 0; k < cols; k++) {
                    target[offset + k] = data.get(ValueLayout.JAVA_BYTE, first + k * step) * scale;
                }
            }
            case F16 -> throw new AssertionError(dtype);
        }
    }

    /**
     * One output of a product without a bias, with the bits {@link #multiply} gives it: sum over k of
     * x[offset + k] · w[n][k].
     *
     * @throws IndexOutOfBoundsException if there is no row n, or x has fewer than {@code offset + cols()} numbers
     */
    public float output(int n, float[] x, int offset) {
        Objects.checkIndex(n, rows);
        Objects.checkFromIndexSize(offset, cols, x.length);
        long first = position(n / Panels.WIDTH, 0, n % Panels.WIDTH);
        long step = (long) Panels.WIDTH * dtype.bytes();
        float sum = 0;
        switch (dtype) { // one loop each, as in row
            case F32 -> {
                for (int k = 0; k < cols; k++) {
                    sum = Math.fma(x[offset + k], data.get(FLOAT, first + k * step), sum);
                }
            }
            case BF16 -> {
                for (int k = 0; k < cols; k++) {
                    sum = Math.fma(x[offset + k], DType.fromBFloat16(data.get(SHORT, first + k * step)), sum);
                }
            }
            case INT8 -> {
                for (int k = 0; k < cols; k++) {
                    sum = Math.fma(x[offset + k], data.get(ValueLayout.JAVA_BYTE, first + k * step), sum);
                }
            }
            case F16 -> throw new AssertionError(dtype);
        }
        return scales == null ? sum : sum * scales[n];
    }

    /** The panels, for those of this package that made the matrix and may still write to it. */
    MemorySegment numbers() {
        return data;
    }

    private int panels() {
        return Panels.needed(rows);
    }

    private long panelBytes() {
        return (long) cols * Panels.WIDTH * dtype.bytes();
    }

    /** Bytes to number j of step k of a panel; the layouts are those of {@link Panels}. */
    long position(int panel, int k, int j) {
        long step = panel * panelBytes() + (long) k * Panels.WIDTH * dtype.bytes();
        return switch (dtype) {
            case F32 -> step + j * 4L;
            case BF16 -> step + (j / 32 * 16 + j % 16) * 4L + j / 16 % 2 * 2L;
            case INT8 -> step + j % 16 * 4L + j / 16;
            case F16 -> throw new AssertionError(dtype);
        };
    }

    /** Stores a panel given in f32 as [cols, 64], which it may overwrite. */
    private void encode(int panel, float[] wide) {
        switch (dtype) {
            case F32 -> MemorySegment.copy(wide, 0, data, FLOAT, panel * panelBytes(), wide.length);
            case BF16 -> store(panel, PanelEncoding.bf16Words(wide));
            case INT8 -> {
                int from = panel * Panels.WIDTH;
                int width = Math.min(Panels.WIDTH, rows - from);
                store(panel, PanelEncoding.int8Words(wide, from, width, Objects.requireNonNull(scales)));
            }
            case F16 -> throw new AssertionError(dtype);
        }
    }

    private void store(int panel, int[] words) {
        MemorySegment.copy(words, 0, data, INT, panel * panelBytes(), words.length);
    }
}
