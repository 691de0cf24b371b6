package dev.causal4j.decoder;

import dev.causal4j.decoder.BlockConfig.Residual;
import dev.causal4j.decoder.Dropout.Place;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.Gradients;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * One block: x += mixer(norm(x)), then x += feedForward(norm(x)). Norms are before or after each layer, or both. The
 * output of a layer may be scaled, and the second layer may read the input of the first. Comments number the steps.
 *
 * @param perLayer adds an input of the layer's own after both, or null
 * @param scale multiplies the stream at the end
 */
record Block(
        int hiddenSize,
        int layer,
        Norms mixerNorms,
        Mixer mixer,
        Norms feedForwardNorms,
        FeedForward feedForward,
        Residual residual,
        float residualScale,
        @Nullable PerLayer perLayer,
        float scale) {
    /** The norms around a layer; null for none. */
    record Norms(@Nullable Norm before, @Nullable Norm after) {}

    /**
     * Computes the stream {@code a.hidden} [N, D] in place. Afterwards it holds only the wanted rows.
     *
     * @param wanted all rows; in the last block the wanted ones
     */
    void forward(Step step, Step wanted, Activations a) {
        Tape tape = a.tape(layer);
        a.keepInput(layer, step.rows() * hiddenSize);
        forwardToUp(step, wanted, tape, a);
        forwardFromUp(wanted, tape, a);
        Activations.scale(a.hidden, wanted.rows() * hiddenSize, scale); // 10: x = scale x
    }

    private void forwardFromUp(Step step, Tape tape, Activations a) {
        feedForward.forwardDown(step, tape, a); // .. 6
        tape.feedForwardOut = after(feedForwardNorms, step, a, tape, tape.feedForwardOut); // 7: y = scale norm(y)
        add(step, Place.FEED_FORWARD, a); // 8: x += dropout(y)
        if (perLayer != null) {
            perLayer.forward(step, tape, a); // 9: x += perLayer(x)
        }
    }

    /** Computes the mixer and the first half of the feed-forward layer; the backward may recompute this part. */
    private void forwardToUp(Step step, Step wanted, Tape tape, Activations a) {
        before(mixerNorms, step, a.hidden, a.normed); // 1: n = norm(x)
        mixer.forward(step, wanted, tape, a); // 2: y = mixer(n)
        wanted.choose(a.hidden, hiddenSize);
        if (perLayer != null) {
            wanted.choose(a.perLayer, perLayer.stride());
        }
        tape.mixerOut = after(mixerNorms, wanted, a, tape, tape.mixerOut); // 3: y = scale norm(y)
        if (residual == Residual.PARALLEL) {
            tape.afterMixer = copied(a.hidden, tape.afterMixer, wanted);
        }
        add(wanted, Place.ATTENTION_OUT, a); // 4: x += dropout(y)
        if (residual == Residual.SEQUENTIAL && tape.keeps) {
            tape.afterMixer = copied(a.hidden, tape.afterMixer, wanted);
        }
        before(feedForwardNorms, wanted, residual == Residual.PARALLEL ? tape.afterMixer : a.hidden, a.normed);
        feedForward.forwardUp(wanted, tape, a);
    }

    private void before(Norms norms, Step step, float[] x, float[] y) {
        if (norms.before != null) {
            norms.before.forward(step, x, y);
        } else {
            System.arraycopy(x, 0, y, 0, step.rows() * hiddenSize);
        }
    }

    /**
     * Norms and scales a layer's output {@code a.normed}. Returns a copy of the output before the norm if the backward
     * reads it.
     */
    private float[] after(Norms norms, Step step, Activations a, Tape tape, float[] memory) {
        float[] kept = tape.keeps && norms.after != null ? copied(a.normed, memory, step) : memory;
        if (norms.after != null) {
            norms.after.forward(step, a.normed, a.normed);
        }
        Activations.scale(a.normed, step.rows() * hiddenSize, residualScale);
        return kept;
    }

    private float[] copied(float[] x, float[] memory, Step step) {
        return Activations.copied(x, memory, step.rows(), hiddenSize);
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
     * @param dx [N, D] the gradient by the stream after the block; becomes the gradient by the stream before it
     */
    void backward(Step step, float[] dx, Activations a, Gradients gradients) {
        Tape tape = a.tape(layer);
        float[] input = a.input(layer);
        int size = step.rows() * hiddenSize;
        if (a.keep == Activations.Keep.INPUTS) {
            System.arraycopy(input, 0, a.hidden, 0, size);
            forwardToUp(step, step, tape, a); // 1 to 6 again
            if (feedForwardNorms.after != null || perLayer != null) {
                forwardFromUp(step, tape, a);
            }
        }
        Activations.scale(dx, step.rows() * hiddenSize, scale); // 10: dx = scale dx
        if (perLayer != null) {
            perLayer.backward(step, dx, tape, a, gradients); // 9: dx +=
        }
        float[] dMixer = dx;
        if (residual == Residual.PARALLEL) { // both layers get the gradient of the same sum
            a.dStream = copied(dx, a.dStream, step);
            dMixer = a.dStream;
        }
        dropped(step, Place.FEED_FORWARD, dx, a);
        afterBackward(feedForwardNorms, step, tape.feedForwardOut, a, gradients);
        before(feedForwardNorms, step, tape.afterMixer, a.normed);
        feedForward.backward(step, dx, tape, a, gradients);
        beforeBackward(feedForwardNorms, step, tape.afterMixer, dx, a, gradients);

        dropped(step, Place.ATTENTION_OUT, dMixer, a); // 4: dy = dropout(dx)    3: dy = scale dy
        afterBackward(mixerNorms, step, tape.mixerOut, a, gradients); // 3: dy
        before(mixerNorms, step, input, a.normed); // 1 again
        mixer.backward(step, tape, a, gradients); // 2: dn
        beforeBackward(mixerNorms, step, input, dx, a, gradients); // 1: dx +=
    }

    /** {@code a.dOut} becomes the gradient by a layer's output before dropout and scale. */
    private void dropped(Step step, Place place, float[] dx, Activations a) {
        DropoutMask mask = step.mask(place, layer);
        step.compute.each(step.rows(), row -> {
            int from = row * hiddenSize;
            System.arraycopy(dx, from, a.dOut, from, hiddenSize);
            mask.apply(a.dOut, from, hiddenSize, step.address(row) * hiddenSize);
        });
        Activations.scale(a.dOut, step.rows() * hiddenSize, residualScale);
    }

    /** {@code a.dOut} becomes the gradient by the norm's input. */
    private void afterBackward(Norms norms, Step step, float[] x, Activations a, Gradients gradients) {
        if (norms.after != null) {
            int size = step.rows() * hiddenSize;
            Arrays.fill(a.dNormed, 0, size, 0f);
            norms.after.backward(step, x, a.dOut, a.dNormed, a, gradients);
            System.arraycopy(a.dNormed, 0, a.dOut, 0, size);
        }
    }

    /** Adds {@code a.dNormed}, the gradient by a layer's input, to the gradient by the stream. */
    private void beforeBackward(Norms norms, Step step, float[] x, float[] dx, Activations a, Gradients gradients) {
        if (norms.before != null) {
            norms.before.backward(step, x, a.dNormed, dx, a, gradients);
        } else {
            Kernels.add(a.dNormed, 0, dx, 0, step.rows() * hiddenSize);
        }
    }
}
