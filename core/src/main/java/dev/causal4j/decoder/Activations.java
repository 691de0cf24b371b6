package dev.causal4j.decoder;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.choice.Kernels;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reusable memory of forward and backward passes. Each pass enlarges the arrays that it needs. Not thread-safe.
 *
 * <p>For inference all blocks share arrays. For training each block from {@code keepFrom} on has arrays of its own, or
 * keeps only its input and is recomputed.
 */
public final class Activations {
    /** The numbers that a forward keeps for its backward. */
    public enum Keep {
        /** All inputs of a block's backward: about 10 D numbers a row and block. */
        BLOCKS,
        /** The input of each block, D numbers a row; the backward recomputes the rest. */
        INPUTS
    }

    static final int NOTHING = Integer.MAX_VALUE;

    float[] hidden = {}; // [N, D], the residual stream
    float[] normed = {}; // [N, D], the input of a layer, then its output
    float[] activated = {}; // [N, activated], the input of the down projection in training
    float[] beside = {}; // [N, D], the output of one of two layers side by side
    final Compute.Scratch<Attention.Scores> scores = new Compute.Scratch<>(Attention.Scores::new);

    float[] dOut = {}; // [N, D], the gradient by the output that half a block adds to the stream
    float[] dNormed = {}; // [N, D]
    float[] dStream = {}; // [N, D], the gradient by the stream of a parallel block
    float[] dInner = {}; // [N, up]
    float[] dActivated = {}; // [N, activated]
    float[] dMixed = {}; // shaped as in the tape, like the next two
    float[] dPrepared = {};
    float[] dProjected = {};
    float[] perLayer = {}; // [N, L p], inputs of each layer's own
    float[] dPerLayer = {}; // [N, L p]
    private float[] moments = {};
    // [N, 2 G n], by layer: gradients from the layers that read its keys
    private final Map<Integer, float[]> dKeys = new HashMap<>();

    final int keepFrom;
    final Keep keep;
    private final Tape shared;
    // of the layers from keepFrom on, then one for the output of the last
    private final List<Tape> tapes = new ArrayList<>();
    private Dropout dropout = Dropout.NONE;
    private @Nullable Step step;

    /** For inference; keeps nothing. */
    public Activations() {
        this(NOTHING, Keep.INPUTS);
    }

    private Activations(int keepFrom, Keep keep) {
        this.keepFrom = keepFrom;
        this.keep = keep;
        this.shared = new Tape(keep == Keep.INPUTS && keepFrom != NOTHING);
    }

    /**
     * For training.
     *
     * @param keepFrom the lowest layer the backward goes down to
     */
    public static Activations forTraining(int keepFrom, Keep keep) {
        if (keepFrom < 0) {
            throw new IllegalArgumentException("layer to keep from: expected at least 0, got " + keepFrom);
        }
        return new Activations(keepFrom, keep);
    }

    /** The dropout of the next forward and its backward. */
    public void use(Dropout next) {
        dropout = next;
    }

    /**
     * The hidden vectors: a forward reads embedded tokens here and writes the last hidden vectors here.
     *
     * @return [rows, D]
     */
    public Rows hidden(int rows, int hiddenSize) {
        hidden = atLeast(hidden, rows, hiddenSize);
        return Rows.of(hidden, hiddenSize, rows);
    }

    /** Makes room for a forward, and records the forward for its backward. */
    Step begin(Batch batch, DecoderConfig config, Compute compute) {
        if (keepFrom != NOTHING && batch.wanted() < batch.rows()) {
            throw new IllegalArgumentException("batch: expected all rows to be wanted for training, got some");
        }
        hidden(batch.rows(), config.hiddenSize());
        normed = atLeast(normed, batch.rows(), config.hiddenSize());
        while (keepFrom <= config.blocks().size() - tapes.size()) {
            tapes.add(new Tape(true));
        }
        step = new Step(batch, config.contextLength(), dropout, compute, false);
        return step;
    }

    /** Makes room for the backward of the last forward. */
    Step beginBackward(Batch batch, int hiddenSize) {
        if (step == null || !step.batch.equals(batch)) {
            throw new IllegalArgumentException("batch: expected that of the forward just made, got another");
        }
        dOut = atLeast(dOut, step.rows(), hiddenSize);
        dNormed = atLeast(dNormed, step.rows(), hiddenSize);
        dKeys.clear();
        return step;
    }

    Tape tape(int layer) {
        return layer < keepFrom || keep == Keep.INPUTS ? shared : tapes.get(layer - keepFrom);
    }

    /** The kept stream before a layer, [N, D]; after the last layer if {@code layer} is the number of layers. */
    float[] input(int layer) {
        return tapes.get(layer - keepFrom).input;
    }

    void keepInput(int layer, int count) {
        if (layer >= keepFrom) {
            Tape tape = tapes.get(layer - keepFrom);
            tape.input = atLeast(tape.input, 1, count);
            System.arraycopy(hidden, 0, tape.input, 0, count);
        }
    }

    /** Adds gradients by the keys and values of a layer. The layer takes them in its own backward. */
    void addKeys(int layer, float[] gradients) {
        float[] sums = dKeys.putIfAbsent(layer, gradients);
        if (sums != null) {
            Kernels.add(gradients, 0, sums, 0, gradients.length);
        }
    }

    float @Nullable [] takeKeys(int layer) {
        return dKeys.remove(layer);
    }

    /** Scratch, two numbers a row. */
    float[] moments(int rows) {
        moments = atLeast(moments, rows, 2);
        return moments;
    }

    /** A copy of rows, in {@code memory} if it is long enough. */
    static float[] copied(float[] x, float[] memory, int rows, int width) {
        float[] copy = atLeast(memory, rows, width);
        System.arraycopy(x, 0, copy, 0, rows * width);
        return copy;
    }

    /** Multiplies the first n numbers. */
    static void scale(float[] x, int n, float factor) {
        for (int i = 0; factor != 1 && i < n; i++) {
            x[i] *= factor;
        }
    }

    static float[] atLeast(float[] array, int rows, int width) {
        long size = (long) rows * width;
        if (size > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException(
                    "activations: expected at most 2^31 numbers, got " + size + "; use smaller chunks of tokens");
        }
        return array.length >= size ? array : new float[(int) size];
    }
}
