package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.TemplateException;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.Decoder;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.LowRank;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A causal language model: decoder and head, perhaps with a tokenizer and a chat template. Immutable and thread-safe;
 * many callers share one.
 *
 * <p>Until it is closed a model owns memory off heap, for keys and values and for the weights that it loaded or made,
 * and the engine that its callers share. As {@link Parameters} it returns its own, so another model can reuse them.
 */
@SuppressWarnings("exports") // the decoder is for modules of ours
public final class CausalLM implements Parameters, AutoCloseable {
    /**
     * The version of the arithmetic: models of equal files compute equal bits on every machine if their versions are
     * equal. A change that moves one bit of a logit raises it.
     */
    public static final int ARITHMETIC = 1;

    private final String name;
    private final ModelConfig config;
    private final Decoder decoder;
    private final CausalLMHead head;
    private final TextFiles text;
    private final KVCache.Options cached;
    private final CompletableFuture<Optional<ModelDigests>> digests;
    private final @Nullable Arena owned;
    private final Map<Class<?>, Owned> parts = new HashMap<>(); // guarded by itself; it guards closed, too
    private boolean closed;

    /** A part that was made for the model, and how it is closed. */
    private record Owned(Object part, Runnable closing) {}

    CausalLM(
            String name,
            ModelConfig config,
            Parameters source,
            KVCache.Options cached,
            TextFiles text,
            CompletableFuture<Optional<ModelDigests>> digests,
            @Nullable Arena owned) {
        this.name = name;
        this.config = config;
        this.text = text;
        this.cached = cached;
        this.digests = digests;
        this.owned = owned;
        text.tokenizer().filter(each -> !each.fits(config.vocabularySize())).ifPresent(each -> {
            throw new IllegalArgumentException("tokenizer: expected at most the head's " + config.vocabularySize()
                    + " entries, got " + each.vocabularySize());
        });
        Matrix embedding = source.matrix(config.embedding());
        config.embedding().check(embedding.rows(), embedding.cols());
        this.decoder = new Decoder(config.decoder(), source, cached);
        CausalLMHead plain = config.tied()
                ? CausalLMHead.tied(embedding)
                : CausalLMHead.untied(embedding, source.matrix(config.head()));
        this.head = config.logitCap() > 0 ? plain.withSoftCap(config.logitCap()) : plain;
    }

    /**
     * Loads a GGUF file or a folder in Hugging Face layout (config.json, safetensors, and a tokenizer if there is one)
     * in the dtype of its stored weights, or in f32 if they have several; without loss.
     *
     * @throws FormatException if a file is not what it should be
     * @throws IOException if reading fails
     */
    public static CausalLM load(Path folder) throws IOException {
        return load(folder, LoadOptions.DEFAULT);
    }

    /**
     * Loads a model in another dtype: weights are rounded to bf16 or f16, or quantised to int8. Converted weights
     * ({@link Conversion}) exist in their dtype only.
     *
     * @throws FormatException if a file is not what it should be
     * @throws IOException if reading fails
     */
    public static CausalLM load(Path folder, DType dtype) throws IOException {
        return load(folder, LoadOptions.DEFAULT.withDtype(dtype));
    }

