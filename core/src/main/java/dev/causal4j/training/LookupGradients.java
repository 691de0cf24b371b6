package dev.causal4j.training;

import dev.causal4j.compute.Rows;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.tensor.Gradient;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * The gradients of the looked-up tokens of a step, one sum for each token in the order of the rows. They reach the embedding
 * when all parts of a batch are done, so that a tied matrix gets the head's part first however the batch was cut. Belongs to
 * one caller; not thread-safe.
 */
final class LookupGradients {
    private final int hiddenSize;
    private final Map<Integer, Integer> places = new HashMap<>();
    private int[] tokens = new int[64];
    private float[] sums = new float[0]; // [tokens, D]

    LookupGradients(int hiddenSize) {
        this.hiddenSize = hiddenSize;
    }

    void add(int[] ids, Rows dRows) {
        for (int r = 0; r < ids.length; r++) {
            int size = places.size();
            int place = places.computeIfAbsent(ids[r], id -> size);
            if (place == size) {
                if (size == tokens.length) {
                    tokens = Arrays.copyOf(tokens, 2 * size);
                }
                tokens[size] = ids[r];
                if (sums.length < Math.multiplyExact(size + 1, hiddenSize)) {
                    sums = Arrays.copyOf(sums, Math.multiplyExact(tokens.length, hiddenSize));
                }
                Arrays.fill(sums, size * hiddenSize, (size + 1) * hiddenSize, 0f);
            }
            int start = dRows.start(r);
            for (int i = 0; i < hiddenSize; i++) {
                sums[place * hiddenSize + i] += dRows.data()[start + i];
            }
        }
    }

    /** Adds the sums to the embedding's gradient and forgets them. */
    void addTo(CausalLMHead head, Gradient dEmbedding) {
        int[] ids = Arrays.copyOf(tokens, places.size());
        head.embedBackward(ids, Rows.of(sums, hiddenSize, ids.length), dEmbedding);
        places.clear();
    }
}
