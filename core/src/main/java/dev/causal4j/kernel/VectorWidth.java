package dev.causal4j.kernel;

import java.util.Locale;
import jdk.incubator.vector.FloatVector;
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
        String choice = System.getProperty(Kernels.PROPERTY);
        int bits = choice == null || choice.equals("vector")
                ? available
                : Integer.parseInt(choice.substring("vector".length()));
        if (bits > available) {
            throw new IllegalStateException(String.format(
                    Locale.ROOT,
                    "-D%s: expected at most vector%d on this machine, got %s; leave it out to take the widest",
                    Kernels.PROPERTY,
                    available,
                    choice));
        }
        return switch (bits) {
            case 512 -> FloatVector.SPECIES_512;
            case 256 -> FloatVector.SPECIES_256;
            case 128 -> FloatVector.SPECIES_128;
            default -> throw new IllegalStateException("vector width: expected 128, 256 or 512 bits, got " + bits);
        };
    }
}
