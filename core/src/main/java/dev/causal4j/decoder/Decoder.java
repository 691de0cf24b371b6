package dev.causal4j.decoder;

import dev.causal4j.MemoryLimitException;
import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Dropout.Place;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.Gradients;
import dev.causal4j.tensor.Matrix;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A decoder between embedding and head: positions, blocks, a last norm. Immutable and thread-safe; {@link KVCache} and
 * {@link Activations} belong to the caller.
 *
 * <p>A hidden vector has the same bits whatever else is in the batch, however a prompt was cut into chunks, whether
 * earlier positions were cached, and for every number of threads: nothing sums over rows, chunks or threads.
 *
 * <p>As {@link Parameters} it returns its own, so another decoder can reuse them. It owns the pages of its caches, not
 * its parameters.
 */
public final class Decoder implements Parameters, AutoCloseable {
    private final DecoderConfig config;
    private final List<ParameterSpec> specs;
    private final Map<ParameterSpec, Matrix> matrices = new LinkedHashMap<>(); // in the order of the specs
    private final Map<ParameterSpec, Matrix.Source> stored = new HashMap<>();
    private final Map<ParameterSpec, float[]> vectors = new HashMap<>();
    private final Map<ParameterSpec, LowRank> adapters = new HashMap<>();
    private final Compute compute;
    private final Arena pages;
    private final PagePool pool;
    private final @Nullable Matrix positions;
    private final @Nullable PerLayerInputs perLayer;
    private final List<Block> blocks;
    private final Norm lastNorm;

    /**
     * Assembles a decoder; each parameter is asked for once, in the order of {@link DecoderConfig#specs}.
     *
     * @throws IllegalArgumentException if a parameter does not have its spec's shape
     * @throws MemoryLimitException unless the bytes of keys and values are free
     */
    public Decoder(DecoderConfig config, Parameters parameters, KVCache.Options cached) {
        this.config = config;
        Layout layout = new Layout(config);
        this.specs = List.copyOf(layout.specs);
        specs.forEach(spec -> take(spec, parameters));
        this.positions = layout.positions == null ? null : matrix(layout.positions);
        this.compute = matrices.values().iterator().next().device().compute(); // the threads of the first matrix
        this.pages = Device.open(compute, cached.bytes()).arena();
        this.pool = new PagePool(this, cached.dtype(), pages, cached.bytes());
        this.perLayer = layout.perLayer == null ? null : layout.perLayer.apply(this);
        this.blocks = layout.blocks.stream().map(block -> block.apply(this)).toList();
        this.lastNorm = layout.lastNorm.apply(this);
    }

    private void take(ParameterSpec spec, Parameters parameters) {
        if (spec.role().isVector()) {
            float[] vector = parameters.vector(spec);
            spec.check(vector.length, 1);
            vectors.put(spec, vector);
            return;
        }
        Matrix.Source rows = spec.role() == Role.TABLE ? parameters.stored(spec) : null;
        if (rows != null) {
            stored.put(spec, rows);
            return;
        }
        Matrix matrix = parameters.matrix(spec);
        spec.check(matrix.rows(), matrix.cols());
        matrices.put(spec, matrix);
        LowRank adapter = spec.role().isLinear() ? parameters.adapter(spec) : null;
        if (adapter != null) {
            spec.check(adapter.up().rows(), adapter.down().cols());
            adapters.put(spec, adapter);
        }
    }

    /** The shape of the decoder. */
    public DecoderConfig config() {
        return config;
    }

    /** The parameters, in the order of the forward. */
    public List<ParameterSpec> specs() {
        return specs;
    }

    @Override
    public Matrix matrix(ParameterSpec spec) {
        return Objects.requireNonNull(matrices.get(spec), spec.name());
    }

    @Override
    public Matrix.@Nullable Source stored(ParameterSpec table) {
        return stored.get(table);
    }

    @Override
    public float[] vector(ParameterSpec spec) {
        return Objects.requireNonNull(vectors.get(spec), spec.name());
    }

    @Override
    public @Nullable LowRank adapter(ParameterSpec weight) {
        return adapters.get(weight);
    }

