package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;

/** How a panel of 64 outputs is stored: numbers or codes with a scale an output, or codes in groups. */
public sealed interface WeightFormat permits PanelFormat, GroupFormat {
    /** Bytes of a panel with this many steps of k. */
    long bytes(int depth);

    /** How many sums of inputs a product needs for each row: one a group, or 0. */
    default int sums(int depth) {
        return 0;
    }

    /**
     * Copies the weights of output j of the panel at byte {@code panel}: target[offset + k] for k below {@code depth}.
     */
    void row(MemorySegment m, long panel, int j, int depth, float[] target, int offset);

    /** Output j of the product of one row, with the bits of {@link Kernels#multiply(Panels, RowTiles, Rows)}. */
    float output(MemorySegment m, long panel, int j, int depth, float[] x, int offset);

    /**
     * Stores a panel.
     *
     * @param wide [depth, 64], may be overwritten
     * @param first number of its first output, for messages
     * @throws IllegalArgumentException if a number to quantise is not finite
     */
    void encode(float[] wide, int first, MemorySegment to, long at);

    /** Copies the weights of steps {@code from} to {@code from + count - 1}: [count, 64]. */
    void steps(MemorySegment m, long panel, int depth, int from, int count, float[] target);
}
