package dev.causal4j.kernel;

/**
 * The kernels in Java: a complete set.
 *
 * @param name {@code scalar}, {@code vector128}, {@code vector256} or {@code vector512}
 */
public record JavaKernels(
        String name, Products products, Reductions reductions, Elementwise elementwise, Recurrences recurrences) {
    /** The specification. */
    public static JavaKernels scalar() {
        return new JavaKernels("scalar", new Products(), new Reductions(), new Elementwise(), new Recurrences());
    }

    /** Its twins on the Vector API, in the width of {@link VectorWidth}. */
    public static JavaKernels vector() {
        String name = "vector" + VectorWidth.floats().vectorBitSize();
        return new JavaKernels(
                name, new VectorProducts(), new VectorReductions(), new VectorElementwise(), new VectorRecurrences());
    }
}
