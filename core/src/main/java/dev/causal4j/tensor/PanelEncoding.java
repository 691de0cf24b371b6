package dev.causal4j.tensor;

import dev.causal4j.kernel.Panels;

/**
 * How an f32 panel [cols, 64] becomes the words of a bf16 or int8 panel (see {@link Panels}). Stateless and thread-safe.
 * The inner loops run over neighbouring outputs and hold nothing C2 cannot vectorise.
 */
final class PanelEncoding {
    private static final int WIDTH = Panels.WIDTH;

    /** Outputs of a step that are neighbours in a panel of words; the next 16 lie in higher bits of the same words. */
    private static final int WORDS = 16;

    /** Adding and subtracting 1.5 · 2^23 rounds to the nearest integer, ties to even, as long as it is below 2^22. */
    private static final float ROUND = 0x1.8p23f;

    private PanelEncoding() {}

    /** Rounds to nearest, ties to even; two outputs a word. */
    static int[] bf16Words(float[] wide) {
        int[] words = new int[wide.length / 2];
        for (int i = 0; i < wide.length; i += 2 * WORDS) {
            for (int w = 0; w < WORDS; w++) {
                int low = DType.toBFloat16(wide[i + w]) & 0xffff;
                words[i / 2 + w] = low | DType.toBFloat16(wide[i + w + WORDS]) << 16;
            }
        }
        return words;
    }

    /**
     * Symmetric, one scale an output: scale = max |w| / 127, q = w / scale rounded to nearest, ties to even. The error
     * of a weight is at most half a scale. Four outputs a word.
     *
     * @param wide zeros from output {@code width} on; overwritten
     * @param scales receives those of outputs {@code from} to {@code from + width - 1}
     * @throws IllegalArgumentException if a number is not finite
     */
    static int[] int8Words(float[] wide, int from, int width, float[] scales) {
        float[] divisors = new float[WIDTH];
        for (int i = 0; i < wide.length; i += WIDTH) {
            for (int j = 0; j < WIDTH; j++) {
                divisors[j] = Math.max(divisors[j], Math.abs(wide[i + j])); // NaN and infinity stay
            }
        }
        for (int j = 0; j < WIDTH; j++) {
            if (!Float.isFinite(divisors[j])) {
                throw notFinite(wide, from, j);
            }
            divisors[j] /= 127;
            if (j < width) {
                scales[from + j] = divisors[j];
            }
            if (divisors[j] == 0) { // a row of zeros, or of nothing but the smallest numbers
                divisors[j] = 1;
            }
        }
        int[] words = new int[wide.length / 4];
        for (int i = 0; i < wide.length; i += WIDTH) {
            for (int j = 0; j < WIDTH; j++) {
                float q = wide[i + j] / divisors[j] + ROUND - ROUND;
                wide[i + j] = Math.min(127f, Math.max(-127f, q)); // a tiny scale is rounded itself
            }
            for (int w = 0; w < WORDS; w++) {
                words[i / 4 + w] = ((int) wide[i + w] & 0xff)
                        | ((int) wide[i + w + WORDS] & 0xff) << 8
                        | ((int) wide[i + w + 2 * WORDS] & 0xff) << 16
                        | (int) wide[i + w + 3 * WORDS] << 24;
            }
        }
        return words;
    }

    private static IllegalArgumentException notFinite(float[] wide, int from, int j) {
        float found = 0;
        for (int i = j; i < wide.length && Float.isFinite(found); i += WIDTH) {
            found = wide[i];
        }
        return new IllegalArgumentException("int8: expected finite weights, got " + found + " in row " + (from + j));
    }
}
