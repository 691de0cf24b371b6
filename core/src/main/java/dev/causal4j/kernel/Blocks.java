package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;

/** How a tensor of a file packs several numbers into a block of bytes; rows are whole blocks. */
public interface Blocks {
    /** Numbers of a block. */
    int elements();

    /** Bytes of a block. */
    int bytes();

    /** The format of panels that holds the same codes, scales and minimums without loss. */
    GroupFormat panels();

    /**
     * Decodes whole blocks: a number is {@code codes[i] * scales[i / group] + minimums[i / group]}, rounded once.
     *
     * @param offset bytes to the first block
     * @param count of numbers
     * @param minimums not written if the blocks have none
     */
    void decode(MemorySegment data, long offset, int count, byte[] codes, float[] scales, float[] minimums);

    /** Widens whole blocks. */
    void widen(MemorySegment data, long offset, int count, float[] target, int at);
}
