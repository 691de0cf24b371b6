package dev.causal4j.kernel;

import java.util.Set;

/** Decides which twin runs: the vector one where its module is there, unless the property asks for another. */
final class KernelChoice {
    private static final Set<String> NAMES = Set.of("scalar", "vector", "vector128", "vector256", "vector512");
    private static final String FLAG = "--add-modules jdk.incubator.vector";

    private KernelChoice() {}

    /**
     * The kernels of this process.
     *
     * @throws IllegalStateException if the property asks for what this JVM or machine does not have
     */
    static KernelSet choose() {
        String choice = System.getProperty(Kernels.PROPERTY);
        if (choice != null && !NAMES.contains(choice)) {
            throw new IllegalStateException("-D" + Kernels.PROPERTY
                    + ": expected scalar, vector, vector128, vector256 or vector512, got " + choice);
        }
        boolean vectors = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
        if ("scalar".equals(choice)) {
            return new ScalarKernels();
        }
        if (vectors && (choice != null || VectorWidth.available() >= 128)) {
            KernelSet vector = new VectorKernels();
            return choice == null ? new StartingKernels(vector) : vector;
        }
        if (choice != null) {
            throw new IllegalStateException("-D" + Kernels.PROPERTY + ": expected the vector module for " + choice
                    + ", got a JVM without it; start java with " + FLAG);
        }
        String reason = vectors
                ? "This JVM has no vectors of 128 bits, so kernels run as plain Java with the same results, only slower"
                : "The vector module is missing, so kernels run as plain Java with the same results, only slower;"
                        + " start java with " + FLAG;
        System.getLogger("dev.causal4j").log(System.Logger.Level.WARNING, reason);
        return new ScalarKernels();
    }
}
