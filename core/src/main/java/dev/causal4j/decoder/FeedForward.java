package dev.causal4j.decoder;

import dev.causal4j.tensor.Gradients;

/** The layer after the mixer, applied to each token. */
sealed interface FeedForward permits DenseLayer, Experts {
    /** Computes the first linear layers from {@code a.normed}; the backward may recompute this part. */
    void forwardUp(Step step, Tape tape, Activations a);

    /** Computes the rest into {@code a.normed}. */
    void forwardDown(Step step, Tape tape, Activations a);

    /** Adds the gradients, and writes {@code a.dNormed} from {@code a.dOut}; {@code a.normed} is the input. */
    void backward(Step step, Tape tape, Activations a, Gradients gradients);
}