    /** The page pool of its caches. */
    public PagePool pool() {
        return pool;
    }

    /**
     * A further page pool for its caches, in f32 and without a bound, for a caller that knows how many pages it needs.
     */
    public PagePool newPool() {
        return new PagePool(this, DType.F32, pages, Long.MAX_VALUE);
    }

    /**
     * Computes the wanted hidden vectors of a batch, after the last norm, and appends the tokens to the caches. If it
     * throws, no cache changes its length.
     *
     * @param a holds the embedded tokens in {@link Activations#hidden}, in the order of the batch
     * @return the wanted hidden vectors, in the order of the batch, in the same array
     * @throws IllegalStateException if there are too few free pages
     */
    public Rows forward(Batch batch, Activations a) {
        batch.chunks().forEach(chunk -> chunk.cache().prepare(this, chunk.tokens().length));
        Step step = a.begin(batch, config, compute);
        Step wanted = step.wanted();
        embed(step, a);
        if (perLayer != null) {
            perLayer.forward(step, a);
        }
        for (Block block : blocks) {
            block.forward(step, block.layer() == blocks.size() - 1 ? wanted : step, a);
        }
        a.keepInput(blocks.size(), wanted.rows() * config.hiddenSize());
        lastNorm.forward(wanted, a.hidden, a.hidden);
        Activations.scale(a.hidden, wanted.rows() * config.hiddenSize(), config.hiddenScale());
        batch.chunks().forEach(chunk -> chunk.cache().advance(chunk.tokens().length));
        return Rows.of(a.hidden, config.hiddenSize(), wanted.rows());
    }

    /**
     * Moves the states of recurrent layers over the next positions of a cache, with the inputs that the cache has
     * recorded.
     */
    void replay(KVCache cache, int positions) {
        if (positions > 0) {
            Activations a = new Activations();
            Step step = a.begin(new Batch(List.of(new Batch.Chunk(cache, new int[positions], 0))), config, compute);
            blocks.stream()
                    .filter(block -> !(block.mixer() instanceof Attention))
                    .forEach(block -> block.mixer().forward(step, step.wanted(), a.tape(block.layer()), a));
        }
    }

    /** Scales embedded tokens and adds positions. */
    private void embed(Step step, Activations a) {
        int d = config.hiddenSize();
        DropoutMask mask = step.mask(Place.EMBEDDING, 0);
        Activations.scale(a.hidden, step.rows() * config.hiddenSize(), config.embeddingScale());
        step.compute.each(step.rows(), row -> {
            int from = row * d;
            if (positions != null) {
                positions.row(step.position(row), a.normed, from);
                Kernels.add(a.normed, from, a.hidden, from, d);
            }
            mask.apply(a.hidden, from, d, step.address(row) * d);
        });
    }

    /**
     * Backward of {@link #forward}, from the last layer to the lowest trained one. Removes the batch's tokens from the
     * caches. Equal bits for every number of threads and vector width; a parameter's gradient is one chain over the
     * rows.
     *
     * @param batch the batch of the preceding forward; every sequence began in it
     * @param a the activations of that forward, made for training
     * @param dHidden [N, D] the gradient by the forward's result; becomes the gradient by the embedded tokens if
     *     wanted, otherwise undefined
     * @param embedding whether the gradient by the embedded tokens is wanted
     * @param gradients the gradients of the trained parameters, added to
     * @throws IllegalArgumentException if a sequence did not begin in the batch, or a layer that is trained was not
     *     kept
     */
    public void backward(Batch batch, Activations a, Rows dHidden, boolean embedding, Gradients gradients) {
        int lowest = lowestTrained(embedding, gradients);
        boolean trainsLastNorm = gradients.of(lastNorm.gain()) != null || gradients.of(lastNorm.bias()) != null;
        if (config.bidirectional()) {
            throw new IllegalArgumentException("backward: expected tokens that see none after them, got others");
        }
        boolean nothing = lowest == blocks.size() && !trainsLastNorm;
        checkBackward(batch, a, dHidden, nothing ? Activations.NOTHING : lowest);
        if (!nothing) {
            Step step = a.beginBackward(batch, config.hiddenSize());
            batch.chunks().forEach(chunk -> chunk.cache().state().clear());
            float[] dx = dHidden.data();
            System.arraycopy(dx, 0, a.dOut, 0, step.rows() * config.hiddenSize());
            Activations.scale(a.dOut, step.rows() * config.hiddenSize(), config.hiddenScale());
            Arrays.fill(dx, 0, step.rows() * config.hiddenSize(), 0f);
            if (perLayer != null) {
                perLayer.beginBackward(step, a);
            }
            lastNorm.backward(step, a.input(blocks.size()), a.dOut, dx, a, gradients);
            for (Block block : blocks.subList(lowest, blocks.size()).reversed()) {
                block.backward(step, dx, a, gradients);
            }
            if (trainsInputs(embedding, gradients)) {
                embedBackward(step, dx, a, gradients);
            }
        }
        batch.chunks().forEach(chunk -> chunk.cache().truncate(0));
    }

