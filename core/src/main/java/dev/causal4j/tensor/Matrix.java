package dev.causal4j.tensor;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.GroupFormat;
import dev.causal4j.kernel.GroupPacker;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.WeightFormat;
import dev.causal4j.kernel.choice.Kernels;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Objects;
import java.util.function.IntUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A weight matrix [rows, cols] in panels of 64 rows (see {@link Panels}), off heap, in f32, bf16, f16 or codes in
 * groups: row n holds the weights of output n. Immutable and thread-safe. Its {@link Device} has its memory and its
 * threads.
 *
 * <p>Rows are padded to a multiple of 64 with zeros; padding never reaches a result.
 */
public final class Matrix {
    /** Bytes of a cache line. */
    private static final int ALIGNMENT = 64;

    /** Tasks for each thread, if a task is a panel and some rows: enough to even out a slow core. */
    private static final int TASKS_PER_THREAD = 16;

    /**
     * Tasks for each thread, if a task is a run of panels. The first tasks read long runs of memory; the small last
     * ones let threads end together.
     */
    private static final int RUNS_PER_THREAD = 4;

    /** A run is a multiple of this many panels: a product of one row reads two side by side. */
    private static final int UNIT = 2;

    /** With fewer panels for each thread, shares of whole panels are uneven. */
    private static final int UNEVEN = 6;

    /** The fewest rows of a task that has a panel and some rows. */
    private static final int LEAST_ROWS = 48;

    /**
     * From this many rows on each panel is finished before the next, since the results of all no longer fit the cache.
     */
    private static final int MANY_ROWS = 259;

    private final Device device;
    private final DType dtype;
    private final WeightFormat format;
    private final int rows;
    private final int cols;
    final MemorySegment data; // the panels; MutableMatrix and Gradient change theirs

    private Matrix(Device device, WeightFormat format, int rows, int cols, MemorySegment data) {
        this.device = device;
        this.dtype = DType.of(format);
        this.format = format;
        this.rows = rows;
        this.cols = cols;
        this.data = data;
        if (format instanceof GroupFormat groups) {
            Kernels.prepare(groups);
        }
    }

    /** An uninitialised matrix. */
    static Matrix allocate(Device device, WeightFormat format, int rows, int cols) {
        MemorySegment data = device.arena().allocate(bytes(format, rows, cols), ALIGNMENT);
        return new Matrix(device, format, rows, cols, data);
    }

    /** Bytes of all panels of a matrix, padding included. */
    @SuppressWarnings("exports") // the readers of files alone call it
    public static long bytes(WeightFormat format, int rows, int cols) {
        if (rows < 1 || cols < 1) {
            throw new IllegalArgumentException("matrix: expected at least [1, 1], got [" + rows + ", " + cols + "]");
        }
        if (cols % format.multiple() != 0) {
            throw new IllegalArgumentException("inputs: expected a multiple of " + format.multiple() + ", got " + cols);
        }
        return Math.multiplyExact(Panels.needed(rows), format.bytes(cols));
    }

    /**
     * A matrix of existing panels, as from {@link #panelData}, for instance in a mapped file. They are used in place if
     * they are off heap and aligned to 64 bytes, otherwise copied. They must not be modified.
     *
     * @throws IllegalArgumentException if the size does not fit the shape
     */
    @SuppressWarnings("exports") // the readers of files alone call it
    public static Matrix ofPanels(Device device, WeightFormat format, int rows, int cols, MemorySegment panels) {
        long bytes = bytes(format, rows, cols);
        if (panels.byteSize() != bytes) {
            throw new IllegalArgumentException("panels: expected " + bytes + " bytes, got " + panels.byteSize());
        }
        boolean inPlace = panels.isNative() && panels.address() % ALIGNMENT == 0;
        MemorySegment data =
                inPlace ? panels : device.arena().allocate(bytes, ALIGNMENT).copyFrom(panels);
        return new Matrix(device, format, rows, cols, data);
    }

    /**
     * A matrix of codes in groups, filled in parallel.
     *
     * @param source called by several threads at once
     * @throws IllegalArgumentException if the shape is empty, the inputs are not whole groups, or a scale or minimum is
     *     not finite
     */
    @SuppressWarnings("exports") // the readers of files alone call it
    public static Matrix ofGroups(Device device, Groups groups, int rows, int cols, GroupFormat.Codes source) {
        GroupFormat format = groups.format();
        Matrix matrix = allocate(device, format, rows, cols);
        Compute.Scratch<GroupPacker> scratch = new Compute.Scratch<>(() -> Kernels.packer(format, cols));
        device.compute().run(Panels.needed(rows), scratch, (packer, panel) -> {
            int from = panel * Panels.WIDTH;
            packer.pack(from, Math.min(rows, from + Panels.WIDTH), matrix.data, matrix.start(panel), source);
        });
        return matrix;
    }

    /** A read-only view of all panels. */
    public MemorySegment panelData() {
        return data.asReadOnly();
    }

