package dev.causal4j.kernel;

/**
 * Encodes an f32 panel [cols, 64] as the words of a bf16, f16 or int8 panel (see {@link PanelFormat}). Stateless and
 * thread-safe. The inner loops run over neighbouring outputs, so that C2 vectorises them.
 */
public final class PanelEncoding {
    private static final int WIDTH = Panels.WIDTH;

    /** Outputs of a step that are neighbours in a panel of words; the next 16 lie in higher bits of the same words. */
    private static final int WORDS = 16;

    /** Adding 1.5 · 2^23 rounds to the nearest integer, ties to even, and leaves it in the low bits. */
    private static final float ROUND = 0x1.8p23f;

    /** Numbers from here on round to infinity. */
    private static final float F16_LIMIT = 65520;

    private PanelEncoding() {}

    /** The bf16 nearest to {@code value}, ties to even; NaN stays NaN. */
    public static int bf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        // A payload in the low half alone would round to infinity.
        return Float.isNaN(value) ? (bits >>> 16) | 0x40 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
    }

    /** The bits of a number in 16 bits. */
    @FunctionalInterface
    interface Half {
        int of(float number);
    }

    /** Two outputs a word. */
    static int[] halves(float[] wide, Half half) {
        int[] words = new int[wide.length / 2];
        for (int i = 0; i < wide.length; i += 2 * WORDS) {
            for (int w = 0; w < WORDS; w++) {
                words[i / 2 + w] = (half.of(wide[i + w]) & 0xffff) | (half.of(wide[i + w + WORDS]) << 16);
            }
        }
        return words;
    }

    /**
     * The same in f16, rounded to nearest, ties to even.
     *
     * @param first the number of the first output
     * @throws IllegalArgumentException if a number is not finite in f16
     */
    static int[] f16(float[] wide, int first) {
        for (int i = 0; i < wide.length; i++) {
            if (!(Math.abs(wide[i]) < F16_LIMIT)) {
                throw new IllegalArgumentException("f16: expected finite weights below " + F16_LIMIT + ", got "
                        + wide[i] + " in row " + (first + i % WIDTH));
            }
        }
        return halves(wide, Float::floatToFloat16);
    }

    /**
     * Symmetric, one scale an output: scale = max |w| / 127, q = w / scale rounded to nearest, ties to even. The error
     * of a weight is at most half a scale. 64 scales, then four outputs a word.
     *
     * @param wide overwritten
     * @param first the number of the first output
     * @throws IllegalArgumentException if a number is not finite
     */
    static int[] int8(float[] wide, int first) {
        int[] words = new int[WIDTH + wide.length / 4];
        float[] divisors = largest(wide, first);
        for (int j = 0; j < WIDTH; j++) {
            float scale = divisors[j] / 127;
            words[j] = Float.floatToRawIntBits(scale);
            if (scale < Float.MIN_NORMAL) { // it was rounded, perhaps to 0: the largest may be more than 127 of it
                for (int i = j; i < wide.length; i += WIDTH) {
                    wide[i] = Math.clamp(wide[i], -127 * scale, 127 * scale);
                }
            }
            divisors[j] = scale == 0 ? 1 : scale;
        }
        for (int i = 0; i < wide.length; i += WIDTH) {
            for (int j = 0; j < WIDTH; j++) {
                wide[i + j] = wide[i + j] / divisors[j] + ROUND;
            }
            for (int w = 0; w < WORDS; w++) {
                words[WIDTH + i / 4 + w] = lowByte(wide[i + w])
                        | lowByte(wide[i + w + WORDS]) << 8
                        | lowByte(wide[i + w + 2 * WORDS]) << 16
                        | lowByte(wide[i + w + 3 * WORDS]) << 24;
            }
        }
        return words;
    }

    /** max |w| of each output. */
    private static float[] largest(float[] wide, int from) {
        float[] largest = new float[WIDTH];
        for (int i = 0; i < wide.length; i += WIDTH) {
            for (int j = 0; j < WIDTH; j++) {
                largest[j] = Math.max(largest[j], Math.abs(wide[i + j])); // NaN as soon as one is
            }
        }
        for (int j = 0; j < WIDTH; j++) {
            if (!Float.isFinite(largest[j])) {
                throw notFinite(wide, from, j);
            }
        }
        return largest;
    }

    /** A rounded integer from -127 to 127 in two's complement. */
    private static int lowByte(float number) {
        return Float.floatToRawIntBits(number) & 0xff;
    }

    private static IllegalArgumentException notFinite(float[] wide, int from, int j) {
        float found = 0;
        for (int i = j; i < wide.length && Float.isFinite(found); i += WIDTH) {
            found = wide[i];
        }
        return new IllegalArgumentException("int8: expected finite weights, got " + found + " in row " + (from + j));
    }
}
