package dev.causal4j.tensor;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.PanelFormat;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.RowTiles;
import dev.causal4j.kernel.choice.Kernels;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * The gradient of a matrix [rows, cols]: f32, off heap, in the panels of an f32 {@link Matrix}. Mutable; not
 * thread-safe.
 *
 * <p>All operations accumulate, in row order, so splitting a batch changes no bit, for every number of threads and
 * every vector width.
 */
public final class Gradient {
    /**
     * Rows summed at once: their part of a panel's product fits the second-level cache. They are packed into a panel of
     * scratch.
     */
    private static final int BLOCK = TransposedProduct.GROUP / 2;

    /** Bytes of a step of a panel. */
    private static final long STEP = 4L * Panels.WIDTH;

    private final Matrix sums;

    /**
     * Whether all numbers count as zero, whatever {@link #sums} hold. The first product then writes zeros before it
     * adds.
     */
    private boolean zero = true;

    private Gradient(Matrix sums) {
        this.sums = sums;
    }

    /** A gradient of zeros for a matrix. */
    public static Gradient of(Device device, Matrix matrix) {
        return new Gradient(Matrix.allocate(device, PanelFormat.F32, matrix.rows(), matrix.cols()));
    }

    /** Outputs of the matrix. */
    public int rows() {
        return sums.rows();
    }

    /** Inputs of the matrix. */
    public int cols() {
        return sums.cols();
    }

    /** Sets all numbers to zero. */
    public void clear() {
        zero = true;
    }

    /**
     * The sum of the squares of all numbers, in double and in a fixed order: each output of a panel in the order of k,
     * then the 64 outputs, then the panels.
     */
    public double squaredNorm() {
        writeZeros();
        double[] squares = new double[Panels.needed(rows())];
        compute().run(squares.length, panel -> {
            double[] lanes = new double[Panels.WIDTH];
            Kernels.addSquares(new Panels(sums.data, sums.start(panel), 0, 1, cols()), lanes);
            for (double lane : lanes) {
                squares[panel] += lane;
            }
        });
        double sum = 0;
        for (double panel : squares) {
            sum += panel;
        }
        return sum;
    }

    /** All sums in panels, as {@link MutableMatrix#panels} are. */
    public MemorySegment panels() {
        writeZeros();
        return sums.data;
    }

    /** Writes zeros if the gradient is zero, before single numbers are read or added to. */
    private void writeZeros() {
        if (zero) {
            sums.data.fill((byte) 0);
            zero = false;
        }
    }

    /**
     * Copies row n to {@code target[offset .. offset + cols)}.
     *
     * @throws IndexOutOfBoundsException if there is no such row
     */
    public void row(int n, float[] target, int offset) {
        writeZeros();
        sums.row(n, target, offset);
    }

    /**
     * Adds the gradient of y = x · Wᵀ: g[n][k] = fma(dy[r][n], x[r][k], g[n][k]) for r = 0, 1, ..., shared among
     * {@link Compute}.
     *
     * @param dy [R, rows()] the gradient of the outputs
     * @param x [R, cols()] the inputs
     */
    public void add(Rows dy, Rows x) {
        if (dy.count() != x.count()) {
            throw new IllegalArgumentException(
                    "rows: expected as many outputs as inputs, got " + dy.count() + " and " + x.count());
        }
        PackedRows packed = PackedRows.POOL.take();
        for (int r = 0; r < dy.count(); r += BLOCK) {
            int count = Math.min(BLOCK, dy.count() - r);
            Rows some = dy.rows(r, count);
            Rows inputs = x.rows(r, count);
            RowTiles columns = packed.tiles(cols(), count); // [cols, R], x transposed
            compute().each(RowTiles.runs(inputs), run -> columns.fillAcross(run, inputs));
            boolean first = zero;
            compute().run(Panels.needed(rows()), TransposedProduct.Scratch.POOL, (mine, panel) -> {
                int from = panel * Panels.WIDTH;
                pack(some, from, Math.min(Panels.WIDTH, rows() - from), mine.panel);
                if (first) { // zeros that stay cached until the product adds to them
                    sums.data.asSlice(sums.start(panel), sums.start(1)).fill((byte) 0);
                }
                Kernels.addProduct(new Panels(mine.panel, 0, 0, 1, count), columns, sums.data, sums.start(panel));
            });
            zero = false;
        }
        PackedRows.POOL.give(packed);
    }

    /** Packs columns {@code from} to {@code from + width - 1} of rows as a panel [R, 64]; its other columns are 0. */
    private static void pack(Rows dy, int from, int width, MemorySegment panel) {
        if (width < Panels.WIDTH) {
            panel.asSlice(0, dy.count() * STEP).fill((byte) 0);
        }
        for (int r = 0; r < dy.count(); r++) {
            MemorySegment.copy(dy.data(), dy.start(r) + from, panel, Panels.FLOAT, r * STEP, width);
        }
    }

    /**
     * Adds rows by their number: row i of {@code source} to row {@code numbers[i]}, for i = 0, 1, ... Numbers may
     * repeat.
     *
     * @param source [numbers.length, cols()]
     * @throws IndexOutOfBoundsException if there is no such row; nothing is added then
     */
    public void addRows(int[] numbers, Rows source) {
        if (source.count() != numbers.length) {
            throw new IllegalArgumentException(
                    "rows: expected one for each of " + numbers.length + " numbers, got " + source.count());
        }
        for (int n : numbers) {
            Objects.checkIndex(n, rows());
        }
        writeZeros();
        compute().run(Math.ceilDiv(cols(), Panels.WIDTH), task -> {
            int end = Math.min(cols(), (task + 1) * Panels.WIDTH);
            for (int i = 0; i < numbers.length; i++) {
                for (int k = task * Panels.WIDTH; k < end; k++) {
                    long position = sums.start(numbers[i] / Panels.WIDTH)
                            + ((long) k * Panels.WIDTH + numbers[i] % Panels.WIDTH) * Float.BYTES;
                    float sum = sums.data.get(Panels.FLOAT, position) + source.data()[source.start(i) + k];
                    sums.data.set(Panels.FLOAT, position, sum);
                }
            }
        });
    }

    private Compute compute() {
        return sums.device().compute();
    }
}
