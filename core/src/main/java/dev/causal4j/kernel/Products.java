package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;

/**
 * Products of panels. {@link ScalarProducts} is the specification, {@link VectorProducts} its twin with equal bits;
 * {@link Kernels} has checked every argument. Thread-safe.
 */
interface Products {
    /** The blocking of products on this machine. */
    Tuning tuning();

    /**
     * y[r][64 p + j] = sum over k of x[r][k] · code[p][k][j], one chain of fused multiply-adds in the order of k that
     * starts at +0, times the output's scale if the format has scales.
     */
    void multiply(Panels w, RowTiles x, Rows y);

    /** Continues the chains of one f32 panel's outputs: y[r][j] = fma(x[r][k], w[k][j], y[r][j]) for k = 0, 1, ... */
    void addProduct(Panels w, RowTiles x, MemorySegment y, long offset);
}
