package dev.causal4j.decoder;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.DropoutMask;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.kernel.Panels;
import dev.causal4j.tensor.Gradients;
import dev.causal4j.tensor.Matrix;
import java.util.Arrays;
import java.util.List;

/**
 * GPT-2 between the embedding and the head: positions, pre-norm blocks, a last norm (Radford et al. 2019). Immutable and
 * thread-safe; what changes belongs to the caller's {@link KVCache} and {@link Activations}.
 *
 * <p>Every hidden vector has the same bits whatever else is in the batch, however a prompt was cut into chunks, whether
 * earlier positions were cached, and for every number of threads: nothing below sums over rows, chunks or threads.
 */
public final class GPT2Backbone {
    /** Queries of a head that share one reading of its keys; a multiple of the 6 rows of a register tile. */
    private static final int QUERY_ROWS = 24;

    private final GPT2Shape shape;
    private final Matrix positions;
    private final List<GPT2Block> blocks;
    private final LayerNorm lastNorm;
    private final float[][] queryScales; // [layers][headSize], each a layer's factor: short plain loops use no vectors

    /**
     * Assembles a backbone.
     *
     * @param positions position embedding [contextLength, D]
     * @throws IllegalArgumentException if a part does not have the shape's sizes
     */
    public GPT2Backbone(GPT2Shape shape, Matrix positions, List<GPT2Block> blocks, LayerNorm lastNorm) {
        this.shape = shape;
        this.positions = positions;
        this.blocks = List.copyOf(blocks);
        this.lastNorm = lastNorm;
        this.queryScales = new float[shape.layers()][shape.headSize()];
        for (int layer = 0; layer < shape.layers(); layer++) {
            Arrays.fill(queryScales[layer], shape.queryScale(layer));
        }
        int d = shape.hiddenSize();
        expect("layers", shape.layers(), blocks.size());
        expect("position embedding", positions, shape.contextLength(), d);
        expect("last norm", d, lastNorm.gain().length);
        for (GPT2Block block : blocks) {
            expect("norm 1", d, block.norm1().gain().length);
            expect("query key value", block.queryKeyValue().weight(), 3 * d, d);
            expect("attention out", block.attentionOut().weight(), d, d);
            expect("norm 2", d, block.norm2().gain().length);
            expect("up", block.up().weight(), shape.innerSize(), d);
            expect("down", block.down().weight(), d, shape.innerSize());
        }
    }

    private static void expect(String part, Matrix matrix, int rows, int cols) {
        if (matrix.rows() != rows || matrix.cols() != cols) {
            throw new IllegalArgumentException(part + ": expected [" + rows + ", " + cols + "], got [" + matrix.rows()
                    + ", " + matrix.cols() + "]");
        }
    }

    private static void expect(String part, int expected, int actual) {
        if (actual != expected) {
            throw new IllegalArgumentException(part + ": expected " + expected + ", got " + actual);
        }
    }

    /** The sizes. */
    public GPT2Shape shape() {
        return shape;
    }

    /** The position embedding [contextLength, D]. */
    public Matrix positions() {
        return positions;
    }

    /** The blocks, in the order of their layers. */
    public List<GPT2Block> blocks() {
        return blocks;
    }

    /** The norm after the last block. */
    public LayerNorm lastNorm() {
        return lastNorm;
    }

    /** An empty cache for one sequence. */
    public KVCache newCache() {
        return new KVCache(shape, this);
    }

    /**
     * Carries the tokens of a batch from their embeddings to their last hidden vectors, after the last norm, and appends
     * them to the caches. When it throws, no cache has changed its length.
     *
     * @param batch the chunks, whose caches are this backbone's
     * @param activations holds the embedded tokens in {@link Activations#hidden}, in the order of the batch
     * @return the hidden vectors [N, D], in the same array
     */
    public Rows forward(Batch batch, Activations activations) {
        Rows hidden = begin(batch, activations);
        for (int layer = 0; layer < blocks.size(); layer++) {
            forward(layer, batch, hidden.count(), activations);
        }
        normLast(activations, hidden);
        for (Batch.Chunk chunk : batch.chunks()) {
            chunk.cache().advance(chunk.tokens().length);
        }
        return hidden;
    }

