package dev.causal4j.kernel.choice;

import dev.causal4j.kernel.GroupFormat;
import dev.causal4j.kernel.Products;

/**
 * Products that Java does not have, such as machine code: a service that {@link java.util.ServiceLoader} finds. They take
 * part only after they have shown the bits of {@link Products}, the specification, on this machine ({@link
 * ProvidedKernels}). Thread-safe.
 */
public interface KernelProvider {
    /** The name of its kernels on this machine. */
    String name();

    /** Whether this machine and this JVM can run them. */
    boolean isUsable();

    /** Whether they multiply by weights of a format in groups. */
    boolean multiplies(GroupFormat format);

    /**
     * Makes the products, once, if they are usable. An exception disables the provider. They round inputs, too, and multiply them by
     * weights in groups; what they do not override is plain Java.
     */
    Products products();
}
