package dev.causal4j.kernel.choice;

import dev.causal4j.kernel.GroupFormat;
import dev.causal4j.kernel.Products;

/**
 * Products in other than Java, such as machine code: a service that {@link java.util.ServiceLoader} finds. They are
 * used only after an exam on this machine has found the bits of {@link Products}, the specification ({@link
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
     * Makes the products, once, if they are usable. An exception disables the provider. They round inputs, too, and
     * multiply them by weights in groups; methods that they do not override are plain Java.
     */
    Products products();
}
