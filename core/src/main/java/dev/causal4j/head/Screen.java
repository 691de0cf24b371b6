package dev.causal4j.head;

import dev.causal4j.compute.Compute;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Matrix;
import java.util.Optional;

/**
 * An int8 copy of a head's projection with a bound for each row: it tells from a fourth or half of the bytes which logits
 * can be left uncomputed. Immutable and thread-safe; a caller's scratch is a {@link ScreenedLogits}.
 *
 * <p>With z_i the logit that the head computes (a chain of fused multiply-adds in f32), a_i the product of the int8 row, h
 * the hidden vector and u = 2^-24:
 *
 * <pre>    |z_i - a_i| &lt;= ||h|| c_i,   c_i = (1 + 2^-20) (||e_i - w_i|| + g(D) ||e_i|| + g(D + 6) ||w_i||),   g(n) = n u / (1 - n u)</pre>
 *
 * where e_i is the row and w_i = q_i s_i its int8 copy, widened. The first term is Cauchy and Schwarz on the residual, the
 * others bound the rounding of two dot products (Higham 2002, "Accuracy and Stability of Numerical Algorithms", section
 * 3.1): D roundings in the head's chain, D + 1 in the other's with its scale. What is left over of D + 6 and of 2^-20
 * covers the rounding of w_i and of {@code fma(||h||, c_i, a_i)} in f32, and underflow, for which see {@link #least}. The
 * terms are computed in double and rounded up. FEXIPRO (Li et al. 2017) screens inner products by bounds of this kind.
 */
public final class Screen {
    private static final double UNIT_ROUNDOFF = 0x1p-24;

    /** Beyond this depth the error terms are no longer small; no model comes near. */
    private static final int MOST_COLUMNS = 1 << 20;

    private final Matrix projection;
    private final Matrix codes;
    private final float[] bounds; // [V], c_i
    private final float least;
    private final float most;

    Screen(Matrix projection, Matrix codes, float[] bounds, float least, float most) {
        this.projection = projection;
        this.codes = codes;
        this.bounds = bounds;
        this.least = least;
        this.most = most;
    }

    /**
     * Builds the screen of a head, in parallel.
     *
     * @return empty where screening makes no sense or would not be exact: a projection in int8, a soft cap (its tanh is not
     *     known to be monotone in f32), weights that are not finite, or all zero
     */
    public static Optional<Screen> of(CausalLMHead head) {
        Matrix projection = head.projection();
        if (projection.dtype() == DType.INT8 || head.capped() || projection.cols() > MOST_COLUMNS) {
            return Optional.empty();
        }
        double[] bounds = new double[projection.rows()];
        double[] norms = new double[projection.rows()]; // of e_i and w_i, the larger
        Matrix codes;
        try {
            codes = Matrix.of(
                    projection.device(),
                    DType.INT8,
                    projection.rows(),
                    projection.cols(),
                    (n, row) -> projection.row(n, row, 0));
        } catch (IllegalArgumentException weightsAreNotFinite) {
            return Optional.empty();
        }
        bound(projection, codes, bounds, norms);
        return of(projection, codes, bounds, norms);
    }

    /** c_i and the larger of ||e_i|| and ||w_i|| of every row. */
    private static void bound(Matrix projection, Matrix codes, double[] bounds, double[] norms) {
        int depth = projection.cols();
        double ofHead = gamma(depth);
        double ofCodes = gamma(depth + 6);
        Compute.shared().run(Math.ceilDiv(bounds.length, 64), task -> {
            float[] row = new float[depth];
            float[] code = new float[depth];
            for (int n = 64 * task; n < Math.min(bounds.length, 64 * task + 64); n++) {
                projection.row(n, row, 0);
                codes.row(n, code, 0);
                double ee = 0; // three sums side by side take the time of one
                double ww = 0;
                double rr = 0;
                for (int k = 0; k < depth; k++) {
                    double e = row[k];
                    double w = code[k];
                    ee += e * e;
                    ww += w * w;
                    rr += (e - w) * (e - w);
                }
                double e = rootUp(ee, depth);
                double w = rootUp(ww, depth);
                bounds[n] = (1 + 0x1p-20) * (rootUp(rr, depth) + ofHead * e + ofCodes * w);
                norms[n] = Math.max(e, w);
            }
        });
    }

    private static Optional<Screen> of(Matrix projection, Matrix codes, double[] bounds, double[] norms) {
        int depth = projection.cols();
        double largestBound = 0;
        double largestNorm = 0;
        for (int n = 0; n < bounds.length; n++) {
            largestBound = Math.max(largestBound, bounds[n]);
            largestNorm = Math.max(largestNorm, norms[n]);
        }
        // A floor that no screening notices keeps rows of tiny numbers from dragging `least` up.
        double floor = largestBound * 0x1p-24;
        float[] rounded = new float[bounds.length];
        for (int n = 0; n < bounds.length; n++) {
            rounded[n] = up(Math.max(bounds[n], floor));
        }
        float least = up(leastNorm(depth, largestNorm, floor));
        // No sum of either chain and no bound can overflow below this.
        double widest = Math.max(largestNorm, Math.max(largestBound, 127 * Math.sqrt(depth)));
        float most = (float) (Float.MAX_VALUE / (16 * widest));
        boolean usable = floor >= Math.sqrt(depth) * 0x1p-120 && least <= most;
        return usable ? Optional.of(new Screen(projection, codes, rounded, least, most)) : Optional.empty();
    }

    /**
     * The norm of h from which on underflow, at most 2^-149 a step in either chain, is less than 2^-23 of every bound. The
     * int8 chain's is multiplied by a scale, which is less than ||w_i||.
     */
    private static double leastNorm(int depth, double largestNorm, double smallestBound) {
        return (depth + 2) * (2 + largestNorm) * 0x1p-124 / smallestBound;
    }

    private static double gamma(int n) {
        return n * UNIT_ROUNDOFF / (1 - n * UNIT_ROUNDOFF);
    }

    /** The Euclidean norm of x[offset .. offset + n), rounded up. */
    static double norm(float[] x, int offset, int n) {
        double sum = 0;
        for (int k = offset; k < offset + n; k++) {
            sum += (double) x[k] * x[k];
        }
        return rootUp(sum, n);
    }

    /**
     * The root of a sum of n squares that was taken in double, rounded up: with the rounding of a difference counted twice,
     * of the square and of n additions, the sum is wrong by a share of less than n + 4 units of 2^-53. Squares of floats
     * neither overflow nor underflow in double.
     */
    private static double rootUp(double sum, int n) {
        return Math.nextUp(Math.sqrt(sum * (1 + (n + 8) * 0x1p-52)));
    }

    /** The least float that is not below x. */
    static float up(double x) {
        float rounded = (float) x;
        return rounded < x ? Math.nextUp(rounded) : rounded;
    }

    Matrix projection() {
        return projection;
    }

    Matrix codes() {
        return codes;
    }

    /** c_i of every row; not to be written to. */
    float[] bounds() {
        return bounds;
    }

    /** Whether the bounds hold for a hidden vector of this norm: neither underflow nor overflow can matter. */
    boolean holdsFor(double norm) {
        return norm >= least && norm <= most;
    }

    /** V, the logits of a row. */
    public int vocabularySize() {
        return projection.rows();
    }

    /** Bytes that the screen takes beside the head: the int8 copy, and a scale and a bound of four bytes for each row. */
    public long bytes() {
        return projection.parameters() + 8L * projection.rows();
    }
}
