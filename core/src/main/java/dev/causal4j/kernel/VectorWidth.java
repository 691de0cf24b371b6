package dev.causal4j.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** The vector width: the machine's own, at most 512 bits, or the one that the property sets. */
final class VectorWidth {
    private VectorWidth() {}

    /** Bits of the widest usable vector; less than 128 if there is none. */
    static int available() {
        return Math.min(FloatVector.SPECIES_PREFERRED.vectorBitSize(), 512);
    }

    /**
     * The species of all float vectors, decided once.
     *
     * @throws IllegalStateException if the requested width exceeds the machine's
     */
    static VectorSpecies<Float> floats() {
        int available = available();
        String choice = System.getProperty(Kernels.PROPERTY, "");
        String width = choice.replaceAll("[a-z]", "");
        int bits = width.isEmpty() ? available : Integer.parseInt(width);
        if (bits > available) {
            throw new IllegalStateException("-D" + Kernels.PROPERTY + ": expected at most vector" + available
                    + " on this machine, got " + choice + "; leave it out to take the widest");
        }
        return VectorSpecies.of(float.class, VectorShape.forBitSize(bits));
    }
}
