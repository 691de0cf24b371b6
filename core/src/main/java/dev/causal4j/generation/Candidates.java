package dev.causal4j.generation;

import dev.causal4j.kernel.Kernels;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/**
 * The tokens that can still be drawn, in the order of their ids, with their logits. Rules take tokens away; those left
 * move together, so that after a top-k of 50 everything costs 50 and not the vocabulary, and a banned token's
 * -infinity never reaches a softmax. Scratch of one sampler, reused for every token; not thread-safe.
 */
final class Candidates {
    /** Relative error that sums of float probabilities are allowed against their bounds. */
    static final double SLACK = 0x1p-20;

    int count;
    final float[] logits; // [count]
    private final int[] ids; // [count], ascending
    private final float[] probabilities; // [count], of the last softmax()
    private final float[] scores; // [count], scratch
    private final Selection selection = new Selection();
    private final BitSet marked;
    private double logScale = Double.NaN; // ln p = logit + logScale; NaN until asked for after a softmax()

    Candidates(int vocabularySize) {
        logits = new float[vocabularySize];
        ids = new int[vocabularySize];
        probabilities = new float[vocabularySize];
        scores = new float[vocabularySize];
        marked = new BitSet(vocabularySize);
    }

    /** Starts over with the tokens of {@code row} [V] that are not banned. */
    void take(float[] row) {
        count = 0;
        for (int id = 0; id < row.length; id++) {
            if (row[id] != Float.NEGATIVE_INFINITY) {
                ids[count] = id;
                logits[count++] = row[id];
            }
        }
    }

    int id(int i) {
        return ids[i];
    }

    float maxLogit() {
        return max(logits);
    }

    /** The softmax of the logits, in an array that the next call overwrites. */
    float[] softmax() {
        System.arraycopy(logits, 0, probabilities, 0, count);
        Kernels.softmax(probabilities, 0, count);
        logScale = Double.NaN;
        return probabilities;
    }

    // What follows, up to keepMarked, speaks of the last softmax and is valid until tokens are taken away.

    float maxProbability() {
        return max(probabilities);
    }

    /** 1 up to rounding. */
    double totalProbability() {
        double total = 0;
        for (int i = 0; i < count; i++) {
            total += probabilities[i];
        }
        return total;
    }

    /** ln p from the logit, since p itself may have underflowed to 0. */
    double logProbability(int i) {
        if (Double.isNaN(logScale)) {
            logScale = StrictMath.log(maxProbability()) - maxLogit();
        }
        return logits[i] + logScale;
    }

    /** -sum of p ln p, in nats. */
    double entropy() {
        double sum = 0;
        for (int i = 0; i < count; i++) {
            sum += probabilities[i] * logProbability(i);
        }
        return -sum;
    }

    /** Keeps p >= cutoff, and the {@code atLeast} largest in any case. */
    void keepProbable(double cutoff, int atLeast) {
        float kth = kthLargestLogit(atLeast);
        for (int i = 0; i < count; i++) {
            if (probabilities[i] >= cutoff || logits[i] >= kth) {
                mark(i);
            }
        }
        keepMarked();
    }

    /** Keeps logits within {@code distance}, a negative number, of the largest; the {@code atLeast} largest in any case. */
    void keepNearLargest(double distance, int atLeast) {
        double largest = maxLogit();
        float kth = kthLargestLogit(atLeast);
        for (int i = 0; i < count; i++) {
            if (logits[i] - largest >= distance || logits[i] >= kth) {
                mark(i);
            }
        }
        keepMarked();
    }

    /** The k-th largest logit, or the smallest when there are fewer than k. */
    float kthLargestLogit(int k) {
        return k == 1 ? maxLogit() : selection.threshold(logits, null, count, Math.min(k, count));
    }

    /** Keeps the n largest logits, of equal ones the lowest ids. */
    void keepLargest(int n) {
        markLargest(null, Math.min(n, count));
        keepMarked();
    }

    /** Keeps the largest logits until they have probability {@code wanted}, of equal ones the lowest ids. */
    void keepLargestUntil(double wanted, int atLeast) {
        markLargest(probabilities, wanted);
        if (marked.cardinality() < atLeast) {
            markLargest(null, Math.min(atLeast, count));
        }
        keepMarked();
    }

    private void markLargest(float @Nullable [] weights, double wanted) {
        float boundary = selection.threshold(logits, weights, count, wanted);
        double weight = 0;
        for (int i = 0; i < count; i++) {
            if (logits[i] > boundary) {
                mark(i);
                weight += weights == null ? 1 : weights[i];
            }
        }
        boolean first = true;
        for (int i = 0; i < count && (first || weight < wanted); i++) {
            if (logits[i] == boundary) {
                mark(i);
                weight += weights == null ? 1 : weights[i];
                first = false;
            }
        }
    }

    /** The largest logit that is not marked, of equal ones the lowest id. A scan: for few candidates. */
    int largestUnmarked() {
        int largest = -1;
        for (int i = marked.nextClearBit(0); i < count; i = marked.nextClearBit(i + 1)) {
            if (largest < 0 || logits[i] > logits[largest]) {
                largest = i;
            }
        }
        return largest;
    }

    /** Keeps the tokens whose surprise -ln p is nearest to {@code surprise}, until they have {@code wanted}, and ties. */
    void keepNearest(double surprise, double wanted, int atLeast) {
        for (int i = 0; i < count; i++) {
            scores[i] = (float) -Math.abs(-logProbability(i) - surprise);
        }
        float boundary = selection.threshold(scores, probabilities, count, wanted);
        if (atLeast > 1) {
            boundary = Math.min(boundary, selection.threshold(scores, null, count, Math.min(atLeast, count)));
        }
        for (int i = 0; i < count; i++) {
            if (scores[i] >= boundary) {
                mark(i);
            }
        }
        keepMarked();
    }

    void mark(int i) {
        marked.set(i);
    }

    /** Takes all tokens away but those marked, and forgets the marks. */
    void keepMarked() {
        int kept = 0;
        for (int i = marked.nextSetBit(0); i >= 0; i = marked.nextSetBit(i + 1)) {
            ids[kept] = ids[i];
            logits[kept++] = logits[i];
        }
        count = kept;
        marked.clear();
    }

    private float max(float[] x) {
        float max = x[0];
        for (int i = 1; i < count; i++) {
            max = Math.max(max, x[i]);
        }
        return max;
    }
}