    /**
     * The same where only the last token of each chunk is wanted, as after a prompt: the last block, but for its keys and
     * values, and the last norm leave out the other tokens. Where each chunk is one token it is {@link #forward}.
     *
     * @param activations not made for training
     * @return [N, D], whose row {@link Batch#lastRow} of each chunk has the bits {@link #forward} gives it; the others hold
     *     what enters the last block, so that a number that is not finite before it is seen where it comes from
     * @throws IllegalArgumentException if the activations were made for training
     */
    public Rows forwardLast(Batch batch, Activations activations) {
        if (activations.areForTraining()) {
            throw new IllegalArgumentException("activations: expected some that keep nothing, got some for training");
        }
        if (batch.rows() == batch.chunks().size()) {
            return forward(batch, activations);
        }
        Rows hidden = begin(batch, activations);
        int last = blocks.size() - 1;
        for (int layer = 0; layer < last; layer++) {
            forward(layer, batch, hidden.count(), activations);
        }
        storeKeysAndValues(last, batch, hidden.count(), activations);
        boolean complete = false;
        batch.chunks().forEach(chunk -> chunk.cache().advance(chunk.tokens().length - 1));
        try {
            finishLast(batch, hidden, activations.ofLastTokens());
            complete = true;
        } finally {
            for (Batch.Chunk chunk : batch.chunks()) {
                chunk.cache().advance(complete ? 1 : 1 - chunk.tokens().length);
            }
        }
        return hidden;
    }

    /** The last block and norm of each chunk's last token, the batch's caches being advanced to them. */
    private void finishLast(Batch batch, Rows hidden, Activations a) {
        Batch tokens = batch.lastTokens();
        int rows = tokens.rows();
        int d = shape.hiddenSize();
        Rows some = a.hidden(rows, d);
        for (int r = 0; r < rows; r++) {
            System.arraycopy(hidden.data(), hidden.start(batch.lastRow(r)), some.data(), some.start(r), d);
        }
        a.reserve(shape, rows, scoreSize(tokens));
        address(tokens, a);
        forward(blocks.size() - 1, tokens, rows, a);
        normLast(a, some);
        for (int r = 0; r < rows; r++) {
            System.arraycopy(some.data(), some.start(r), hidden.data(), hidden.start(batch.lastRow(r)), d);
        }
    }

    /** Makes room for a batch and adds the positions to its embedded tokens. */
    private Rows begin(Batch batch, Activations activations) {
        int rows = batch.rows();
        Rows hidden = activations.hidden(rows, shape.hiddenSize());
        activations.reserve(shape, rows, scoreSize(batch));
        for (Batch.Chunk chunk : batch.chunks()) {
            if (!chunk.cache().belongsTo(this)) {
                throw new IllegalArgumentException("cache: expected one of this backbone, got another's");
            }
            chunk.cache().checkRoom(chunk.tokens().length);
            chunk.cache().reserve(chunk.cache().length() + chunk.tokens().length);
        }
        address(batch, activations);
        addPositions(batch, activations);
        return hidden;
    }

    private void normLast(Activations a, Rows hidden) {
        float[] last = a.input(blocks.size());
        Compute.shared()
                .each(
                        hidden.count(),
                        r -> lastNorm.forward(shape.layerNormEpsilon(), last, hidden.data(), hidden.start(r)));
    }

    /**
     * The backward of {@link #forward}, layer by layer from the last to the lowest that is trained. The batch's tokens are
     * taken back from the caches, which end as they were before the forward. Equal bits for every number of threads and
     * vector width; a parameter's gradient is one chain over the rows.
     *
     * @param batch that of the forward just made; every sequence began in it
     * @param activations those of that forward, made for training
     * @param dHidden [N, D] the gradient of the loss by what the forward returned; overwritten by the gradient by the embedded
     *     tokens, if that is wanted, or else by numbers that mean nothing
     * @param embedding whether the gradient by the embedded tokens is wanted
     * @param gradients what is trained; the gradients are added
     * @throws IllegalArgumentException if a sequence did not begin in the batch, or a layer that is trained was not kept
     */
    public void backward(Batch batch, Activations activations, Rows dHidden, boolean embedding, Gradients gradients) {
        new GPT2Backward(this, batch, activations, gradients).run(dHidden, embedding);
    }

