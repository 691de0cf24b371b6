package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;
import java.util.stream.Stream;

/**
 * The storage of a panel of 64 outputs: everything about a format except its vector loops ({@link VectorLoops}, {@link
 * VectorGroups}). Immutable and thread-safe.
 */
public sealed interface WeightFormat permits PanelFormat, GroupFormat {
    /** All formats; {@link Object#toString} is a format's name in converted files. */
    static Stream<WeightFormat> all() {
        return Stream.concat(Stream.of(PanelFormat.values()), GroupFormat.all());
    }

    /** The name in flags, JSON and messages: {@code f32}, {@code f16}, {@code bf16}, {@code int8}, {@code int4}. */
    String label();

    /** Bits of a number or code. */
    int bits();

    /** The inputs of a panel are a multiple of this number: 32 in groups, else 1. */
    default int multiple() {
        return 1;
    }

    /** Whether a weight is a code with a scale, rounded again when it changes. */
    default boolean isQuantised() {
        return multiple() > 1;
    }

    /** Bytes of a panel with this many steps of k. */
    long bytes(int depth);

    /** The weight of step k and output j of the panel at byte {@code panel}. */
    float weight(MemorySegment m, long panel, int depth, int k, int j);

    /** Copies the weights of output j: target[offset + k] for k below {@code depth}. */
    default void row(MemorySegment m, long panel, int j, int depth, float[] target, int offset) {
        for (int k = 0; k < depth; k++) {
            target[offset + k] = weight(m, panel, depth, k, j);
        }
    }

    /** Output j of the product of one row, with the bits of {@code Kernels.multiply}. */
    float output(MemorySegment m, long panel, int j, int depth, float[] x, int offset);

    /** Copies the weights of steps {@code from} to {@code from + count - 1}: [count, 64]. */
    void steps(MemorySegment m, long panel, int depth, int from, int count, float[] target);

    /**
     * Stores a panel.
     *
     * @param wide [depth, 64], may be overwritten
     * @param first number of its first output, for messages
     * @throws IllegalArgumentException if a number to quantise is not finite
     */
    void encode(float[] wide, int first, MemorySegment to, long at);
}
