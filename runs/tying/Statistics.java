import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/** Paired differences by Student's t. */
final class Statistics {
    /** The margin of PLAN.md, in nats. */
    static final double MARGIN = 0.01;

    private Statistics() {}

    /**
     * Differences of pairs.
     *
     * @param half half the width of the 95 % interval; infinite for one pair
     * @param p of the test that the mean is 0, two-sided; 1 for one pair
     */
    record Paired(List<Double> differences, double mean, double half, double p) {
        static Paired of(List<Double> differences) {
            int n = differences.size();
            double mean = differences.stream().mapToDouble(x -> x).average().orElse(Double.NaN);
            double squares = differences.stream().mapToDouble(x -> (x - mean) * (x - mean)).sum();
            if (n < 2) {
                return new Paired(differences, mean, Double.POSITIVE_INFINITY, 1);
            }
            double error = Math.sqrt(squares / (n - 1) / n);
            double p = error == 0 ? (mean == 0 ? 1 : 0) : twoSided(mean / error, n - 1);
            return new Paired(differences, mean, quantile(n - 1) * error, p);
        }

        /** Mean and interval, in print. */
        String interval() {
            if (differences.isEmpty()) {
                return "-";
            }
            return String.format(Locale.ROOT, "%+.4f", mean)
                    + (Double.isFinite(half) ? String.format(Locale.ROOT, " ± %.4f", half) : "");
        }

        /** The word of PLAN.md for the first of a pair: better, worse, equal or undecided. A loss is better when it is lower. */
        String verdict() {
            boolean excludesZero = Math.abs(mean) > half;
            if (excludesZero && Math.abs(mean) > MARGIN) {
                return mean < 0 ? "better" : "worse";
            }
            return Math.abs(mean) + half <= MARGIN ? "equal" : "undecided";
        }
    }

    static String holds(boolean claim) {
        return claim ? "holds" : "does not hold";
    }

    /** Holm's corrected p values. */
    static double[] holm(double... p) {
        Integer[] order = IntStream.range(0, p.length).boxed().toArray(Integer[]::new);
        Arrays.sort(order, Comparator.comparing(i -> p[i]));
        double[] corrected = new double[p.length];
        double least = 0;
        for (int i = 0; i < order.length; i++) {
            least = Math.max(least, Math.min(1, (order.length - i) * p[order[i]]));
            corrected[order[i]] = least;
        }
        return corrected;
    }

    /** The probability that |t| is at least this large; with t = sqrt(freedom) tan x the density is a power of cos x. */
    static double twoSided(double t, int freedom) {
        double from = StrictMath.atan(Math.abs(t) / Math.sqrt(freedom));
        return integral(from, freedom - 1) / integral(0, freedom - 1);
    }

    /** The t that 95 % of |t| lie below. */
    static double quantile(int freedom) {
        double low = 0;
        double high = 20;
        while (high - low > 1e-12) {
            double middle = (low + high) / 2;
            if (twoSided(middle, freedom) > 0.05) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return low;
    }

    /** The integral of a power of the cosine from an angle to a right one, by Simpson's rule. */
    private static double integral(double from, int power) {
        int parts = 2000;
        double width = (Math.PI / 2 - from) / parts;
        double sum = 0;
        for (int i = 0; i <= parts; i++) {
            double value = StrictMath.pow(StrictMath.cos(from + i * width), power);
            sum += value * (i == 0 || i == parts ? 1 : i % 2 == 1 ? 4 : 2);
        }
        return sum * width / 3;
    }
}