    /**
     * The lowest layer a backward has to go down to: the layers below it need not be kept. All of them, for a model whose
     * backbone is frozen.
     *
     * @param embedding whether the gradient by the embedded tokens is wanted
     */
    public int lowestTrained(boolean embedding, Gradients gradients) {
        if (embedding || gradients.of(positions) != null) {
            return 0;
        }
        int layer = 0;
        while (layer < blocks.size() && !blocks.get(layer).trained(gradients)) {
            layer++;
        }
        return layer;
    }

    private void forward(int layer, Batch batch, int rows, Activations a) {
        GPT2Block block = blocks.get(layer);
        float[] activated = a.activated(layer);
        forwardToInner(layer, batch, rows, a);
        activate(layer, rows, a);
        block.down().forward(activated, a.normed, rows); // [N, D]
        add(a.normed, a.middle(layer), a.dropout.ofFeedForward(layer), rows, a, a.input(layer + 1));
    }

    /** The part of a block that its backward needs the results of. */
    void forwardToInner(int layer, Batch batch, int rows, Activations a) {
        GPT2Block block = blocks.get(layer);
        BlockActivations b = a.block(layer);
        float[] middle = a.middle(layer);
        int d = shape.hiddenSize();

        queryKeyValue(layer, 0, rows, a);
        attention(layer, batch, a); // [N, D]
        block.attentionOut().forward(b.attention, a.normed, rows);
        add(a.normed, a.input(layer), a.dropout.ofAttentionOut(layer), rows, a, middle);

        Compute.shared().each(rows, r -> block.norm2().forward(shape.layerNormEpsilon(), middle, a.normed, r * d));
        block.up().forward(a.normed, b.inner, rows); // [N, inner]
    }

    /** Queries, keys and values [N, 3 D] from {@code from} of the 3 D on. */
    private void queryKeyValue(int layer, int from, int rows, Activations a) {
        GPT2Block block = blocks.get(layer);
        float[] input = a.input(layer);
        int d = shape.hiddenSize();
        Compute.shared().each(rows, r -> block.norm1().forward(shape.layerNormEpsilon(), input, a.normed, r * d));
        block.queryKeyValue().forwardFrom(from, a.normed, a.block(layer).queryKeyValue, rows);
    }

    /** The part of a block that later tokens need. */
    private void storeKeysAndValues(int layer, Batch batch, int rows, Activations a) {
        queryKeyValue(layer, shape.hiddenSize(), rows, a);
        float[] queryKeyValue = a.block(layer).queryKeyValue;
        int[] firstRows = batch.firstRows();
        int heads = shape.heads();
        Compute.shared().run(firstRows.length * heads, task -> {
            int c = task / heads;
            Batch.Chunk chunk = batch.chunks().get(c);
            for (int t = 0; t < chunk.tokens().length; t++) {
                store(layer, task % heads, chunk.cache(), t, queryKeyValue, query(firstRows[c] + t, task % heads));
            }
        });
    }

    /** GELU of the inner activations. */
    void activate(int layer, int rows, Activations a) {
        float[] inner = a.block(layer).inner;
        float[] activated = a.activated(layer);
        int width = shape.innerSize();
        Compute.shared().each(rows, r -> {
            if (a.keeps(layer)) {
                System.arraycopy(inner, r * width, activated, r * width, width);
            }
            Kernels.gelu(activated, r * width, width);
        });
    }

    private void addPositions(Batch batch, Activations a) {
        int d = shape.hiddenSize();
        float[] hidden = a.hidden;
        DropoutMask mask = a.dropout.ofEmbedding();
        float[] input = a.input(0);
        Compute.shared().each(batch.rows(), row -> {
            int from = row * d;
            positions.row(position(a, row), a.normed, from);
            Kernels.add(a.normed, from, hidden, from, d);
            mask.apply(hidden, from, d, a.addresses[row] * d);
            if (a.keeps(0)) {
                System.arraycopy(hidden, from, input, from, d);
            }
        });
    }

    /** target = sum + dropout(x), each [N, D]; x is overwritten. */
    private void add(float[] x, float[] sum, DropoutMask mask, int rows, Activations a, float[] target) {
        int d = shape.hiddenSize();
        Compute.shared().each(rows, row -> {
            int from = row * d;
            mask.apply(x, from, d, a.addresses[row] * d);
            System.arraycopy(sum, from, target, from, d); // often the same array
            Kernels.add(x, from, target, from, d);
        });
    }

