package dev.causal4j.kernel.choice;

import dev.causal4j.kernel.JavaKernels;
import dev.causal4j.kernel.VectorWidth;
import java.util.List;

/** Chooses the kernels in Java: vectors if their module is present, unless the property sets another choice. */
final class KernelChoice {
    /**
     * The choice, made once by a class that reads no static field of another: initialisations never wait for each
     * other.
     */
    private static final class Holder {
        static final JavaKernels CHOSEN = choose();
    }

    private static final List<String> NAMES = List.of("scalar", "vector", "vector128", "vector256", "vector512");
    private static final String FLAG = "--add-modules jdk.incubator.vector";

    private static final int FMAS = 64;
    private static final long MOST_NANOS = 500;

    private KernelChoice() {}

    /** Whether the property sets the kernels; these then run from the first call. */
    static boolean isForced() {
        return System.getProperty(VectorWidth.PROPERTY) != null;
    }

    /** The kernels of this process. */
    static JavaKernels java() {
        return Holder.CHOSEN;
    }

    /**
     * @throws IllegalStateException if this JVM or machine does not have the kernels that the property sets, or the JDK
     *     is too old
     */
    private static JavaKernels choose() {
        requireJdk(Runtime.version());
        if (!multipliesAndAddsInHardware()) {
            warn(
                    "This JVM has no fused multiply-add in hardware, so kernels are a hundred times slower, with the same results");
        }
        String choice = System.getProperty(VectorWidth.PROPERTY);
        if (choice != null && !NAMES.contains(choice)) {
            throw new IllegalStateException("-D" + VectorWidth.PROPERTY
                    + ": expected scalar, vector, vector128, vector256 or vector512, got " + choice);
        }
        if (VectorWidth.chosen() > 0) {
            return JavaKernels.vector();
        }
        if ("scalar".equals(choice)) {
            return JavaKernels.scalar();
        }
        if (choice != null) {
            throw new IllegalStateException("-D" + VectorWidth.PROPERTY + ": expected the vector module for " + choice
                    + ", got a JVM without it; start java with " + FLAG);
        }
        boolean vectors = VectorWidth.hasModule();
        String compilers = System.getProperty("java.vm.info", "");
        String reason = !vectors
                ? "The vector module is missing"
                : VectorWidth.hasC2(compilers)
                        ? "This JVM has no vectors of 128 bits"
                        : "This JVM does not compile vectors, since it runs without C2 (" + compilers + ")";
        String remedy = vectors ? "" : "; start java with " + FLAG;
        warn(reason + ", so kernels run as plain Java with the same results, only slower" + remedy);
        return JavaKernels.scalar();
    }

    /** The collector of earlier releases of JDK 25 may move pinned objects (JDK-8377811), which corrupts data. */
    static void requireJdk(Runtime.Version version) {
        if (version.feature() == 25 && version.interim() == 0 && version.update() < 3) {
            throw new IllegalStateException(
                    "JDK: expected 25.0.3 or later, got " + version + ", which may corrupt data");
        }
    }

    /** Math.fma takes microseconds (BigDecimal) without an instruction, and nanoseconds with it, compiled or not. */
    private static boolean multipliesAndAddsInHardware() {
        long fastest = Long.MAX_VALUE;
        float sum = 0;
        for (int run = 0; run < 5; run++) {
            long start = System.nanoTime();
            for (int i = 0; i < FMAS; i++) {
                sum = Math.fma(0.3f, sum, 0.7f);
            }
            fastest = Math.min(fastest, System.nanoTime() - start);
        }
        return sum != 0 && fastest < FMAS * MOST_NANOS;
    }

    static void warn(String message) {
        System.getLogger("dev.causal4j").log(System.Logger.Level.WARNING, message);
    }
}
