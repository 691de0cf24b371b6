package dev.causal4j.tensor;

import dev.causal4j.kernel.Kernels;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.RowTiles;
import dev.causal4j.kernel.Rows;
import dev.causal4j.kernel.Threads;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * dx = dy · W: the product that contracts over a matrix's outputs. One use by one caller; not thread-safe, though its
 * parts run on {@link Threads}.
 *
 * <p>Lanes must run over results, which are the matrix's inputs here: 64 of them at a time are transposed into a panel
 * [512 outputs, 64], and then it is a product like every other.
 */
final class TransposedProduct {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Outputs in one chain: part of the definition of the sum. */
    static final int GROUP = 512;

    /** A part has no fewer rows than this, since it transposes for itself. */
    private static final int LEAST_ROWS = 64;

    /** Where a thread's products make tiles of a group's gradients. */
    private static final ThreadLocal<Operand.Memory> TILES = ThreadLocal.withInitial(Operand.Memory::new);

    private final Matrix matrix;
    private final Rows dy;
    private final Rows dx;
    private final int partRows; // whole tiles
    private final int parts; // of the rows
    private final ConcurrentLinkedQueue<Scratch> scratch = new ConcurrentLinkedQueue<>();

    TransposedProduct(Matrix matrix, Rows dy, Rows dx) {
        this.matrix = matrix;
        this.dy = dy;
        this.dx = dx;
        int wanted = Math.ceilDiv(2 * Threads.count(), Panels.needed(matrix.cols())); // two tasks a thread, to be even
        int most = Math.clamp(dy.count() / LEAST_ROWS, 1, wanted);
        this.partRows = RowTiles.ROWS * Math.max(1, Math.ceilDiv(RowTiles.needed(dy.count()), most));
        this.parts = Math.ceilDiv(dy.count(), partRows);
    }

    void run() {
        Operand.Memory memory = TILES.get();
        try (Arena arena = Arena.ofShared()) {
            for (int from = 0; from < matrix.rows(); from += GROUP) {
                int first = from;
                int outputs = Math.min(GROUP, matrix.rows() - from);
                Rows group = new Rows(dy.data(), dy.offset() + from, dy.stride(), dy.count());
                RowTiles tiles = memory.tiles(dy.count(), outputs);
                Threads.each(tiles.tiles(), tile -> tiles.fill(tile, group, outputs));
                Threads.run(parts * Panels.needed(matrix.cols()), task -> {
                    Scratch free = scratch.poll();
                    Scratch mine = free == null ? new Scratch(arena, partRows) : free;
                    int row = task % parts * partRows;
                    int count = Math.min(partRows, dy.count() - row);
                    multiply(first, outputs, task / parts * Panels.WIDTH, tiles.rows(row, count), row, mine);
                    scratch.add(mine);
                });
            }
        }
    }

    /** What a thread works in. */
    private static final class Scratch {
        final float[] steps = new float[Panels.WIDTH * Panels.WIDTH]; // [64 inputs, 64 outputs], as the matrix has them
        final float[] numbers = new float[GROUP * Panels.WIDTH]; // [512 outputs, 64 inputs]
        final MemorySegment panel; // the same, off heap
        final float[] product; // [R, 64]

        Scratch(Arena arena, int rows) {
            panel = arena.allocate((long) numbers.length * Float.BYTES, 64);
            product = new float[rows * Panels.WIDTH];
        }
    }

    /** Adds the chains of outputs {@code from} on to inputs {@code col} to {@code col + 63} of rows {@code row} on. */
    private void multiply(int from, int outputs, int col, RowTiles x, int row, Scratch mine) {
        int width = Math.min(Panels.WIDTH, matrix.cols() - col);
        Rows target = new Rows(dx.data(), dx.start(row) + col, dx.stride(), x.count());
        transpose(from, outputs, col, width, mine);
        Panels panel = new Panels(mine.panel, 0, 0, 1, outputs);
        if (from == 0 && width == Panels.WIDTH) { // the first chains are where the sums begin
            Kernels.multiplyF32(panel, x, target);
            return;
        }
        Rows product = Rows.of(mine.product, Panels.WIDTH, x.count());
        Kernels.multiplyF32(panel, x, product);
        for (int r = 0; r < target.count(); r++) {
            add(product.data(), product.start(r), target.data(), target.start(r), width, from == 0);
        }
    }

    private static void add(float[] chains, int chain, float[] sums, int sum, int width, boolean first) {
        if (first) {
            System.arraycopy(chains, chain, sums, sum, width);
            return;
        }
        for (int i = 0; i < width; i++) {
            sums[sum + i] += chains[chain + i];
        }
    }

    /** Fills the panel with outputs {@code from} on of inputs {@code col} on. */
    private void transpose(int from, int outputs, int col, int width, Scratch mine) {
        for (int block = 0; block < outputs; block += Panels.WIDTH) {
            for (int k = 0; k < width; k++) {
                matrix.step((from + block) / Panels.WIDTH, col + k, mine.steps, k * Panels.WIDTH);
            }
            int end = Math.min(Panels.WIDTH, outputs - block);
            Rows steps = Rows.of(mine.steps, Panels.WIDTH, width);
            Transposition.transpose(steps, 0, new Rows(mine.numbers, block * Panels.WIDTH, Panels.WIDTH, end));
        }
        MemorySegment.copy(mine.numbers, 0, mine.panel, FLOAT, 0, outputs * Panels.WIDTH);
    }
}