    private void checkBackward(Batch batch, Activations a, Rows dHidden, int lowest) {
        int rows = batch.rows();
        int d = config.hiddenSize();
        if (dHidden.count() != rows || dHidden.offset() != 0 || dHidden.stride() != d) {
            throw new IllegalArgumentException("dHidden: expected [" + rows + ", " + d + "] without gaps, got "
                    + dHidden.count() + " rows of " + dHidden.stride());
        }
        for (Batch.Chunk chunk : batch.chunks()) {
            if (chunk.cache().length() != chunk.tokens().length) {
                throw new IllegalArgumentException("backward: expected sequences that begin in the batch, got one of "
                        + chunk.cache().length() + " tokens of which " + chunk.tokens().length + " are in it");
            }
        }
        if (lowest < a.keepFrom) {
            throw new IllegalArgumentException("activations: expected layers from " + lowest
                    + " on to be kept, got fewer; keep from a lower layer");
        }
    }

    /** Whether anything below the blocks is trained. */
    private boolean trainsInputs(boolean embedding, Gradients gradients) {
        return embedding
                || (positions != null && gradients.of(positions) != null)
                || (perLayer != null && perLayer.isTrained(gradients));
    }

    /** dx becomes the gradient by the embedded tokens; the gradient by the positions is added. */
    private void embedBackward(Step step, float[] dx, Activations a, Gradients gradients) {
        int d = config.hiddenSize();
        if (perLayer != null) {
            perLayer.backward(step, dx, a, gradients);
        }
        DropoutMask mask = step.mask(Place.EMBEDDING, 0);
        step.compute.each(step.rows(), r -> mask.apply(dx, r * d, d, step.address(r) * d));
        Gradient dPositions = positions == null ? null : gradients.of(positions);
        if (dPositions != null) {
            int[] numbers = new int[step.rows()];
            Arrays.setAll(numbers, step::position);
            dPositions.addRows(numbers, Rows.of(dx, d, step.rows()));
        }
        Activations.scale(dx, step.rows() * config.hiddenSize(), config.embeddingScale());
    }

    /**
     * The lowest layer that a backward reaches; layers below it need not be kept. The number of layers if the decoder
     * is frozen.
     *
     * @param embedding whether the gradient by the embedded tokens is wanted
     */
    public int lowestTrained(boolean embedding, Gradients gradients) {
        if (trainsInputs(embedding, gradients)) {
            return 0;
        }
        return specs.stream()
                .filter(spec -> spec.layer() != ParameterSpec.NO_LAYER && isTrained(spec, gradients))
                .mapToInt(ParameterSpec::layer)
                .min()
                .orElse(blocks.size());
    }

    private boolean isTrained(ParameterSpec spec, Gradients gradients) {
        if (spec.role().isVector()) {
            return gradients.of(vector(spec)) != null;
        }
        LowRank adapter = adapter(spec);
        return gradients.of(matrix(spec)) != null
                || (adapter != null && (gradients.of(adapter.down()) != null || gradients.of(adapter.up()) != null));
    }

    /** Frees the pages of its caches. */
    @Override
    public void close() {
        if (pages.scope().isAlive()) {
            pages.close();
        }
    }
}
