package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.DeltaRule;
import dev.causal4j.kernel.choice.Kernels;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * The heads of a recurrent layer. Each has a state S [keySize, valueSize], which the {@link DeltaRule} moves over the
 * positions. A layer's state is the last inputs of its convolution, then S [value head][block of 32
 * columns][keySize][32].
 *
 * @param corrects as in the rule
 * @param interleaved whether the value heads that read a key head are keyHeads apart, not side by side
 * @param width numbers of a row with queries, keys and values
 * @param queries the index at which the queries begin in a row; likewise keys and values
 * @param kernel how many inputs an output of the convolution has
 */
record RecurrentHeads(
        boolean corrects,
        int keyHeads,
        int valueHeads,
        int keySize,
        int valueSize,
        boolean interleaved,
        int width,
        int queries,
        int keys,
        int values,
        int kernel) {
    /** The key head that a value head reads. */
    int keyHead(int valueHead) {
        return interleaved ? valueHead % keyHeads : valueHead * keyHeads / valueHeads;
    }

    /** Numbers of all value heads. */
    int valueWidth() {
        return valueHeads * valueSize;
    }

    /** Numbers of the layer's state. */
    int stateSize() {
        return convolutionSize() + valueHeads * blocks() * keySize * DeltaRule.COLUMNS;
    }

    /** Blocks of columns of a head's S. */
    private int blocks() {
        return Math.ceilDiv(valueSize, DeltaRule.COLUMNS);
    }

    /** The index at which S begins in the state, at a whole cache line. */
    private int convolutionSize() {
        return Math.ceilDiv((kernel - 1) * width, 16) * 16;
    }

    /**
     * Moves the states over the rows; a task is a block of columns of a head in a sequence.
     *
     * @param active [N, width]
     * @param gates rates of all value heads, then decays [N, 2 value heads]
     * @param y [N, value width], written
     */
    void move(Step step, int layer, float[] active, float[] gates, float[] y) {
        int each = valueHeads * blocks();
        List<MemorySegment> states =
                step.parts.stream().map(part -> part.cache().state().of(layer)).toList();
        step.compute.each(step.parts.size() * each, task -> {
            Step.Part part = step.parts.get(task / each);
            int block = task % each;
            MemorySegment state = states.get(task / each);
            Kernels.delta(rule(state, part, active, gates, y, block / blocks(), block % blocks()));
        });
    }

    private DeltaRule rule(
            MemorySegment state, Step.Part part, float[] active, float[] gates, float[] y, int head, int block) {
        int key = keyHead(head) * keySize;
        int column = head * valueSize + block * DeltaRule.COLUMNS;
        return new DeltaRule(
                state,
                4L * convolutionSize() + (head * blocks() + block) * DeltaRule.bytes(keySize),
                keySize,
                Math.min(DeltaRule.COLUMNS, valueSize - block * DeltaRule.COLUMNS),
                corrects,
                rows(active, part, width, queries + key),
                rows(active, part, width, keys + key),
                rows(active, part, width, values + column),
                rows(gates, part, 2 * valueHeads, valueHeads + head),
                rows(gates, part, 2 * valueHeads, head),
                rows(y, part, valueWidth(), column));
    }

    private static Rows rows(float[] x, Step.Part part, int width, int offset) {
        return new Rows(x, part.first() * width + offset, width, part.count());
    }
}