    /** The source of a new matrix's numbers. Called by several threads at once. */
    @FunctionalInterface
    public interface Source {
        /** Fills {@code target[0 .. cols)} with a row. */
        void row(int row, float[] target);
    }

    /**
     * A matrix of numbers in row-major order, filled in parallel. For bf16 and f16 a number is rounded to nearest, ties
     * to even. For int8 each 32 inputs of a row share a scale, the least f16 of at least max |w| / 127; a code is w /
     * scale, rounded likewise, with an error of at most half a scale.
     *
     * @throws IllegalArgumentException if the shape is empty, or a number is not finite in f16 or int8
     */
    public static Matrix of(Device device, DType dtype, int rows, int cols, Source source) {
        return of(device, dtype, rows, cols, (from, width, wide) -> {
            float[] row = new float[cols];
            for (int n = 0; n < width; n++) {
                source.row(from + n, row);
                for (int k = 0; k < cols; k++) {
                    wide[k * Panels.WIDTH + n] = row[k];
                }
            }
        });
    }

    /** The source of a new matrix's panels. Called by several threads at once. */
    @FunctionalInterface
    public interface PanelSource {
        /** Fills a panel with outputs {@code from} to {@code from + width - 1}, output n at wide[k * 64 + n]. */
        void fill(int from, int width, float[] wide);
    }

    /** A matrix of numbers in panels, see {@link #of(Device, DType, int, int, Source)}. */
    public static Matrix of(Device device, DType dtype, int rows, int cols, PanelSource source) {
        Matrix matrix = allocate(device, dtype.format, rows, cols);
        Compute.Scratch<float[]> scratch = new Compute.Scratch<>(() -> new float[cols * Panels.WIDTH]); // [cols, 64]
        device.compute().run(Panels.needed(rows), scratch, (wide, panel) -> {
            int from = panel * Panels.WIDTH;
            int width = Math.min(Panels.WIDTH, rows - from);
            if (width < Panels.WIDTH) {
                Arrays.fill(wide, 0f);
            }
            source.fill(from, width, wide);
            dtype.format.encode(wide, from, matrix.data, matrix.start(panel));
        });
        return matrix;
    }

    /** A copy in f32 with memory of its own. */
    public Matrix widened(Device target) {
        return of(target, DType.F32, rows, cols, (from, _, wide) -> steps(from / Panels.WIDTH, 0, cols, wide));
    }

    /** Its memory and threads. */
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

    /** The storage of the numbers. */
    public DType dtype() {
        return dtype;
    }

    /** Starts to compile its products in the background, see {@link Kernels#warmUp}. */
    public void warmUp() {
        Kernels.warmUp(format);
    }

    /** How the panels are stored. */
    @SuppressWarnings("exports") // the writers of files alone call it
    public WeightFormat format() {
        return format;
    }

    /** Numbers without padding: rows times cols. */
    public long parameters() {
        return (long) rows * cols;
    }

    /**
     * y[r][n] = sum over k of x[r][k] · w[n][k] (+ bias[n]), shared among {@link Compute}. The sum is one chain of
     * fused multiply-adds in the order of k, or, for codes in groups, one chain over the groups ({@link GroupFormat}).
     * Then the bias is added. The numbers of rows and threads do not matter.
     *
     * @param x rows of {@code cols()} numbers
     * @param bias {@code rows()} numbers, or null for none
     * @param y as many rows, of {@code rows()} numbers
     */
    public void multiply(Rows x, float @Nullable [] bias, Rows y) {
        if (bias != null && bias.length != rows) {
            throw new IllegalArgumentException("bias: expected " + rows + " numbers, got " + bias.length);
        }
        if (x.count() != y.count()) {
            throw new IllegalArgumentException("y: expected " + x.count() + " rows as in x, got " + y.count());
        }
        if (y.stride() < rows && y.count() > 1) {
            throw new IllegalArgumentException("y: expected rows of " + rows + " numbers, got " + y.stride());
        }
        PackedRows packed = PackedRows.POOL.take();
        int most = PackedRows.most(x.count(), cols);
        for (int first = 0; first < x.count(); first += most) {
            int count = Math.min(most, x.count() - first);
            Rows some = x.rows(first, count);
            Rows out = y.rows(first, count);
            packed.pack(device.compute(), some, this);
            multiply(packed, bias, out);
        }
        PackedRows.POOL.give(packed);
    }

