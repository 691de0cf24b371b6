package dev.causal4j.decoder;

import java.util.Arrays;
import java.util.List;

/**
 * Rotary positions (Su et al. 2021): coordinate j below half the width pairs with j + width / 2 and turns by
 * position · frequencies[j].
 *
 * @param width coordinates of a head that are rotated; the others pass
 * @param frequencies radians a position, width / 2 of them, after any scaling
 * @param gain factor of cosine and sine
 */
public record RopeConfig(int width, List<Double> frequencies, float gain) {
    public RopeConfig {
        frequencies = List.copyOf(frequencies);
    }

    /** Frequencies without any scaling: theta^(-2 j / width). */
    public static RopeConfig plain(double theta, int width) {
        double[] frequencies = new double[width / 2];
        Arrays.setAll(frequencies, j -> StrictMath.pow(theta, -2.0 * j / width));
        return new RopeConfig(width, Arrays.stream(frequencies).boxed().toList(), 1);
    }
}
