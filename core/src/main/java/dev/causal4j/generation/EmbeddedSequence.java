package dev.causal4j.generation;

import dev.causal4j.InputException;
import dev.causal4j.compute.Rows;
import dev.causal4j.generation.Engine.Requester;
import dev.causal4j.model.EmbeddingConfig.Pooling;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * A sequence whose hidden vectors are pooled: the sum of all, or the last. A step feeds it like a prompt; it chooses
 * nothing, shares no pages and returns them as it ends.
 */
final class EmbeddedSequence extends Sequence<double[]> {
    /** Stands for {@link #alternatives}: its rows have no logits. */
    private static final int HIDDEN = -2;

    private final Pooling pooling;
    private final double[] sum; // in the order of the tokens, however steps cut them

    /** @param tokens that fit the context and are in the vocabulary; not copied */
    EmbeddedSequence(Engine engine, Requester requester, int[] tokens, Pooling pooling) {
        super(engine, requester, Optional.empty(), null);
        this.tokens = tokens;
        this.known = tokens.length;
        this.positions = tokens.length;
        this.alternatives = HIDDEN;
        this.pooling = pooling;
        this.sum = new double[engine.model().head().hiddenSize()];
    }

    @Override
    int wanted(int from, int to) {
        return pooling == Pooling.MEAN ? to - from : to == known ? 1 : 0;
    }

    /** Adds the wanted hidden vectors of a step to each of some sequences of this kind. */
    static void add(List<Sequence<?>> embedded, Rows hidden) {
        int from = 0;
        for (Sequence<?> each : embedded) {
            Rows own = hidden.rows(from, each.wanted);
            each.attempt(() -> ((EmbeddedSequence) each).add(own));
            from += each.wanted;
        }
    }

    private void add(Rows hidden) {
        requireFinite(hidden, cache.length() - wanted);
        float[] data = hidden.data();
        for (int row = 0; row < wanted; row++) {
            int from = hidden.start(row);
            for (int d = 0; d < sum.length; d++) {
                sum[d] += data[from + d];
            }
        }
    }

    @Override
    void giveBack() {
        super.giveBack();
        Arrays.fill(sum, 0);
    }

    /** An error of others in a model whose tokens see those after them. */
    static InputException alone() {
        return new InputException("model: expected one that predicts the next token, got one whose tokens see those"
                + " after them; it embeds texts alone");
    }

    @Override
    boolean finished() {
        return left() == 0;
    }

    @Override
    void took(double seconds) {}

    @Override
    double[] outcome() {
        return sum;
    }
}
