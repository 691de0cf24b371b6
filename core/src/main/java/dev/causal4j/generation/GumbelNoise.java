package dev.causal4j.generation;

import dev.causal4j.kernel.CounterRandom;

/**
 * The draw: the token with the largest x + g, where g = -ln(-ln u) is Gumbel noise, one independent number for each
 * (seed, position, token). Its distribution is the softmax of x (Gumbel 1954; Maddison et al. 2014, "A* sampling"),
 * without a normaliser. Stateless and thread-safe.
 *
 * <p>u is the uniform of {@link CounterRandom} at the token's id, in stream 2^32 + position; 0 counts as 2^-54. The sum
 * is taken in double and the logarithms are {@code StrictMath}'s; of equal sums the lowest id wins.
 */
final class GumbelNoise {
    /** Tokens in a task of a thread: some 20 microseconds of work. */
    private static final int CHUNK = 2048;

    private static final long STREAMS = 1L << 32;

    /** Exceeds ln 2 by more than the rounding of two logarithms. */
    private static final double LN_2_UP = 0.69314718056;

    private GumbelNoise() {}

    static double noise(double u) {
        return -StrictMath.log(-StrictMath.log(Math.max(u, 0x1p-54)));
    }

    /** An upper bound of noise(u) without a logarithm: from -ln u >= 1 - u >= 2^e follows g <= -e ln 2. */
    static double atMost(double u) {
        return -Math.getExponent(1 - u) * LN_2_UP;
    }

    /**
     * -ln(1 - u) of a token's noise at position 0: exponentially distributed with mean 1 in a text that was drawn without
     * this noise, larger in one that was drawn with it.
     */
    static double score(long seed, int token) {
        return -StrictMath.log(1 - CounterRandom.uniform(seed, token, STREAMS));
    }

    /** The token drawn from the softmax of the candidates, at least one. */
    static int draw(FilteredTokens candidates, long seed, long position) {
        int tasks = Math.ceilDiv(candidates.count, CHUNK);
        int[] winners = new int[tasks];
        double[] sums = new double[tasks];
        candidates.compute.run(tasks, task -> {
            CounterRandom.Stream uniforms = new CounterRandom.Stream(seed, STREAMS + position);
            double largest = Double.NEGATIVE_INFINITY;
            for (int i = task * CHUNK; i < Math.min(candidates.count, (task + 1) * CHUNK); i++) {
                double x = candidates.logits[i];
                double u = uniforms.uniform(candidates.ids[i]);
                if (x + atMost(u) > largest && x + noise(u) > largest) {
                    largest = x + noise(u);
                    winners[task] = candidates.ids[i];
                }
            }
            sums[task] = largest;
        });
        int largest = 0;
        for (int i = 1; i < tasks; i++) {
            largest = sums[i] > sums[largest] ? i : largest;
        }
        return winners[largest];
    }
}
