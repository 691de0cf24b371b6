package dev.causal4j.kernel;

/** The kernels of one kind. All have the bits of {@link Products}, the specification. Thread-safe. */
public interface KernelSet {
    /** {@code scalar}, {@code vector512} or the like, or a provider's name. */
    String name();

    /** Products by weights in the formats that {@link #multiplies} names. */
    Products products();

    /** Whether {@link #products} multiplies by weights of a format in groups. */
    default boolean multiplies(GroupFormat format) {
        return true;
    }
}
