package dev.causal4j.generation;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Finds the key at which the sum of the largest keys' weights reaches a bound: the k-th largest key for weights of 1,
 * the boundary of a nucleus for probabilities. A radix selection in three passes; sorting a flat distribution over
 * 50,000 tokens takes milliseconds. Scratch; not thread-safe.
 */
final class Selection {
    // A key's 32 bits as digits of 11, 11 and 10 bits, most significant first.
    private static final int[] SHIFTS = {21, 10, 0};
    private static final int[] WIDTHS = {11, 11, 10};

    private final double[] weightOfDigit = new double[1 << 11];

    /**
     * The largest key t such that the keys >= t weigh {@code wanted} or more. If all keys weigh less because of
     * rounding, it is the smallest key with a weight.
     *
     * @param keys [n], none NaN; -0 is 0
     * @param weights [n], none negative and not all 0; null if each weighs 1
     */
    float threshold(float[] keys, float @Nullable [] weights, int n, double wanted) {
        int prefix = 0; // the digits of t found so far
        int known = 0; // the mask of their bits
        double above = 0; // weight of the keys larger than any that begins with the prefix
        for (int d = 0; d < SHIFTS.length; d++) {
            int shift = SHIFTS[d];
            int mask = (1 << WIDTHS[d]) - 1;
            Arrays.fill(weightOfDigit, 0);
            for (int i = 0; i < n; i++) {
                int bits = ordered(keys[i]);
                if ((bits & known) == prefix) {
                    weightOfDigit[bits >>> shift & mask] += weights == null ? 1 : weights[i];
                }
            }
            int digit = mask;
            int lowest = 0;
            for (; digit >= 0; digit--) {
                double weight = weightOfDigit[digit];
                if (weight > 0) {
                    lowest = digit;
                    if (above + weight >= wanted) {
                        break;
                    }
                    above += weight;
                }
            }
            if (digit < 0) {
                above -= weightOfDigit[lowest];
            }
            prefix |= lowest << shift;
            known |= mask << shift;
        }
        return key(prefix);
    }

    /** Bits that compare as unsigned integers like the float. */
    private static int ordered(float key) {
        int bits = Float.floatToRawIntBits(key + 0f);
        return bits ^ (bits >> 31 | Integer.MIN_VALUE);
    }

    private static float key(int ordered) {
        return Float.intBitsToFloat(ordered ^ (~ordered >> 31 | Integer.MIN_VALUE));
    }
}
