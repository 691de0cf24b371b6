package dev.causal4j.decoder;

import dev.causal4j.decoder.Dropout.Place;
import dev.causal4j.kernel.DropoutMask;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.tensor.Gradients;

/** One block: x += attention(norm(x)), then x += feedForward(norm(x)). */
record Block(
        int hiddenSize,
        int layer,
        Norm attentionNorm,
        Attention attention,
        Norm feedForwardNorm,
        FeedForward feedForward) {
    /**
     * Computes the stream {@code a.hidden} [N, D] in place. Afterwards it holds only the wanted rows.
     *
     * @param wanted all rows; in the last block the wanted ones
     */
    void forward(Step step, Step wanted, Activations a) {
        Tape tape = a.tape(layer);
        a.keepInput(layer, step.rows() * hiddenSize);
        forwardToUp(step, wanted, tape, a);
        feedForward.forwardDown(wanted, tape, a);
        add(wanted, Place.FEED_FORWARD, a);
    }

    /** The part that the backward may recompute. */
    private void forwardToUp(Step step, Step wanted, Tape tape, Activations a) {
        attentionNorm.forward(step, a.hidden, a.normed);
        attention.forward(step, wanted, tape, a);
        wanted.choose(a.hidden, hiddenSize);
        add(wanted, Place.ATTENTION_OUT, a);
        if (tape.keeps) {
            System.arraycopy(a.hidden, 0, tape.middle, 0, wanted.rows() * hiddenSize);
        }
        feedForwardNorm.forward(wanted, a.hidden, a.normed);
        feedForward.forwardUp(wanted, tape, a);
    }

    /** hidden += dropout(normed), [N, D]. */
    private void add(Step step, Place place, Activations a) {
        DropoutMask mask = step.mask(place, layer);
        step.compute.each(step.rows(), row -> {
            int from = row * hiddenSize;
            mask.apply(a.normed, from, hiddenSize, step.address(row) * hiddenSize);
            Kernels.add(a.normed, from, a.hidden, from, hiddenSize);
        });
    }

    /**
     * Adds the gradients.
     *
     * @param dx [N, D] the gradient by the stream after the block; becomes that by the stream before it
     */
    void backward(Step step, float[] dx, Activations a, Gradients gradients) {
        Tape tape = a.tape(layer);
        float[] input = a.input(layer);
        if (a.keep == Activations.Keep.INPUTS) {
            System.arraycopy(input, 0, a.hidden, 0, step.rows() * hiddenSize);
            forwardToUp(step, step, tape, a);
        }
        dropped(step, Place.FEED_FORWARD, dx, a.dOut);
        feedForwardNorm.forward(step, tape.middle, a.normed);
        feedForward.backward(step, tape, a, gradients);
        feedForwardNorm.backward(step, tape.middle, a.dNormed, dx, a.moments, gradients);

        dropped(step, Place.ATTENTION_OUT, dx, a.dOut);
        attentionNorm.forward(step, input, a.normed);
        attention.backward(step, tape, a, gradients);
        attentionNorm.backward(step, input, a.dNormed, dx, a.moments, gradients);
    }

    /** dOut = the gradient by what a half adds, before its dropout. */
    private void dropped(Step step, Place place, float[] dx, float[] dOut) {
        DropoutMask mask = step.mask(place, layer);
        step.compute.each(step.rows(), row -> {
            int from = row * hiddenSize;
            System.arraycopy(dx, from, dOut, from, hiddenSize);
            mask.apply(dOut, from, hiddenSize, step.address(row) * hiddenSize);
        });
    }
}
