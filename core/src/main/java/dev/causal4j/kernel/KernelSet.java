package dev.causal4j.kernel;

/**
 * The kernels of one kind.
 *
 * @param name {@code scalar}, {@code vector128}, {@code vector256} or {@code vector512}
 */
record KernelSet(String name, Products products, Reductions reductions, Elementwise elementwise) {
    /** The specification. */
    static KernelSet scalar() {
        return new KernelSet("scalar", new Products(), new Reductions(), new Elementwise());
    }

    /** Its twins on the Vector API, in the width of {@link VectorWidth}. */
    static KernelSet vector() {
        String name = "vector" + VectorWidth.floats().vectorBitSize();
        return new KernelSet(name, new VectorProducts(), new VectorReductions(), new VectorElementwise());
    }
}
