package dev.causal4j.head;

/**
 * A token that may come next.
 *
 * @param token its id
 * @param logit its unnormalised score
 * @param logProbability natural logarithm of its probability among all tokens
 */
public record Candidate(int token, float logit, double logProbability) {
    /** The candidate of a {@link #key}. */
    static Candidate of(long key, double logNormalizer) {
        int token = ~((int) key >> 1) & Integer.MAX_VALUE;
        return new Candidate(token, logitOf(key), logitOf(key) - logNormalizer);
    }

    static float logitOf(long key) {
        int order = (int) (key >> 32);
        return (key & 1) == 0 ? Float.intBitsToFloat(order ^ (order >> 31 & Integer.MAX_VALUE)) : -0f;
    }

    /**
     * A number that is larger for a better candidate: by the logit, of equal ones by the lower id. The last bit tells
     * -0 from 0, which are equal.
     */
    static long key(int token, float logit) {
        int bits = Float.floatToRawIntBits(logit + 0f);
        int order = bits ^ (bits >> 31 & Integer.MAX_VALUE);
        int minusZero = Float.floatToRawIntBits(logit) == Integer.MIN_VALUE ? 1 : 0;
        return (long) order << 32 | Integer.toUnsignedLong(~token << 1 | minusZero);
    }

    /** The probability of the token. */
    public double probability() {
        return StrictMath.exp(logProbability);
    }
}
