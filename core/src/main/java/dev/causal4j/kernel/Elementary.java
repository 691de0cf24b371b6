package dev.causal4j.kernel;

/**
 * Elementary functions and the order of sums. {@code Math.exp} and its like differ between JVMs; these functions do
 * not. They are at most 2 ulp from the true value.
 */
public final class Elementary {
    /** Lanes of a split sum, on every machine. */
    static final int LANES = 16;

    // exp(x) = 2^n exp(r), n = round(x / ln 2), r = x - n ln 2; exp(r) = 1 + r + r² q(r), minimax, relative error
    // 2^-28.
    static final float EXP_MIN = -104f;
    static final float EXP_MAX = 89f;
    static final float LOG2_E = 0x1.715476p+0f;
    static final float LN2_HIGH = 0x1.62e430p-1f;
    static final float LN2_LOW = -0x1.05c61p-29f;
    static final float ROUND = 0x1.8p23f; // adding it leaves the integer in the low bits
    static final float EXP_2 = 0x1.fffffcp-2f;
    static final float EXP_3 = 0x1.555492p-3f;
    static final float EXP_4 = 0x1.5558f2p-5f;
    static final float EXP_5 = 0x1.1239e2p-7f;
    static final float EXP_6 = 0x1.6a2434p-10f;

    // tanh(x) = x + x z p(z) with z = x² below 0.625, minimax, relative error 2^-28; 1 - 2 / (exp(2x) + 1) above.
    static final float TANH_SMALL = 0.625f;
    static final float TANH_1 = -0x1.555532p-2f;
    static final float TANH_2 = 0x1.110726p-3f;
    static final float TANH_3 = -0x1.b83c5ap-5f;
    static final float TANH_4 = 0x1.52269cp-6f;
    static final float TANH_5 = -0x1.75e1ccp-8f;

    static final float TAIL_STEP = 0.37f;
    static final float TAIL_0 = 0.0023179469f;
    static final float TAIL_1 = 0.1218817f;
    static final float TAIL_2 = 0.26858944f;
    static final float TAIL_3 = -0.18161753f;
    static final float TAIL_4 = 0.53656954f;
    static final float TAIL_5 = -0.3041834f;
    static final float TAIL_6 = 0.05644233f;
    static final float DENSITY = 0.3989423f; // 1 / sqrt(2 pi)

    /** From here on softplus(x) is x. */
    static final float SOFTPLUS_LINEAR = 20f;

    /** The scale of {@link Elementwise#swish} that makes it GELU's tanh form: sqrt(2 / pi). */
    public static final float GELU_SCALE = 0x1.988454p-1f;

    /** The cube of {@link Elementwise#swish} that makes it GELU's tanh form. */
    public static final float GELU_CUBE = 0.044715f;

    private Elementary() {}

    public static float exp(float x) {
        float bounded = x < EXP_MIN ? EXP_MIN : x;
        bounded = bounded > EXP_MAX ? EXP_MAX : bounded;
        float shifted = Math.fma(bounded, LOG2_E, ROUND);
        float n = shifted - ROUND;
        float r = Math.fma(n, -LN2_LOW, Math.fma(n, -LN2_HIGH, bounded));
        float q = Math.fma(EXP_6, r, EXP_5);
        q = Math.fma(q, r, EXP_4);
        q = Math.fma(q, r, EXP_3);
        q = Math.fma(q, r, EXP_2);
        float p = Math.fma(q, r, 1f);
        p = Math.fma(p, r, 1f);
        // 2^n in two factors, so that results near the ends of the range are rounded once.
        int power = Float.floatToRawIntBits(shifted) - Float.floatToRawIntBits(ROUND);
        int half = power >> 1;
        return p * Float.intBitsToFloat((half + 127) << 23) * Float.intBitsToFloat((power - half + 127) << 23);
    }

    static float tanh(float x) {
        float a = Math.abs(x);
        float z = a * a;
        float p = Math.fma(TANH_5, z, TANH_4);
        p = Math.fma(p, z, TANH_3);
        p = Math.fma(p, z, TANH_2);
        p = Math.fma(p, z, TANH_1);
        float small = Math.fma(a * z, p, a);
        float large = 1f - 2f / (exp(a + a) + 1f);
        float magnitude = a < TANH_SMALL ? small : large;
        int sign = Float.floatToRawIntBits(x) & 0x80000000;
        return Float.intBitsToFloat(Float.floatToRawIntBits(magnitude) | sign);
    }

    /** ln(1 + exp(x)). */
    public static float softplus(float x) {
        return x > SOFTPLUS_LINEAR ? x : (float) StrictMath.log1p(exp(x));
    }

    /**
     * Φ(x), the standard normal distribution. For a >= 0, 1 - Φ(a) is exp(-a² / 2) times a polynomial in 1 / (1 + 0.37
     * a), fitted by least squares, within 3e-9.
     */
    static float normal(float x) {
        float a = Math.abs(x);
        float k = 1f / Math.fma(TAIL_STEP, a, 1f);
        float p = Math.fma(TAIL_6, k, TAIL_5);
        p = Math.fma(p, k, TAIL_4);
        p = Math.fma(p, k, TAIL_3);
        p = Math.fma(p, k, TAIL_2);
        p = Math.fma(p, k, TAIL_1);
        p = Math.fma(p, k, TAIL_0);
        float tail = p * exp(-0.5f * a * a);
        return x < 0 ? tail : 1f - tail;
    }

    /** Adds 16 lanes as the fixed tree: 8 onto 8, 4 onto 4, 2 onto 2, 1 onto 1. */
    static float tree(float[] lanes) {
        for (int half = LANES / 2; half > 0; half /= 2) {
            for (int j = 0; j < half; j++) {
                lanes[j] += lanes[j + half];
            }
        }
        return lanes[0];
    }
}
