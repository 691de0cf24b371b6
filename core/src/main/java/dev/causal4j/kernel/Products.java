package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;

/**
 * Products of panels. {@link ScalarProducts} is the specification, {@link VectorProducts} its twin with equal bits;
 * {@link Kernels} has checked every argument. Thread-safe.
 */
interface Products {
    /** The height of the tiles that products of so many rows read; 0 if they read rows where they lie. */
    int tileRows(int rows);

    /** Panels of a size of number, in bytes, that the product of rows where they lie reads side by side, at most. */
    int rowPanels(int bytes);

    /**
     * y[r][64 p + j] = sum over k of x[r][k] · panel[p][k][j], one chain of fused multiply-adds in the order of k that
     * starts at +0, for as many rows as are read where they lie.
     */
    void multiplyF32(Panels w, Rows x, Rows y);

    /** The same on bf16 panels, see {@link Panels} for their layout. */
    void multiplyBf16(Panels w, Rows x, Rows y);

    /** The same on int8 panels, without the scales of their rows. */
    void multiplyInt8(Panels w, Rows x, Rows y);

    /** The product of f32 panels and any number of rows. */
    void multiplyF32(Panels w, RowTiles x, Rows y);

    /** The same on bf16 panels. */
    void multiplyBf16(Panels w, RowTiles x, Rows y);

    /** The same on int8 panels, without the scales of their rows. */
    void multiplyInt8(Panels w, RowTiles x, Rows y);

    /** Continues the chains of one panel's outputs: y[r][j] = fma(x[r][k], w[k][j], y[r][j]) for k = 0, 1, ... */
    void addProductF32(Panels w, RowTiles x, MemorySegment y, long offset);

    /**
     * Fills a tile with rows: to[at + 8 k + r] = x[row + r][k] for r below {@code height}, 6 or 8; rows past the last
     * repeat the last. What is beyond the height means nothing.
     */
    void fillTile(Rows x, int row, int height, int depth, float[] to, int at);

    /**
     * Fills tiles of six with columns: to[at + t stride + 8 k + c] = x[k][6 t + c] for c below 6; columns past the last
     * repeat the last. What is beyond means nothing.
     */
    void fillTilesAcross(Rows x, int columns, float[] to, int at, int stride);

    /** to[j][k] = from[k][j] of a block of 64 by 64 numbers. */
    void transpose(MemorySegment from, long fromOffset, MemorySegment to, long toOffset);
}
