package dev.causal4j.training;

import dev.causal4j.compute.Rows;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.tensor.Gradient;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * Gradients of a step's looked-up tokens, summed for each token in the order of rows. They are added to the embedding
 * after all parts of a batch, so a tied matrix gets the head's part first however the batch is cut. Not thread-safe.
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

    /** Adds the sums to the embedding's gradient and clears them. */
    void addTo(CausalLMHead head, Gradient dEmbedding) {
        int[] ids = Arrays.copyOf(tokens, places.size());
        head.embedBackward(ids, Rows.of(sums, hiddenSize, ids.length), dEmbedding);
        places.clear();
    }
}
