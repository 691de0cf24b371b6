package dev.causal4j.generation;

import dev.causal4j.compute.Compute;
import dev.causal4j.kernel.choice.Kernels;
import java.util.function.IntPredicate;

/**
 * The tokens that can still be drawn, with their logits, in the order of their ids. Filters remove tokens and compact
 * the rest, so that after a top-k of 50 further steps cost 50, not V. Every filter leaves at least one token. Samplers
 * share it as scratch. Not thread-safe.
 *
 * <p>Probabilities p are the softmax of the tokens that earlier filters left. They are floats, so a sum within a
 * relative 2^-20 of a bound counts as equal to it.
 */
final class FilteredTokens {
    /** Relative tolerance of sums of float probabilities. */
    private static final double SLACK = 0x1p-20;

    final Compute compute;
    int count;
    final float[] logits; // [V], the row that rules change, before the start; then [count]
    final int[] ids; // [count], ascending
    private final float[] probabilities; // [count]
    private final float[] scores; // [count]
    private final Selection selection = new Selection();

    FilteredTokens(int vocabularySize, Compute compute) {
        this.compute = compute;
        logits = new float[vocabularySize];
        ids = new int[vocabularySize];
        probabilities = new float[vocabularySize];
        scores = new float[vocabularySize];
    }

    /** Starts with the tokens of the row in {@link #logits} that are not banned. */
    void start() {
        count = 0;
        for (int id = 0; id < logits.length; id++) {
            if (logits[id] != Float.NEGATIVE_INFINITY) {
                ids[count] = id;
                logits[count++] = logits[id];
            }
        }
    }

    /**
     * x = (x - max x) / temperature. Subtracting the maximum changes no probability and avoids overflow at any
     * temperature.
     */
    void divide(double temperature) {
        double max = Kernels.max(logits, 0, count);
        for (int i = 0; i < count; i++) {
            logits[i] = (float) Math.max((logits[i] - max) / temperature, -Float.MAX_VALUE);
        }
    }

    /** Keeps the k largest logits and all that equal the k-th. */
    void keepTopK(int k) {
        float least = selection.threshold(logits, null, count, Math.min(k, count));
        keep(i -> logits[i] >= least);
    }

    /**
     * Removes the least likely tokens while their sum is at most 1 - mass, so the fewest most likely tokens with at
     * least {@code mass} stay. Ties keep the lowest ids.
     */
    void keepTopP(double mass) {
        double total = softmax();
        double wanted = total - total * (1 - mass) * (1 + SLACK);
        float boundary = selection.threshold(logits, probabilities, count, wanted);
        double above = 0;
        for (int i = 0; i < count; i++) {
            above += logits[i] > boundary ? probabilities[i] : 0;
        }
        double[] kept = {above};
        int[] equal = {0};
        keep(i -> {
            if (logits[i] == boundary && (equal[0] == 0 || kept[0] < wanted)) {
                kept[0] += probabilities[i];
                equal[0]++;
                return true;
            }
            return logits[i] > boundary;
        });
    }

    /** Keeps p >= share * max p, as {@code x >= max x + ln share}: the same tokens, without a normaliser. */
    void keepMinP(double share) {
        double distance = StrictMath.log(share) - SLACK;
        double largest = Kernels.max(logits, 0, count);
        keep(i -> logits[i] - largest >= distance);
    }

    /**
     * Keeps the tokens whose surprise is nearest to the expected one: sorted by |-ln p - H|, the fewest that have at
     * least {@code mass}, and all that equal the last of them. It may remove the most likely token.
     */
    void keepTypical(double mass) {
        double wanted = softmax() * mass * (1 - SLACK);
        // also for a p that underflowed
        double logScale = StrictMath.log(Kernels.max(probabilities, 0, count)) - Kernels.max(logits, 0, count);
        double entropy = 0;
        for (int i = 0; i < count; i++) {
            entropy -= probabilities[i] * (logits[i] + logScale);
        }
        for (int i = 0; i < count; i++) {
            scores[i] = (float) -Math.abs(-(logits[i] + logScale) - entropy);
        }
        float least = selection.threshold(scores, probabilities, count, wanted);
        keep(i -> scores[i] >= least);
    }

    /** Computes the probabilities and returns their sum, 1 up to rounding. */
    private double softmax() {
        System.arraycopy(logits, 0, probabilities, 0, count);
        Kernels.softmax(probabilities, 0, count);
        double total = 0;
        for (int i = 0; i < count; i++) {
            total += probabilities[i];
        }
        return total;
    }

    private void keep(IntPredicate wanted) {
        int kept = 0;
        for (int i = 0; i < count; i++) {
            if (wanted.test(i)) {
                ids[kept] = ids[i];
                logits[kept++] = logits[i];
            }
        }
        count = kept;
    }
}
