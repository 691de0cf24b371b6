package dev.causal4j.generation;

import dev.causal4j.compute.Compute;
import dev.causal4j.head.ScreenedLogits;
import dev.causal4j.kernel.CounterRandom;

/**
 * Finds the logits that a draw from the whole vocabulary needs: with K the largest known sum of scaled logit and noise,
 * those whose bound and noise together reach K. Scratch of one sampler; not thread-safe.
 */
final class ScreenedDraw {
    /** A logit's upper bound as the rules before the draw leave it; monotone. */
    @FunctionalInterface
    interface Scale {
        float scaled(float logit);
    }

    private final long seed;
    private float[] bounds = {}; // [V], of sums
    private int[] tokens = {}; // that are to be known

    ScreenedDraw(long seed) {
        this.seed = seed;
    }

    /** Bounds the sum of every token and makes the most promising one known; false as {@link ScreenedLogits#know}. */
    boolean knowMostPromising(ScreenedLogits logits, Scale scale, long position) {
        if (bounds.length != logits.tokens()) { // the first time
            bounds = new float[logits.tokens()];
            tokens = new int[logits.tokens()];
        }
        int tasks = Math.ceilDiv(bounds.length, GumbelNoise.CHUNK);
        double[] sums = new double[tasks];
        Compute.shared().run(tasks, task -> {
            CounterRandom.Stream uniforms = GumbelNoise.uniforms(seed, position);
            double largest = Double.NEGATIVE_INFINITY;
            int from = task * GumbelNoise.CHUNK;
            for (int id = from; id < Math.min(bounds.length, from + GumbelNoise.CHUNK); id++) {
                double x = scale.scaled(logits.upper(id));
                double u = uniforms.uniform(id);
                double bound = x + GumbelNoise.atMost(u);
                bounds[id] = (float) (bound + Math.abs(bound) * 0x1p-22); // so that rounding cannot lower it
                if (bound > largest && x + GumbelNoise.noise(u) > largest) {
                    largest = x + GumbelNoise.noise(u);
                    tokens[task] = id;
                }
            }
            sums[task] = largest;
        });
        tokens[0] = tokens[GumbelNoise.largest(sums)];
        return logits.know(tokens, 1);
    }

    /**
     * Makes every token known whose sum may be as large as that of the best candidate; after
     * {@link #knowMostPromising} of the same row and position.
     *
     * @param known with their logits scaled
     */
    boolean knowAllThatMayWin(ScreenedLogits logits, Candidates known, Scale scale, long position) {
        CounterRandom.Stream uniforms = GumbelNoise.uniforms(seed, position);
        double best = Double.NEGATIVE_INFINITY;
        for (int i = 0; i < known.count; i++) {
            best = Math.max(best, known.logits[i] + GumbelNoise.noise(uniforms.uniform(known.id(i))));
        }
        int count = 0;
        for (int id = 0; id < bounds.length; id++) {
            if (bounds[id] >= best
                    && scale.scaled(logits.upper(id)) + GumbelNoise.noise(uniforms.uniform(id)) >= best) {
                tokens[count++] = id;
            }
        }
        return logits.know(tokens, count);
    }
}
