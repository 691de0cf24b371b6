package dev.causal4j.decoder;

import dev.causal4j.tensor.Gradients;

/** The layer after attention, applied to each token. */
sealed interface FeedForward permits DenseLayer, Experts {
    /** The part that the backward may recompute, from {@code a.normed}. */
    void forwardUp(Step step, Tape tape, Activations a);

    /** The rest, into {@code a.normed}. */
    void forwardDown(Step step, Tape tape, Activations a);

    /** Adds the gradients, and writes {@code a.dNormed} from {@code a.dOut}; {@code a.normed} is what entered. */
    void backward(Step step, Tape tape, Activations a, Gradients gradients);
}