    /** One task for each head of each sequence. */
    private void attention(int layer, Batch batch, Activations a) {
        int heads = shape.heads();
        int[] firstRows = batch.firstRows();
        int[] firstScore = new int[firstRows.length];
        for (int c = 1; c < firstRows.length; c++) {
            Batch.Chunk before = batch.chunks().get(c - 1);
            firstScore[c] = firstScore[c - 1] + heads * scoreRows(before) * scoreWidth(before);
        }
        Compute.shared().run(firstRows.length * heads, task -> {
            int c = task / heads;
            int head = task % heads;
            Batch.Chunk chunk = batch.chunks().get(c);
            int scores = firstScore[c] + head * scoreRows(chunk) * scoreWidth(chunk);
            attention(layer, head, chunk, firstRows[c], scores, a);
        });
    }

    private void attention(int layer, int head, Batch.Chunk chunk, int firstRow, int scores, Activations a) {
        int d = shape.hiddenSize();
        int headSize = shape.headSize();
        BlockActivations b = a.block(layer);
        DropoutMask mask = a.dropout.ofAttention(layer);
        for (int t = 0; t < chunk.tokens().length; t++) {
            int query = query(firstRow + t, head);
            Kernels.scale(queryScales[layer], 0, b.queryKeyValue, query, headSize);
            store(layer, head, chunk.cache(), t, b.queryKeyValue, query);
        }
        for (int t = 0; t < chunk.tokens().length; t += QUERY_ROWS) {
            int count = Math.min(QUERY_ROWS, chunk.tokens().length - t);
            int position = chunk.cache().length() + t;
            Panels keys = chunk.cache().keys(layer, head, position + count);
            Panels values = chunk.cache().values(layer, head, position + count);
            int row = firstRow + t;
            Kernels.attention(
                    keys,
                    values,
                    new Rows(b.queryKeyValue, query(row, head), 3 * d, count),
                    position,
                    new Rows(a.scores, scores, scoreWidth(chunk), count),
                    new Rows(b.attention, row * d + head * headSize, d, count),
                    (weights, offset, r, n) -> mask.apply(weights, offset, n, weightAddress(a, row + r, head)));
        }
    }

    /** Where a row's query of a head begins among queries, keys and values. */
    private int query(int row, int head) {
        return row * 3 * shape.hiddenSize() + head * shape.headSize();
    }

    /** Copies a head's key and value to the cache, t positions behind what it holds. */
    private void store(int layer, int head, KVCache cache, int t, float[] queryKeyValue, int query) {
        int key = query + shape.hiddenSize();
        cache.store(layer, head, cache.length() + t, queryKeyValue, key, queryKeyValue, key + shape.hiddenSize());
    }

    /** A row's position in its sequence. */
    int position(Activations a, int row) {
        return (int) (a.addresses[row] % shape.contextLength());
    }

    /** Where the mask of a query's weights begins. */
    long weightAddress(Activations a, int row, int head) {
        return (a.addresses[row] * shape.heads() + head) * shape.contextLength();
    }

    /** Counts rows through all sequences of a step, each of contextLength: what the masks of dropout are addressed by. */
    private void address(Batch batch, Activations a) {
        int row = 0;
        for (int c = 0; c < batch.chunks().size(); c++) {
            Batch.Chunk chunk = batch.chunks().get(c);
            long sequence = (long) a.dropout.firstSequence() + c;
            for (int t = 0; t < chunk.tokens().length; t++, row++) {
                a.addresses[row] =
                        sequence * shape.contextLength() + chunk.cache().length() + t;
            }
        }
    }

    private long scoreSize(Batch batch) {
        long size = 0;
        for (Batch.Chunk chunk : batch.chunks()) {
            size += (long) shape.heads() * scoreRows(chunk) * scoreWidth(chunk);
        }
        return size;
    }

    private static int scoreRows(Batch.Chunk chunk) {
        return Math.min(QUERY_ROWS, chunk.tokens().length);
    }

    private static int scoreWidth(Batch.Chunk chunk) {
        return Panels.needed(chunk.cache().length() + chunk.tokens().length) * Panels.WIDTH;
    }
}
