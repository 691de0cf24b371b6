package dev.causal4j.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * The vector width: the machine's own, at most 512 bits, or the one that the property sets. A JVM without the vector
 * module can ask {@link #chosen}.
 */
public final class VectorWidth {
    /** The system property that forces a choice of kernels. */
    public static final String PROPERTY = "causal4j.kernels";

    private VectorWidth() {}

    /**
     * Bits of the vectors of the kernels in Java. It is 0, for plain Java, if the property says so, or if it is absent
     * and this JVM has no vectors or does not compile them.
     *
     * @throws IllegalStateException if the requested width exceeds the machine's
     */
    public static int chosen() {
        String choice = System.getProperty(PROPERTY);
        boolean runs = hasModule()
                && (choice == null
                        ? hasC2(System.getProperty("java.vm.info", "")) && available() >= 128
                        : !choice.equals("scalar"));
        return runs ? floats().vectorBitSize() : 0;
    }

    /** Whether this JVM has the vector module. */
    public static boolean hasModule() {
        return ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
    }

    /** Whether the JVM, by its {@code java.vm.info}, has C2: other compilers leave each vector an object. */
    public static boolean hasC2(String compilers) {
        return !compilers.contains("emulated-client") && !compilers.contains("interpreted");
    }

    /** Bits of the widest usable vector; less than 128 if there is none. */
    public static int available() {
        return Math.min(FloatVector.SPECIES_PREFERRED.vectorBitSize(), 512);
    }

    /**
     * The species of all float vectors, decided once.
     *
     * @throws IllegalStateException if the requested width exceeds the machine's
     */
    static VectorSpecies<Float> floats() {
        int available = available();
        String choice = System.getProperty(PROPERTY, "");
        String width = choice.replaceAll("[a-z]", "");
        int bits = width.isEmpty() ? available : Integer.parseInt(width);
        if (bits > available) {
            throw new IllegalStateException("-D" + PROPERTY + ": expected at most vector" + available
                    + " on this machine, got " + choice + "; leave it out to take the widest");
        }
        return VectorSpecies.of(float.class, VectorShape.forBitSize(bits));
    }
}
