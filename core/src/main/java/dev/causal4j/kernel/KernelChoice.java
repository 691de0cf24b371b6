package dev.causal4j.kernel;

import java.util.List;

/** Chooses the kernels: vectors if their module is present, unless the property sets another choice. */
final class KernelChoice {
    private static final List<String> NAMES = List.of("scalar", "vector", "vector128", "vector256", "vector512");
    private static final String FLAG = "--add-modules jdk.incubator.vector";

    private KernelChoice() {}

    /** Whether the property sets the kernels, which then run from the first call. */
    static boolean isForced() {
        return System.getProperty(Kernels.PROPERTY) != null;
    }

    /**
     * The kernels of this process.
     *
     * @throws IllegalStateException if this JVM or machine does not have the kernels that the property sets
     */
    static KernelSet choose() {
        String choice = System.getProperty(Kernels.PROPERTY);
        if (choice != null && !NAMES.contains(choice)) {
            throw new IllegalStateException("-D" + Kernels.PROPERTY
                    + ": expected scalar, vector, vector128, vector256 or vector512, got " + choice);
        }
        boolean vectors = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
        if ("scalar".equals(choice)) {
            return KernelSet.scalar();
        }
        if (vectors && (choice != null || VectorWidth.available() >= 128)) {
            return KernelSet.vector();
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
        return KernelSet.scalar();
    }
}
