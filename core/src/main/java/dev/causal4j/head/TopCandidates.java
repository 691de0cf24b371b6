package dev.causal4j.head;

import java.util.Arrays;
import java.util.List;

/**
 * The k best of the offered candidates: higher logits first, ties by lower id. A heap with the worst on top, in plain
 * arrays. Not thread-safe.
 */
final class TopCandidates {
    private final float[] logits; // [k]
    private final int[] tokens; // [k]
    private int size;

    /** @param k at least 1, if any is to be offered */
    TopCandidates(int k) {
        logits = new float[k];
        tokens = new int[k];
    }

    void clear() {
        size = 0;
    }

    /** Offers the n logits from {@code offset} on, of the tokens from {@code first} on; none may be NaN. */
    void offerAll(float[] row, int offset, int n, int first) {
        for (int i = 0; i < n; i++) {
            // Equal logits matter only if their ids may be lower than those here.
            if (size < logits.length || row[offset + i] >= logits[0]) {
                offer(first + i, row[offset + i]);
            }
        }
    }

    void offer(int token, float logit) {
        if (size < logits.length) {
            int i = size++;
            for (int parent = (i - 1) / 2; i > 0 && worse(token, logit, parent); parent = (i - 1) / 2) {
                move(parent, i);
                i = parent;
            }
            set(i, token, logit);
        } else if (!worse(token, logit, 0)) {
            sink(token, logit);
        }
    }

    /** Replaces the worst candidate. */
    private void sink(int token, float logit) {
        int i = 0;
        for (int child = 1; child < size; child = 2 * i + 1) {
            if (child + 1 < size && worse(tokens[child + 1], logits[child + 1], child)) {
                child++;
            }
            if (worse(token, logit, child)) {
                break;
            }
            move(child, i);
            i = child;
        }
        set(i, token, logit);
    }

    private boolean worse(int token, float logit, int than) {
        return logit < logits[than] || (logit == logits[than] && token > tokens[than]);
    }

    private void move(int from, int to) {
        set(to, tokens[from], logits[from]);
    }

    private void set(int i, int token, float logit) {
        tokens[i] = token;
        logits[i] = logit;
    }

    /** Copies the candidates, at most k, in no order. */
    void copyTo(int[] tokens, float[] logits, int offset) {
        System.arraycopy(this.tokens, 0, tokens, offset, size);
        System.arraycopy(this.logits, 0, logits, offset, size);
    }

    /** Removes and returns all candidates, best first. */
    List<Candidate> takeSorted(double logNormalizer) {
        Candidate[] sorted = new Candidate[size];
        while (size > 0) {
            sorted[size - 1] = new Candidate(tokens[0], logits[0], logits[0] - logNormalizer);
            size--;
            sink(tokens[size], logits[size]);
        }
        return Arrays.asList(sorted);
    }
}
