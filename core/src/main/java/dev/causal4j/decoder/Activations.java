package dev.causal4j.decoder;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.NormPlaces;
import dev.causal4j.decoder.BlockConfig.Residual;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Reusable memory of forward and backward passes; grows on demand. Not thread-safe.
 *
 * <p>For inference all blocks share arrays. For training each block from {@code keepFrom} on has its own, or keeps only
 * its input and is recomputed.
 */
public final class Activations {
    /** What a forward keeps for its backward. */
    public enum Keep {
        /** All inputs of a block's backward: about 10 D numbers a row and block. */
        BLOCKS,
        /** The input of each block, D numbers a row; the backward recomputes the rest. */
        INPUTS
    }

    /**
     * Widths of a row in the widest block.
     *
     * @param prepared of queries, keys and values where norms of queries and keys need them twice, otherwise 0
     * @param normedAfter of the stream where norms follow layers, otherwise 0
     * @param up before the activation, of all experts that a token goes to
     * @param activated after the activation, of one expert
     * @param norms vectors of a row that are normed at once
     */
    record Widths(
            int hidden,
            int queryKeyValue,
            int heads,
            int prepared,
            int normedAfter,
            boolean parallel,
            int experts,
            int up,
            int activated,
            int norms) {
        static Widths of(DecoderConfig config, List<Block> blocks) {
            int queryKeyValue = 0;
            int heads = 0;
            int experts = 0;
            int up = 0;
            int activated = 0;
            int norms = 1;
            for (Block block : blocks) {
                queryKeyValue = Math.max(queryKeyValue, block.attention().width);
                heads = Math.max(heads, block.attention().queryWidth);
                norms = Math.max(norms, block.attention().heads);
                boolean dense = block.feedForward() instanceof DenseLayer;
                DenseLayer each = block.feedForward().each();
                experts = Math.max(experts, dense ? 0 : block.feedForward().count());
                up = Math.max(
                        up, each.up().weight().rows() * block.feedForward().chosen());
                activated = Math.max(activated, each.down().weight().cols());
            }
            BlockConfig first = config.blocks().getFirst();
            boolean preparesTwice = first.attention().queryKeyNorm() != QueryKeyNorm.NONE;
            boolean normsAfter = first.norms() != NormPlaces.BEFORE;
            int d = config.hiddenSize();
            boolean parallel = first.residual() == Residual.PARALLEL;
            return new Widths(
                    d,
                    queryKeyValue,
                    heads,
                    preparesTwice ? queryKeyValue : 0,
                    normsAfter ? d : 0,
                    parallel,
                    experts,
                    up,
                    activated,
                    norms);
        }
    }

    static final int NOTHING = Integer.MAX_VALUE;

    float[] hidden = {}; // [N, D], the residual stream
    float[] normed = {}; // [N, D], what enters a layer and what leaves it
    float[] queries = {}; // [N, (H + 2 G) n], of the wanted rows alone
    float[] activated = {}; // [N, activated], what enters the down projection in training
    final Compute.Scratch<Attention.Scores> scores = new Compute.Scratch<>(Attention.Scores::new);

    float[] dOut = {}; // [N, D], the gradient by what half a block adds to the stream
    float[] dNormed = {}; // [N, D]
    float[] dStream = {}; // [N, D], of a parallel block
    float[] dInner = {}; // [N, up]
    float[] dActivated = {}; // [N, activated]
    float[] dAttention = {}; // [N, H n]
    float[] dPrepared = {}; // [N, (H + 2 G) n], by normed, rotated and scaled queries and keys
    float[] dQueryKeyValue = {}; // [N, (H + 2 G) n]
    float[] moments = {}; // [N, 2 norms]

    final int keepFrom;
    final Keep keep;
    private final Tape shared;
    private final List<Tape> tapes = new ArrayList<>(); // of the layers from keepFrom on, then the output of the last
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

    /** Makes room for a forward and records it for its backward. */
    Step begin(Batch batch, int contextLength, Widths widths, int layers, Compute compute) {
        int rows = batch.rows();
        int wanted = batch.wanted();
        boolean training = keepFrom != NOTHING;
        if (training && wanted < rows) {
            throw new IllegalArgumentException("batch: expected all rows to be wanted for training, got some");
        }
        hidden(rows, widths.hidden());
        normed = atLeast(normed, rows, widths.hidden());
        queries = atLeast(queries, wanted < rows ? wanted : 0, widths.queryKeyValue());
        activated = atLeast(activated, training ? rows : 0, widths.activated());
        shared.reserve(widths, rows);
        for (int layer = keepFrom; layer <= layers; layer++) {
            int i = layer - keepFrom;
            if (tapes.size() <= i) {
                tapes.add(new Tape(true));
            }
            Tape tape = tapes.get(i);
            tape.input = atLeast(tape.input, rows, widths.hidden());
            if (keep == Keep.BLOCKS && layer < layers) {
                tape.reserve(widths, rows);
            }
        }
        step = new Step(batch, contextLength, dropout, compute, false);
        return step;
    }

    /** Makes room for the backward of the last forward. */
    Step beginBackward(Batch batch, Widths widths) {
        if (step == null || !step.batch.equals(batch)) {
            throw new IllegalArgumentException("batch: expected that of the forward just made, got another");
        }
        int rows = step.rows();
        dOut = atLeast(dOut, rows, widths.hidden());
        dNormed = atLeast(dNormed, rows, widths.hidden());
        dStream = atLeast(dStream, widths.parallel() ? rows : 0, widths.hidden());
        dInner = atLeast(dInner, rows, widths.up());
        dActivated = atLeast(dActivated, rows, widths.activated());
        dAttention = atLeast(dAttention, rows, widths.heads());
        dQueryKeyValue = atLeast(dQueryKeyValue, rows, widths.queryKeyValue());
        dPrepared = atLeast(dPrepared, rows, widths.prepared());
        moments = atLeast(moments, rows, 2 * widths.norms());
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
            System.arraycopy(hidden, 0, input(layer), 0, count);
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
