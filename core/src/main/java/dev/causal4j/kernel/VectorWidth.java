package dev.causal4j.kernel;

import java.util.Locale;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** How wide the vectors are: the machine's own width, at most 512 bits, or what the property asks for. */
final class VectorWidth {
    private VectorWidth() {}

    /** Bits of the widest vector this machine has and we use; less than 128 where it has none. */
    static int available() {
        return Math.min(FloatVector.SPECIES_PREFERRED.vectorBitSize(), 512);
    }

    /**
     * The species of all float vectors, decided once.
     *
     * @throws IllegalStateException if the width asked for is more than the machine has
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
