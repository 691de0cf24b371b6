package dev.causal4j.kernel;

/**
 * A source of kernels that Java does not have, such as machine code: a service that {@link java.util.ServiceLoader} finds.
 * Its products take part only after they have shown the bits of {@link Products} on this machine ({@link
 * ProvidedKernels}).
 */
public interface KernelProvider {
    /** The name of its kernels on this machine. */
    String name();

    /** Whether this machine and this JVM can run its kernels. */
    boolean isUsable();

    /** Makes the kernels, once, if they are usable. What it throws refuses them. */
    KernelSet newInstance();
}
