package dev.causal4j.kernel;

/**
 * Quantises numbers to codes in groups. It tries several roundings of a group, fits scale and minimum to each by least
 * squares, and takes the one with the smallest squared error. Stateless and thread-safe.
 */
final class GroupEncoding {
    /** Roundings to try. */
    private static final int TRIALS = 9;

    private GroupEncoding() {}

    /**
     * Quantises a row to codes from -127 to 127. The scale is the least f16 with 127 · scale of at least the largest
     * magnitude, so the error of a weight is at most half a scale.
     *
     * @throws IllegalArgumentException if a number is not finite, or its scale is not in f16
     */
    static void quantise(GroupFormat format, float[] x, int row, byte[] codes, float[] scales) {
        for (int g = 0; g < scales.length; g++) {
            float most = 0;
            for (int i = g * format.group(); i < (g + 1) * format.group(); i++) {
                most = Math.max(most, Math.abs(x[i])); // NaN if a number is
            }
            float nearest = half(most / 127);
            scales[g] =
                    nearest * 127 < most ? Float.float16ToFloat((short) (Float.floatToFloat16(nearest) + 1)) : nearest;
            if (!Float.isFinite(scales[g])) {
                throw new IllegalArgumentException(
                        format.label() + ": expected finite weights below 8319008, got " + most + " in row " + row);
            }
            for (int i = g * format.group(); i < (g + 1) * format.group(); i++) {
                codes[i] = (byte) Math.rint(scales[g] == 0 ? 0 : x[i] / scales[g]);
            }
        }
    }

    /**
     * Quantises a row to codes from 0 on, with minimums.
     *
     * @param x whole groups
     * @param scales receives one for each group, in f16
     * @param minimums receives one for each group, in f16
     * @throws IllegalArgumentException if a number is not finite
     */
    static void quantise(GroupFormat format, float[] x, int row, byte[] codes, float[] scales, float[] minimums) {
        int most = (1 << format.bits()) - 1;
        byte[] trial = new byte[format.group()];
        for (int g = 0; g < scales.length; g++) {
            int from = g * trial.length;
            float least = Float.POSITIVE_INFINITY;
            float largest = Float.NEGATIVE_INFINITY;
            for (int i = from; i < from + trial.length; i++) {
                if (!(Math.abs(x[i]) < 65504)) { // also NaN
                    throw new IllegalArgumentException(
                            format.label() + ": expected finite weights below 65504, got " + x[i] + " in row " + row);
                }
                least = Math.min(least, x[i]);
                largest = Math.max(largest, x[i]);
            }
            double best = Double.POSITIVE_INFINITY;
            for (int t = 0; t < TRIALS; t++) {
                double inverse = largest > least ? (most + 0.1 * (t - TRIALS / 2)) / ((double) largest - least) : 0;
                float[] line = line(x, from, trial.length, most, least, inverse);
                double error = round(x, from, line[0], line[1], most, trial);
                if (error < best) {
                    best = error;
                    scales[g] = line[0];
                    minimums[g] = line[1];
                    System.arraycopy(trial, 0, codes, from, trial.length);
                }
            }
        }
    }

    /** The scale and minimum that fit the codes (x - least) · inverse by least squares, in f16. */
    private static float[] line(float[] x, int from, int count, int most, float least, double inverse) {
        double codes = 0;
        double squares = 0;
        double numbers = 0;
        double products = 0;
        for (int i = from; i < from + count; i++) {
            double code = Math.clamp(Math.rint((x[i] - (double) least) * inverse), 0, most);
            codes += code;
            squares += code * code;
            numbers += x[i];
            products += code * x[i];
        }
        double determinant = count * squares - codes * codes;
        double scale = determinant > 0 ? (count * products - codes * numbers) / determinant : 0;
        return new float[] {half(scale), half((numbers - scale * codes) / count)};
    }

    /** Rounds to the nearest codes and returns the squared error. */
    private static double round(float[] x, int from, float scale, float minimum, int most, byte[] codes) {
        double error = 0;
        for (int i = 0; i < codes.length; i++) {
            double code = scale == 0 ? 0 : Math.clamp(Math.rint(((double) x[from + i] - minimum) / scale), 0, most);
            double rest = x[from + i] - (code * scale + minimum);
            codes[i] = (byte) code;
            error += rest * rest;
        }
        return error;
    }

    /** A number rounded to f16. */
    static float half(double number) {
        return Float.float16ToFloat(Float.floatToFloat16((float) number));
    }
}
