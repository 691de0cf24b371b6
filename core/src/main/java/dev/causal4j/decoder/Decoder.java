package dev.causal4j.decoder;

import dev.causal4j.MemoryLimitException;
import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig;
import dev.causal4j.decoder.BlockConfig.NormConfig;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.Dropout.Place;
import dev.causal4j.kernel.DropoutMask;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.kernel.NormRule;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Gradient;
import dev.causal4j.tensor.Gradients;
import dev.causal4j.tensor.Matrix;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
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
    private final Map<String, Matrix> matrices = new HashMap<>();
    private final Map<String, float[]> vectors = new HashMap<>();
    private final Map<String, LowRank> adapters = new HashMap<>();
    private final Compute compute;
    private final Arena pages;
    private final PagePool pool;
    private final @Nullable Matrix positions;
    private final List<Block> blocks = new ArrayList<>();
    private final Norm lastNorm;

    /**
     * Assembles a decoder; each parameter is asked for once, in the order of {@link DecoderConfig#specs}.
     *
     * @throws IllegalArgumentException if a parameter does not have its spec's shape
     * @throws MemoryLimitException unless the bytes of keys and values are free
     */
    public Decoder(DecoderConfig config, Parameters parameters, KVCache.Options cached) {
        this.config = config;
        this.specs = List.copyOf(config.specs());
        specs.forEach(spec -> take(spec, parameters));
        this.positions = matrices.get("positions.weight");
        this.compute = matrices.values().iterator().next().device().compute();
        this.pages = Device.open(compute, cached.bytes()).arena();
        this.pool = new PagePool(this, cached.dtype(), pages, cached.bytes());
        Map<RopeConfig, Rope> ropes = new HashMap<>();
        for (int layer = 0; layer < config.blocks().size(); layer++) {
            blocks.add(block(layer, config.blocks().get(layer), ropes));
        }
        this.lastNorm = Objects.requireNonNull(norm("norm", config.lastNorm()));
    }

    private Block block(int layer, BlockConfig block, Map<RopeConfig, Rope> ropes) {
        String name = "layers." + layer + ".";
        NormConfig norm = block.norm();
        RopeConfig rope = block.attention().rope();
        Attention.Extras extras = new Attention.Extras(
                rope == null ? null : ropes.computeIfAbsent(rope, r -> new Rope(r, config.contextLength())),
                norm(name + "query_norm", norm),
                norm(name + "key_norm", norm),
                vectors.get(name + "sinks.weight"));
        return new Block(
                config.hiddenSize(),
                layer,
                new Block.Norms(norm(name + "attention_norm", norm), norm(name + "attention_out_norm", norm)),
                new Attention(layer, block.attention(), linear(name + "qkv"), linear(name + "attention_out"), extras),
                new Block.Norms(norm(name + "feed_forward_norm", norm), norm(name + "feed_forward_out_norm", norm)),
                feedForward(name, block.feedForward()),
                block.residual(),
                block.residualScale());
    }

    private FeedForward feedForward(String name, FeedForwardConfig feedForward) {
        return switch (feedForward) {
            case FeedForwardConfig.Dense dense -> dense(name, dense);
            case FeedForwardConfig.Experts all -> {
                List<DenseLayer> experts = IntStream.range(0, all.count())
                        .mapToObj(expert -> dense(name + "experts." + expert + ".", all.each()))
                        .toList();
                yield new Experts(linear(name + "router"), experts, all.chosen(), all.routing());
            }
        };
    }

    private DenseLayer dense(String name, FeedForwardConfig.Dense dense) {
        return new DenseLayer(dense.activation(), dense.gated(), linear(name + "up"), linear(name + "down"));
    }

    private void take(ParameterSpec spec, Parameters parameters) {
        if (spec.role().isVector()) {
            float[] vector = parameters.vector(spec);
            spec.check(vector.length, 1);
            vectors.put(spec.name(), vector);
            return;
        }
        Matrix matrix = parameters.matrix(spec);
        spec.check(matrix.rows(), matrix.cols());
        matrices.put(spec.name(), matrix);
        LowRank adapter = spec.role().isLinear() ? parameters.adapter(spec) : null;
        if (adapter != null) {
            spec.check(adapter.up().rows(), adapter.down().cols());
            adapters.put(spec.name(), adapter);
        }
    }

    private Linear linear(String name) {
        return new Linear(matrix(name + ".weight"), vectors.get(name + ".bias"), adapters.get(name + ".weight"));
    }

    private @Nullable Norm norm(String name, NormConfig norm) {
        float[] gain = vectors.get(name + ".weight");
        if (gain == null) {
            return null;
        }
        float[] bias = norm.bias() ? vector(name + ".bias") : new float[gain.length];
        return new Norm(new NormRule(gain, bias, norm.epsilon(), norm.kind() == NormConfig.Kind.LAYER));
    }

    /** Its shape. */
    public DecoderConfig config() {
        return config;
    }

    /** Its parameters, in the order of the forward. */
    public List<ParameterSpec> specs() {
        return specs;
    }

    private Matrix matrix(String name) {
        return Objects.requireNonNull(matrices.get(name), name);
    }

    private float[] vector(String name) {
        return Objects.requireNonNull(vectors.get(name), name);
    }

    @Override
    public Matrix matrix(ParameterSpec spec) {
        return matrix(spec.name());
    }

    @Override
    public float[] vector(ParameterSpec spec) {
        return vector(spec.name());
    }

    @Override
    public @Nullable LowRank adapter(ParameterSpec weight) {
        return adapters.get(weight.name());
    }

    /** The page pool of its caches. */
    public PagePool pool() {
        return pool;
    }

    /** Other pages for its caches, in f32 and without a bound, for a caller that knows how many it needs. */
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
        for (Block block : blocks) {
            block.forward(step, block.layer() == blocks.size() - 1 ? wanted : step, a);
        }
        a.keepInput(blocks.size(), wanted.rows() * config.hiddenSize());
        lastNorm.forward(wanted, a.hidden, a.hidden);
        scale(a.hidden, wanted.rows(), config.hiddenScale());
        batch.chunks().forEach(chunk -> chunk.cache().advance(chunk.tokens().length));
        return Rows.of(a.hidden, config.hiddenSize(), wanted.rows());
    }

    /** Scales embedded tokens and adds positions. */
    private void embed(Step step, Activations a) {
        int d = config.hiddenSize();
        DropoutMask mask = step.mask(Place.EMBEDDING, 0);
        scale(a.hidden, step.rows(), config.embeddingScale());
        step.compute.each(step.rows(), row -> {
            int from = row * d;
            if (positions != null) {
                positions.row(step.position(row), a.normed, from);
                Kernels.add(a.normed, from, a.hidden, from, d);
            }
            mask.apply(a.hidden, from, d, step.address(row) * d);
        });
    }

    private void scale(float[] x, int rows, float factor) {
        for (int i = 0; factor != 1 && i < rows * config.hiddenSize(); i++) {
            x[i] *= factor;
        }
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
     * @param gradients trained parameters; gradients are added
     * @throws IllegalArgumentException if a sequence did not begin in the batch, or a layer that is trained was not
     *     kept
     */
    public void backward(Batch batch, Activations a, Rows dHidden, boolean embedding, Gradients gradients) {
        int lowest = lowestTrained(embedding, gradients);
        boolean trainsLastNorm = gradients.of(lastNorm.gain()) != null || gradients.of(lastNorm.bias()) != null;
        boolean nothing = lowest == blocks.size() && !trainsLastNorm;
        checkBackward(batch, a, dHidden, nothing ? Activations.NOTHING : lowest);
        if (!nothing) {
            Step step = a.beginBackward(batch, config.hiddenSize());
            float[] dx = dHidden.data();
            System.arraycopy(dx, 0, a.dOut, 0, step.rows() * config.hiddenSize());
            scale(a.dOut, step.rows(), config.hiddenScale());
            Arrays.fill(dx, 0, step.rows() * config.hiddenSize(), 0f);
            lastNorm.backward(step, a.input(blocks.size()), a.dOut, dx, a, gradients);
            for (Block block : blocks.subList(lowest, blocks.size()).reversed()) {
                block.backward(step, dx, a, gradients);
            }
            if (embedding || trainsPositions(gradients)) {
                embedBackward(step, dx, gradients);
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

    private boolean trainsPositions(Gradients gradients) {
        return positions != null && gradients.of(positions) != null;
    }

    /** dx becomes the gradient by the embedded tokens; the positions get theirs. */
    private void embedBackward(Step step, float[] dx, Gradients gradients) {
        int d = config.hiddenSize();
        DropoutMask mask = step.mask(Place.EMBEDDING, 0);
        step.compute.each(step.rows(), r -> mask.apply(dx, r * d, d, step.address(r) * d));
        Gradient dPositions = positions == null ? null : gradients.of(positions);
        if (dPositions != null) {
            int[] numbers = new int[step.rows()];
            Arrays.setAll(numbers, step::position);
            dPositions.addRows(numbers, Rows.of(dx, d, step.rows()));
        }
        scale(dx, step.rows(), config.embeddingScale());
    }

    /**
     * The lowest layer that a backward reaches; layers below it need not be kept. The number of layers if the decoder
     * is frozen.
     *
     * @param embedding whether the gradient by the embedded tokens is wanted
     */
    public int lowestTrained(boolean embedding, Gradients gradients) {
        if (embedding || trainsPositions(gradients)) {
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
