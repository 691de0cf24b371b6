package dev.causal4j.kernel;

/**
 * Quantises numbers to 4 bits in groups: of several roundings of a group, with the scale and minimum of least squares for
 * each, the one of the smallest squared error. Stateless and thread-safe.
 */
final class GroupEncoding {
    private static final int GROUP = 32;
    private static final int MOST = 15;

    /** Roundings that are tried. */
    private static final int TRIALS = 9;

    private GroupEncoding() {}

    /**
     * Quantises a row.
     *
     * @param x a multiple of 32 numbers
     * @param codes receives 0 to 15 for each
     * @param scales receives one for each group, in f16
     * @param minimums the same
     * @throws IllegalArgumentException if a number is not finite
     */
    static void int4(float[] x, int row, byte[] codes, float[] scales, float[] minimums) {
        for (int g = 0; g < x.length / GROUP; g++) {
            float least = Float.POSITIVE_INFINITY;
            float most = Float.NEGATIVE_INFINITY;
            for (int i = g * GROUP; i < (g + 1) * GROUP; i++) {
                if (!(Math.abs(x[i]) < 65504)) { // also NaN
                    throw new IllegalArgumentException(
                            "int4: expected finite weights below 65504, got " + x[i] + " in row " + row);
                }
                least = Math.min(least, x[i]);
                most = Math.max(most, x[i]);
            }
            double best = Double.POSITIVE_INFINITY;
            byte[] trial = new byte[GROUP];
            for (int t = 0; t < TRIALS; t++) {
                double inverse = most > least ? (MOST + 0.1 * (t - TRIALS / 2)) / ((double) most - least) : 0;
                float[] line = line(x, g * GROUP, least, inverse);
                double error = round(x, g * GROUP, line[0], line[1], trial);
                if (error < best) {
                    best = error;
                    scales[g] = line[0];
                    minimums[g] = line[1];
                    System.arraycopy(trial, 0, codes, g * GROUP, GROUP);
                }
            }
        }
    }

    /** Scale and minimum of least squares for the codes (x - least) · inverse, in f16. */
    private static float[] line(float[] x, int at, float least, double inverse) {
        double codes = 0;
        double squares = 0;
        double numbers = 0;
        double products = 0;
        for (int i = at; i < at + GROUP; i++) {
            double code = Math.clamp(Math.rint((x[i] - (double) least) * inverse), 0, MOST);
            codes += code;
            squares += code * code;
            numbers += x[i];
            products += code * x[i];
        }
        double determinant = GROUP * squares - codes * codes;
        double scale = determinant > 0 ? (GROUP * products - codes * numbers) / determinant : 0;
        return new float[] {half(scale), half((numbers - scale * codes) / GROUP)};
    }

    /** Rounds to the nearest codes and returns the squared error. */
    private static double round(float[] x, int at, float scale, float minimum, byte[] codes) {
        double error = 0;
        for (int i = 0; i < GROUP; i++) {
            double code = scale == 0 ? 0 : Math.clamp(Math.rint(((double) x[at + i] - minimum) / scale), 0, MOST);
            double rest = x[at + i] - (code * scale + minimum);
            codes[i] = (byte) code;
            error += rest * rest;
        }
        return error;
    }

    private static float half(double number) {
        return Float.float16ToFloat(Float.floatToFloat16((float) number));
    }
}