    /** Divides the panels among tasks, and also the rows if panels are few or rows many. */
    private void multiply(PackedRows x, float @Nullable [] bias, Rows y) {
        int threads = device.compute().threads();
        int panels = Panels.needed(rows);
        boolean uneven = panels < UNEVEN * threads;
        boolean byPanel = y.count() >= MANY_ROWS || (uneven && y.count() >= LEAST_ROWS);
        int units = Math.ceilDiv(panels, UNIT);
        int runs = byPanel ? panels : Math.min(units, RUNS_PER_THREAD * threads);
        int parts =
                byPanel ? Math.clamp(TASKS_PER_THREAD * threads / panels, 1, Math.max(1, y.count() / LEAST_ROWS)) : 1;
        int partRows = x.height() * Math.ceilDiv(Math.ceilDiv(y.count(), x.height()), parts);
        // When `left` of all runs remain, (left / runs)² of the units remain.
        IntUnaryOperator after = left -> (int) Math.ceilDiv((long) units * left * left, (long) runs * runs);
        IntUnaryOperator bound = run -> byPanel ? run : Math.min(panels, UNIT * (units - after.applyAsInt(runs - run)));
        device.compute().run(runs * parts, task -> {
            int from = bound.applyAsInt(task / parts);
            int to = bound.applyAsInt(task / parts + 1);
            int first = task % parts * partRows;
            int count = Math.min(partRows, y.count() - first);
            if (count > 0) {
                multiplyPanels(from, to, x, first, bias, y.rows(first, count));
            }
        });
    }

    /**
     * Outputs {@code from} to {@code to - 1} of a product, on the calling thread: y[r][n - from] with the bits of
     * {@link #multiply} without a bias. Building block for callers that tile over outputs.
     *
     * @param from a multiple of 64
     * @param to a multiple of 64, or {@code rows()}
     * @param x packed rows of {@code cols()} numbers
     * @param first the first row to multiply, a multiple of {@link PackedRows#TILE}
     * @param y rows of {@code to - from} numbers
     */
    public void multiplyOutputs(int from, int to, PackedRows x, int first, Rows y) {
        Objects.checkFromToIndex(from, to, rows);
        if (from % Panels.WIDTH != 0 || (to % Panels.WIDTH != 0 && to != rows)) {
            throw new IllegalArgumentException("outputs: expected whole panels, got " + from + " to " + to);
        }
        Rows all = new Rows(y.data(), y.offset() - from, y.stride(), y.count());
        multiplyPanels(from / Panels.WIDTH, Panels.needed(to), x, first, null, all);
    }

    private void multiplyPanels(int from, int to, PackedRows x, int row, float @Nullable [] bias, Rows y) {
        int whole = Math.min(to, rows / Panels.WIDTH);
        if (from < whole) {
            Rows outputs = new Rows(y.data(), y.offset() + from * Panels.WIDTH, y.stride(), y.count());
            x.multiply(run(from, whole - from), row, outputs);
        }
        if (whole < to) { // the last panel is padded: its results go through a scratch row
            int width = rows - whole * Panels.WIDTH;
            Rows scratch = Rows.of(new float[y.count() * Panels.WIDTH], Panels.WIDTH, y.count());
            x.multiply(run(whole, 1), row, scratch);
            for (int r = 0; r < y.count(); r++) {
                System.arraycopy(scratch.data(), scratch.start(r), y.data(), y.start(r) + whole * Panels.WIDTH, width);
            }
        }
        if (bias != null) {
            int first = from * Panels.WIDTH;
            for (int r = 0; r < y.count(); r++) {
                Kernels.add(bias, first, y.data(), y.start(r) + first, Math.min(rows, to * Panels.WIDTH) - first);
            }
        }
    }

    private Panels run(int panel, int count) {
        return new Panels(format, data, start(panel), format.bytes(cols), count, cols);
    }

    /**
     * dx = dy · W, the gradient of the inputs of y = x · Wᵀ: dx[r][k] = sum over n of dy[r][n] · w[n][k], shared among
     * {@link Compute}. Each 1,024 outputs n are one chain of fused multiply-adds in the order of n; the chains are
     * added in that order. w[n][k] is the number that {@link #row} gives. Worth its cost from 64 rows on.
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

    /**
     * Copies row n, widened to f32, to {@code target[offset .. offset + cols)}.
     *
     * @throws IndexOutOfBoundsException if there is no such row
     */
    public void row(int n, float[] target, int offset) {
        Objects.checkIndex(n, rows);
        Objects.checkFromIndexSize(offset, cols, target.length);
        format.row(data, start(n / Panels.WIDTH), n % Panels.WIDTH, cols, target, offset);
    }

    /**
     * One output of a product without a bias, with the bits of {@link #multiply}: sum over k of x[offset + k] ·
     * w[n][k].
     *
     * @throws IndexOutOfBoundsException if there is no row n, or x has fewer than {@code offset + cols()} numbers
     */
    public float output(int n, float[] x, int offset) {
        Objects.checkIndex(n, rows);
        Objects.checkFromIndexSize(offset, cols, x.length);
        return format.output(data, start(n / Panels.WIDTH), n % Panels.WIDTH, cols, x, offset);
    }

    /** Copies steps {@code from} to {@code from + count - 1} of a panel, widened: [count, 64]. */
    void steps(int panel, int from, int count, float[] target) {
        format.steps(data, start(panel), cols, from, count, target);
    }

    /** The offset of a panel in bytes. */
    long start(int panel) {
        return panel * format.bytes(cols);
    }
}
