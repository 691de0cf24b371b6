package dev.causal4j.training;

import dev.causal4j.head.CausalLMHead;
import java.util.Arrays;
import java.util.List;
import java.util.stream.LongStream;

/**
 * The rows of a training step. Immutable while its arrays are not modified.
 *
 * @param sequences B
 * @param length T
 * @param ids [B, T] token ids
 * @param targets [B, T] the token to predict at each position, or {@link CausalLMHead#IGNORED}
 */
record TrainingBatch(int sequences, int length, int[] ids, int[] targets) {
    /** @throws IllegalArgumentException if the arrays are not [B, T] */
    TrainingBatch {
        long size = (long) sequences * length;
        if (sequences < 1 || length < 1 || ids.length != size || targets.length != size) {
            throw new IllegalArgumentException("batch: expected ids and targets of " + sequences + " x " + length
                    + ", got " + ids.length + " and " + targets.length);
        }
    }

    /** Examples {@code step * sequences} and after. */
    static TrainingBatch of(Examples examples, long step, int sequences) {
        long first = Math.multiplyExact(step, sequences);
        return of(LongStream.range(first, first + sequences)
                .mapToObj(examples::example)
                .toList());
    }

    /**
     * Examples of one length as rows.
     *
     * @throws IllegalArgumentException if there is none, or their lengths differ
     */
    static TrainingBatch of(List<Example> examples) {
        if (examples.isEmpty()) {
            throw new IllegalArgumentException("batch: expected at least one example, got none");
        }
        int length = examples.getFirst().x().length;
        int[] ids = new int[Math.multiplyExact(examples.size(), length)];
        int[] targets = new int[ids.length];
        for (int row = 0; row < examples.size(); row++) {
            Example example = examples.get(row);
            if (example.x().length != length) {
                throw new IllegalArgumentException(
                        "example " + row + ": expected " + length + " tokens, got " + example.x().length);
            }
            System.arraycopy(example.x(), 0, ids, row * length, length);
            for (int i = 0; i < length; i++) {
                targets[row * length + i] = example.weight()[i] == 0 ? CausalLMHead.IGNORED : example.y()[i];
            }
        }
        return new TrainingBatch(examples.size(), length, ids, targets);
    }

    /** Number of targets that are not ignored. */
    int targetCount() {
        return (int) Arrays.stream(targets)
                .filter(target -> target != CausalLMHead.IGNORED)
                .count();
    }
}
