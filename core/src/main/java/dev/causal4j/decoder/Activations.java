package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The arrays of a forward, grown by need and used again by the next one. Belongs to one caller; not thread-safe.
 *
 * <p>For inference all blocks share the same arrays. For training each block from {@code keepFrom} on has its own, which the
 * backward reads; or it has its input alone and is computed again.
 */
public final class Activations {
    /** What is kept for a backward. */
    public enum Keep {
        /** All that a block's backward needs: about 10 D numbers a row and block. */
        BLOCKS,
        /** The input of each block, D numbers a row; the backward computes the rest again, which costs a forward. */
        INPUTS
    }

    private static final int NOTHING = Integer.MAX_VALUE;

    float[] hidden = {}; // [N, D]
    float[] normed = {}; // [N, D]
    float[] activated = {}; // [N, inner], after GELU
    float[] scores = {}; // [chunks · heads, rows of a tile, positions]
    long[] addresses = {}; // [N], what dropout addresses the rows by
    Dropout dropout = Dropout.NONE;

    private final int keepFrom;
    private final Keep keep;
    private final BlockActivations shared = new BlockActivations();
    private final List<BlockActivations> blocks = new ArrayList<>(); // of the layers from keepFrom on
    private final List<float[]> inputs = new ArrayList<>(); // of the same, then the output of the last; each [N, D]
    private final BackwardScratch backward = new BackwardScratch();
    private @Nullable Activations lastTokens;

    /** For inference: nothing is kept. */
    public Activations() {
        this(NOTHING, Keep.INPUTS);
    }

    private Activations(int keepFrom, Keep keep) {
        this.keepFrom = keepFrom;
        this.keep = keep;
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

    /** What the next forward drops, and its backward with it. */
    public void use(Dropout next) {
        dropout = next;
    }

    /**
     * The hidden vectors: a forward reads the embedded tokens from here and leaves the last hidden vectors here.
     *
     * @return [rows, D]
     */
    public Rows hidden(int rows, int hiddenSize) {
        hidden = atLeast(hidden, (long) rows * hiddenSize);
        return Rows.of(hidden, hiddenSize, rows);
    }

    void reserve(GPT2Shape shape, int rows, long scoreSize) {
        long hiddenSize = shape.hiddenSize();
        normed = atLeast(normed, rows * hiddenSize);
        scores = atLeast(scores, scoreSize);
        addresses = addresses.length >= rows ? addresses : new long[rows];
        boolean keepsAny = keepFrom <= shape.layers();
        activated = atLeast(activated, keepsAny ? (long) rows * shape.innerSize() : 0);
        if (keepFrom > 0 || keep == Keep.INPUTS) {
            shared.reserve(shape, rows, keepsAny);
        }
        for (int layer = keepFrom; layer <= shape.layers(); layer++) {
            int i = layer - keepFrom;
            if (inputs.size() <= i) {
                inputs.add(new float[0]);
                blocks.add(new BlockActivations());
            }
            inputs.set(i, atLeast(inputs.get(i), rows * hiddenSize));
            if (keep == Keep.BLOCKS && layer < shape.layers()) {
                blocks.get(i).reserve(shape, rows, true);
            }
        }
    }

    /** The residual stream before a layer, [N, D]; after the last one when {@code layer} is the number of layers. */
    float[] input(int layer) {
        return layer < keepFrom ? hidden : inputs.get(layer - keepFrom);
    }

    BlockActivations block(int layer) {
        return layer < keepFrom || keep == Keep.INPUTS ? shared : blocks.get(layer - keepFrom);
    }

    /** The residual stream between the halves of a block: in inference it overwrites the block's input. */
    float[] middle(int layer) {
        return layer < keepFrom ? hidden : block(layer).middle;
    }

    /** Where GELU's results go: in inference they overwrite what it is applied to. */
    float[] activated(int layer) {
        return layer < keepFrom ? shared.inner : activated;
    }

    boolean keeps(int layer) {
        return layer >= keepFrom;
    }

    /** Whether anything is kept for a backward. */
    boolean areForTraining() {
        return keepFrom != NOTHING;
    }

    boolean recomputes() {
        return keep == Keep.INPUTS;
    }

    /** Those of a batch of each chunk's last token, with the same dropout. */
    Activations ofLastTokens() {
        if (lastTokens == null) {
            lastTokens = new Activations();
        }
        lastTokens.use(dropout);
        return lastTokens;
    }

    BackwardScratch backward() {
        return backward;
    }

    static float[] atLeast(float[] array, long size) {
        if (size > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException(
                    "activations: expected at most 2^31 numbers, got " + size + "; use smaller chunks of tokens");
        }
        return array.length >= size ? array : new float[(int) size];
    }
}
