package dev.causal4j.decoder;

import dev.causal4j.tensor.Gradients;

/** The layer after the mixer, applied to each token. */
sealed interface FeedForward permits DenseLayer, Experts, ExpertsBeside {
    /**
     * Computes the first linear layers from {@code a.normed}, or from the stream {@code a.hidden}; the backward may
     * recompute this part.
     */
    void forwardUp(Step step, Tape tape, Activations a);

    /** Computes the rest into {@code a.normed}. */
    void forwardDown(Step step, Tape tape, Activations a);

    /**
     * Adds the gradients, and writes {@code a.dNormed} from {@code a.dOut}; {@code a.normed} is the input.
     *
     * @param dx [N, D] the gradient by the stream; a layer that reads the stream itself adds to it
     */
    void backward(Step step, float[] dx, Tape tape, Activations a, Gradients gradients);
}