    /**
     * Loads a model with options.
     *
     * @throws FormatException if a file is not what it should be
     * @throws IOException if reading fails
     */
    public static CausalLM load(Path folder, LoadOptions options) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            return checkpoint.load(options);
        }
    }

    /**
     * A new model to train from scratch: weights from N(0, 0.02), projections back into the residual stream from
     * N(0, 0.02 / sqrt(2 layers)), biases 0, gains 1 (Radford et al. 2019). Equal seeds give equal bits.
     */
    public static CausalLM create(ModelConfig config, long seed, DType dtype) {
        return create(config, seed, dtype, null);
    }

    /** A new model to train from scratch, with a tokenizer; see {@link #create(ModelConfig, long, DType)}. */
    public static CausalLM create(ModelConfig config, long seed, DType dtype, @Nullable Tokenizer tokenizer) {
        LoadOptions options = LoadOptions.DEFAULT.withDtype(dtype);
        return InitialParameters.normal(config, seed, options, TextFiles.of(tokenizer));
    }

    /**
     * A model to measure speed with, as from {@link #create} except for the distribution: uniform numbers of 16 bits
     * with the same deviation, which take a fraction of the time. Equal seeds give equal bits.
     *
     * @param options dtypes, by default f32, and threads
     */
    public static CausalLM random(ModelConfig config, long seed, LoadOptions options) {
        return InitialParameters.uniform(config, seed, options);
    }

    /** A model that owns the arena of its parameters. */
    static CausalLM owning(
            Arena arena,
            String name,
            ModelConfig config,
            Parameters parameters,
            KVCache.Options cached,
            TextFiles text,
            CompletableFuture<Optional<ModelDigests>> digests) {
        try {
            return new CausalLM(name, config, parameters, cached, text, digests, arena);
        } catch (Throwable failure) {
            arena.close();
            throw failure;
        }
    }

    /**
     * A model of borrowed parameters, for instance those of another model: closing it frees its keys and values alone,
     * and it must not outlive their owner.
     *
     * @param parameters the source of {@link ModelConfig#specs}, called once for each, in that order
     * @throws IllegalArgumentException if a parameter has another shape, or the tokenizer has ids outside of the
     *     vocabulary
     */
    public static CausalLM of(String name, ModelConfig config, Parameters parameters, @Nullable Tokenizer tokenizer) {
        KVCache.Options cached = LoadOptions.DEFAULT.cache();
        return new CausalLM(name, config, parameters, cached, TextFiles.of(tokenizer), ModelDigests.NONE, null);
    }

    /** This model with other parameters of the same shapes; see {@link #of}. */
    public CausalLM with(Parameters parameters) {
        return with(config, parameters);
    }

    /** The same with another configuration, whose parameters these are. */
    public CausalLM with(ModelConfig other, Parameters parameters) {
        return new CausalLM(name, other, parameters, cached, text, ModelDigests.NONE, null);
    }

    /**
     * This model without adapters for another vocabulary; see {@link CausalLMHead#withVocabularySize}. It shares the
     * memory of this one, which must stay open, and owns the memory of its embedding and head.
     *
     * @throws IllegalArgumentException if the tokenizer has ids outside of it, or a special id is
     */
    public CausalLM withVocabularySize(int size) {
        Device device = Device.open(head.compute());
        try {
            CausalLMHead resized = head.withVocabularySize(size, device);
            ModelConfig other = config.withVocabularySize(size);
            Parameters parameters = Parameters.of(
                    spec -> spec.equals(other.embedding())
                            ? resized.embedding()
                            : spec.equals(other.head()) ? resized.projection() : matrix(spec),
                    this::vector,
                    Map.of(),
                    this::stored);
            return new CausalLM(name, other, parameters, cached, text, ModelDigests.NONE, device.arena());
        } catch (Throwable failure) {
            device.arena().close();
            throw failure;
        }
    }

    /**
     * This model with the low-rank adapter in a folder of PEFT's layout (adapter_config.json,
     * adapter_model.safetensors), from {@link #saveAdapter} or from Python, instead of its own adapter. It shares the
     * memory of this model, which must stay open, and owns the memory of the adapter, which is f32.
     *
     * <p>A saved adapter has the bits of the one in memory: the model computes the same as when it was saved, and
     * {@link #merged} gives the same weights.
     *
     * @throws FormatException if the adapter is of another model, or of a kind that is not supported
     * @throws IOException if reading fails
     */
    public CausalLM withAdapter(Path folder) throws IOException {
        return withAdapter(folder, cached.bytes());
    }

    /** The same with another bound of keys and values: the model has pages of its own. */
    public CausalLM withAdapter(Path folder, long cacheBytes) throws IOException {
        Device device = Device.open(head.compute());
        try {
            AdapterFiles.Adapter adapter = AdapterFiles.read(folder, config, device);
            Parameters adapted = Parameters.of(this::matrix, this::vector, adapter.weights(), this::stored);
            CompletableFuture<Optional<ModelDigests>> known =
                    digests.thenApply(each -> each.flatMap(base -> base.withAdapter(adapter.files())));
            KVCache.Options own = new KVCache.Options(cached.dtype(), cacheBytes);
            return new CausalLM(name, config, adapted, own, text, known, device.arena());
        } catch (Throwable failure) {
            device.arena().close();
            throw failure;
        }
    }

    /**
     * Saves the adapter alone, in PEFT's layout, into a folder that exists. Python's library or {@link #withAdapter}
     * adds it to the same model.
     *
     * @throws IllegalStateException unless {@link #canSaveAdapter}
     * @throws IOException if writing fails
     */
    public void saveAdapter(Path folder) throws IOException {
        AdapterFiles.write(this, folder);
    }

    /**
     * Whether the model has an adapter, PEFT has names for its layers (it has none for gpt-oss's experts), and all
     * scales are equal.
     */
    public boolean canSaveAdapter() {
        return AdapterFiles.canWrite(this);
    }

    /** A copy in f32 with memory of its own; adapters become part of their layers. */
    public CausalLM merged() {
        Device device = Device.open(head.compute());
        Parameters copies = Parameters.of(
                spec -> adapter(spec) == null && stored(spec) == null
                        ? matrix(spec).widened(device)
                        : Matrix.of(device, DType.F32, spec.rows(), spec.cols(), HuggingFaceFiles.rows(this, spec)),
                spec -> vector(spec).clone());
        return owning(device.arena(), name, config, copies, cached, text, ModelDigests.NONE);
    }

    /**
     * Saves the model as a folder in Hugging Face layout, which must exist: the tokenizer, config.json,
     * generation_config.json if the model has one, and model.safetensors last. Each file is written whole or not at
     * all; equal models give equal bytes. The head is left out when it is the embedding, and adapters become part of
     * their layers.
     *
     * @param dtype f32, or bf16 or f16 to round the weights to it
     * @throws IOException if writing fails
     */
    public void save(Path folder, DType dtype) throws IOException {
        HuggingFaceFiles.save(this, folder, dtype);
    }

    /** The name of the folder it was loaded from, or of its family. */
    public String name() {
        return name;
    }

    /** Its configuration. */
    public ModelConfig config() {
        return config;
    }

    /** Most tokens of a sequence. */
    public int contextLength() {
        return config.decoder().contextLength();
    }

    /** Only token ids below it are chosen: those past the tokenizer's belong to a padded vocabulary. */
    public int choosableTokens() {
        int size = head.vocabularySize();
        return Math.min(size, tokenizer().map(Tokenizer::vocabularySize).orElse(size));
    }

    /** The decoder, from embedded tokens to hidden vectors. */
    public Decoder decoder() {
        return decoder;
    }

    /** The head, from tokens to vectors and from hidden vectors to predictions. */
    public CausalLMHead head() {
        return head;
    }

    /** The tokenizer; empty for a model without one. */
    public Optional<Tokenizer> tokenizer() {
        return text.tokenizer();
    }

    /**
     * The chat template of the model's files; empty if they have none. Each call parses it.
     *
     * @throws TemplateException if it is not a template, or uses an unsupported construct
     */
    public Optional<ChatTemplate> chatTemplate() {
        return text.templates().parse();
    }

    /** How it embeds texts, by its files; empty for a model that was not trained to. */
    public Optional<EmbeddingConfig> embedding() {
        return text.embedding();
    }

    /** The id that an empty prompt starts from, if there is one. */
    public OptionalInt bos() {
        return config.bos();
    }

    /** The ids that end a text: those of its files that it can choose. */
    public Set<Integer> eos() {
        return config.eos().stream().filter(id -> id < choosableTokens()).collect(Collectors.toUnmodifiableSet());
    }

    /** The options of generation that it has by default. */
    public GenerationDefaults generationDefaults() {
        return config.generation();
    }

    /** The dtype of cached keys and values. */
    public DType cachedDtype() {
        return cached.dtype();
    }

    /**
     * The files that the model was loaded from; empty unless {@link LoadOptions#withDigests} is set, or if it was made from
     * another model in memory.
     */
    public Optional<ModelDigests> digests() {
        return digests.join();
    }

    /** The storage of the weights: the narrowest quantised one if some matrices are. */
    public DType dtype() {
        List<DType> dtypes = matrices().map(Matrix::dtype).toList();
        return DType.narrowest(dtypes).orElse(dtypes.getFirst());
    }

    /**
     * Starts to compile the vector kernels of the model in the background, for a program that waits for its first
     * request. Otherwise they are compiled once requests have come; plain Java computes meanwhile, with equal bits.
     */
    public void warmUp() {
        matrices().forEach(Matrix::warmUp);
    }

    private Stream<Matrix> matrices() {
        return config.specs().stream().filter(spec -> spec.role().isMatrix()).map(this::matrix);
    }

    /** Number of parameters, adapters included; a tied embedding counts once. */
    public long parameters() {
        long adapters = config.specs().stream()
                .map(this::adapter)
                .filter(Objects::nonNull)
                .mapToLong(LowRank::parameters)
                .sum();
        return config.parameters() + adapters;
    }

    @Override
    public Matrix matrix(ParameterSpec spec) {
        return switch (spec.role()) {
            case EMBEDDING -> head.embedding();
            case PROJECTION -> head.projection();
            default -> decoder.matrix(spec);
        };
    }

    @Override
    public Matrix.@Nullable Source stored(ParameterSpec table) {
        return decoder.stored(table);
    }

    @Override
    public float[] vector(ParameterSpec spec) {
        return decoder.vector(spec);
    }

    @Override
    public @Nullable LowRank adapter(ParameterSpec weight) {
        return decoder.adapter(weight);
    }

    /**
     * Computes the wanted hidden vectors of a batch and appends its tokens to the caches. If it throws, no cache
     * changes its length.
     *
     * @param activations scratch; holds the result until the next forward
     * @return the last hidden vectors of the rows that are wanted, in the order of the batch
     * @throws IllegalArgumentException if a token is not in the vocabulary or a sequence outgrows the context
     */
    public Rows forward(Batch batch, Activations activations) {
        head.embed(batch.tokens(), activations.hidden(batch.rows(), head.hiddenSize()));
        return decoder.forward(batch, activations);
    }

    /** An empty cache for one sequence, to be closed. */
    public KVCache newCache() {
        return decoder.pool().newCache();
    }

    /**
     * The tokenizer.
     *
     * @throws IllegalStateException if the model has none
     */
    public Tokenizer requireTokenizer() {
        return require(tokenizer());
    }

    static Tokenizer require(Optional<Tokenizer> tokenizer) {
        return tokenizer.orElseThrow(() -> new IllegalStateException(
                "tokenizer: expected tokenizer.json, or vocab.json and merges.txt, in the model's folder,"
                        + " or one in its GGUF file, got none; give token ids instead of text (--tokens)"));
    }

    /**
     * For instance {@code gpt2: gpt2 in f32, 12 layers of 768, 50257 tokens, context of 1024, 124439808 parameters, 498
     * MB}.
     */
    @Override
    public String toString() {
        long bytes = matrices().mapToLong(each -> each.panelData().byteSize()).sum();
        return name + ": " + config.type() + " in " + dtype().label() + ", "
                + config.decoder().blocks().size() + " layers of " + head.hiddenSize() + ", " + head.vocabularySize()
                + " tokens, context of " + config.decoder().contextLength() + ", " + parameters() + " parameters, "
                + bytes / 1_000_000 + " MB";
    }

    /**
     * An object that all callers of the model share, such as an engine. It is made once and closed with the model.
     *
     * @throws IllegalStateException if the model is closed
     */
    public <T> T owned(Class<T> type, Function<CausalLM, T> make, Consumer<T> close) {
        synchronized (parts) {
            if (closed) {
                throw new IllegalStateException("model: expected an open one, got one that was closed");
            }
            Owned known = parts.computeIfAbsent(type, _ -> {
                T made = make.apply(this);
                return new Owned(made, () -> close.accept(made));
            });
            return type.cast(known.part);
        }
    }

    /**
     * Closes the shared objects, and frees keys, values and its own weights. Call it after the last use of the model.
     */
    @Override
    public void close() {
        List<Owned> ending;
        synchronized (parts) {
            closed = true;
            ending = List.copyOf(parts.values());
        }
        ending.forEach(each -> each.closing.run());
        decoder.close();
        if (owned != null && owned.scope().isAlive()) {
            owned.close();
        }
    }
}
