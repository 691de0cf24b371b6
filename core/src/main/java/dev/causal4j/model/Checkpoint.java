package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.compute.Compute;
import dev.causal4j.decoder.LowRank;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorView;
import dev.causal4j.json.Json;
import dev.causal4j.json.WholeFile;
import dev.causal4j.model.families.FileLayout;
import dev.causal4j.model.families.Origin;
import dev.causal4j.model.gguf.GgufFamily;
import dev.causal4j.model.gguf.GgufModel;
import dev.causal4j.model.gguf.GgufVocabulary;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The files of a model, opened and checked without reading weights: each parameter exists with its shape and a
 * supported dtype, and no other tensor would change the model. It holds the mapped files until it is loaded ({@link
 * Loading}) or closed. Thread-safe.
 */
public final class Checkpoint implements AutoCloseable {
    static final String CONFIG = "config.json";

    /** Dtypes of row-major tensors. */
    static final List<DType> FLOATS = List.of(DType.F32, DType.F16, DType.BF16);

    static final String APART = "they do not belong together";

    private final String name;
    private final String subject; // its name in messages
    private final Arena files;
    private final TensorStore store;
    private final FileLayout places;
    private final String root;
    private final @Nullable PanelLayout layout;
    private final ModelConfig config;
    private final Map<ParameterSpec, StoredRows> stored = new HashMap<>();
    private final TextFiles text;
    private final Map<String, MemorySegment> sources = new LinkedHashMap<>(); // the files that determine the model
    private boolean closed;

    /**
     * Opens a GGUF file, or a folder in Hugging Face layout: config.json, safetensors, and a tokenizer if there is one.
     *
     * @throws FormatException if a file is not what it should be
     * @throws IOException if reading fails
     */
    public static Checkpoint open(Path path) throws IOException {
        return open(path, Optional.empty());
    }

    /** Opens a model with another name than its folder or file. Errors as of {@link #open(Path)}. */
    public static Checkpoint open(Path path, String name) throws IOException {
        return open(path, Optional.of(name));
    }

    private static Checkpoint open(Path given, Optional<String> other) throws IOException {
        Path path = WholeFile.found(given);
        Optional<String> name = path.equals(given) ? other : other.or(() -> Optional.of("" + given.getFileName()));
        boolean isFile = Files.isRegularFile(path);
        if (!isFile && !Files.isDirectory(path)) {
            String expected = "a model's folder or GGUF file";
            throw new FormatException(path.toString(), expected, "no such folder", "check the path");
        }
        Arena files = Device.open(Compute.shared()).arena();
        try {
            return isFile ? openGguf(path, name, files) : openFolder(path, name, files);
        } catch (Throwable failure) {
            files.close();
            throw failure;
        }
    }

    private static Checkpoint openFolder(Path folder, Optional<String> given, Arena files) throws IOException {
        // A vocabulary takes longer to read than everything else.
        Future<Optional<Tokenizer>> tokenizer = TextFiles.begin(() -> Tokenizer.load(folder));
        Path file = folder.resolve(CONFIG);
        byte[] json = Json.bytes(file);
        ModelConfig config = ModelConfig.of(Json.parse(file.toString(), json));
        Path generation = folder.resolve(GenerationDefaults.FILE);
        if (Files.exists(generation)) {
            config = config.withGeneration(Json.read(generation));
        }
        Path named = folder.toRealPath().getFileName();
        String name = given.orElse(named == null ? folder.toString() : named.toString());
        TensorStore store = TensorStore.open(folder, files);
        ChatTemplate.Source templates = ChatTemplate.Source.read(folder);
        Optional<EmbeddingConfig> embedding = EmbeddingConfig.read(folder, config);
        return new Checkpoint(
                name, folder.toString(), json, config, config.family(), store, tokenizer, templates, embedding, files);
    }

    private static Checkpoint openGguf(Path file, Optional<String> given, Arena files) throws IOException {
        GgufModel model = GgufModel.open(file, files);
        GgufVocabulary vocabulary = model.vocabulary();
        Future<Optional<Tokenizer>> tokenizer = TextFiles.begin(() -> Optional.of(vocabulary.tokenizer()));
        ModelConfig config = ModelConfig.of(model.architecture()).withSpecialIds(vocabulary.bos(), vocabulary.stops());
        String name = given.orElse(file.getFileName().toString().replaceFirst("\\.gguf$", ""));
        ChatTemplate.Source templates = vocabulary.templateSource();
        Optional<EmbeddingConfig> embedding = EmbeddingConfig.ofGguf(model.pooling());
        String said = file.toString();
        return new Checkpoint(
                name, said, null, config, model.family(), model.tensors(), tokenizer, templates, embedding, files);
    }

    /**
     * Reads only the tokenizer, of a folder in Hugging Face layout, of a GGUF file or of a tokenizer.json.
     *
     * @return empty if a folder has none
     * @throws FormatException if a file is malformed or not supported
     * @throws IOException if reading fails
     */
    public static Optional<Tokenizer> readTokenizer(Path path) throws IOException {
        return Files.isRegularFile(path) && path.toString().endsWith(".gguf")
                ? Optional.of(GgufVocabulary.read(path).tokenizer())
                : Tokenizer.load(path);
    }

    /**
     * Reads only the chat templates and special tokens, of a folder in Hugging Face layout or a GGUF file.
     *
     * @throws FormatException if a file is damaged
     * @throws IOException if reading fails
     */
    public static ChatTemplate.Source readTemplates(Path path) throws IOException {
        return Files.isRegularFile(path) ? GgufVocabulary.read(path).templateSource() : ChatTemplate.Source.read(path);
    }

    /**
     * A checkpoint in memory, for instance of resources.
     *
     * @param name name of the model, also in messages
     * @param config the bytes of its config.json
     * @param safetensors the bytes of its model.safetensors, which must not change
     * @throws FormatException if one is not what it should be
     */
    public static Checkpoint of(String name, byte[] config, byte[] safetensors, @Nullable Tokenizer tokenizer)
            throws IOException {
        Future<Optional<Tokenizer>> read = CompletableFuture.completedFuture(Optional.ofNullable(tokenizer));
        TensorStore tensors = SafeTensors.of(name + "/" + TensorStore.SINGLE, MemorySegment.ofArray(safetensors));
        ModelConfig said = ModelConfig.of(Json.parse(name + "/" + CONFIG, config));
        Arena files = Device.open(Compute.shared()).arena();
        ChatTemplate.Source none = ChatTemplate.Source.NONE;
        return new Checkpoint(name, name, config, said, said.family(), tensors, read, none, Optional.empty(), files);
    }

    /** Reads numbers only if there are both embedding and head, and they must be compared. */
    private Checkpoint(
            String name,
            String subject,
            byte @Nullable [] json,
            ModelConfig said,
            FileLayout places,
            TensorStore store,
            Future<Optional<Tokenizer>> tokenizer,
            ChatTemplate.Source templates,
            Optional<EmbeddingConfig> pooled,
            Arena files)
            throws IOException {
        this.name = name;
        this.subject = subject;
        this.files = files;
        if (json != null) {
            sources.put(CONFIG, MemorySegment.ofArray(json));
        }
        sources.putAll(store.files());
        this.layout = PanelLayout.of(subject, store.metadata());
        this.store = layout == null ? store : layout.tensors(store);
        this.places = places.forTensors(store.names());
        this.root = root(said);
        Origin head = origin(said, said.head());
        boolean hasHead = store.names().containsAll(head.names());
        if (hasHead) {
            take(said.head(), head);
        } else if (!said.tied()) {
            String expected = head.names().getFirst() + ", since tie_word_embeddings is false";
            throw wrong(expected, "no such tensor", "set tie_word_embeddings to true to use the embedding");
        }
        Origin embedding = origin(said, said.embedding());
        boolean headAlone = hasHead && said.tied() && !store.names().containsAll(embedding.names());
        take(said.embedding(), headAlone ? head : embedding);
        this.config = said.withTied(said.tied() && (!hasHead || headAlone || isEqualHead(said)));
        for (ParameterSpec spec : config.decoder().specs()) {
            take(spec, origin(config, spec));
        }
        checkUnused();
        this.text = new TextFiles(TextFiles.await(tokenizer), templates, pooled);
        Optional<Tokenizer> read = text.tokenizer();
        if (read.isPresent() && !read.get().fits(config.vocabularySize())) {
            String got = read.get().vocabularySize() + " entries";
            throw wrong("a tokenizer of at most vocab_size = " + config.vocabularySize() + " entries", got, APART);
        }
    }

    /** The name that the loaded model has. */
    public String name() {
        return name;
    }

    /** An error of these files. */
    FormatException wrong(String expected, String got, String remedy) {
        return new FormatException(subject, expected, got, remedy);
    }

    /** The prefix of names with which the embedding exists; if there is only a head, any prefix. */
    private String root(ModelConfig said) {
        Set<String> names = store.names();
        List<String> roots = places.names().roots();
        for (String prefix : Stream.concat(roots.stream(), Stream.of("")).toList()) {
            String embedding = places.origin(said.decoder(), said.embedding(), prefix)
                    .names()
                    .getFirst();
            if (names.contains(embedding) || names.contains(embedding + PanelLayout.PANELS)) {
                return prefix;
            }
        }
        Predicate<String> used = prefix -> names.stream().anyMatch(name -> name.startsWith(prefix));
        return roots.stream().filter(used).findFirst().orElse("");
    }

    private Origin origin(ModelConfig said, ParameterSpec spec) {
        Origin origin = places.origin(said.decoder(), spec, root);
        return layout == null ? origin : layout.origin(spec, origin);
    }

    private void take(ParameterSpec spec, Origin origin) throws FormatException {
        List<TensorView> tensors = new ArrayList<>();
        for (Origin.Part part : origin.parts()) {
            List<DType> dtypes = layout == null || spec.role() == Role.TABLE
                    ? FLOATS
                    : List.of(
                            spec.role().isVector() ? DType.F32 : PanelLayout.stored(layout.format(spec, part.name())));
            boolean mayHaveBlocks = !spec.role().isVector();
            tensors.add(StoredRows.tensor(subject, store, part.name(), part.shape(), dtypes, mayHaveBlocks));
        }
        stored.put(spec, new StoredRows(origin, tensors));
    }

    /**
     * Whether the head is tied as in Hugging Face transformers 5: two equal tensors are tied if the configuration says
     * so, different tensors never. In a converted checkpoint this is decided already.
     */
    private boolean isEqualHead(ModelConfig said) {
        if (layout != null) {
            return false;
        }
        TensorView embedding = stored(said.embedding()).tensors().getFirst();
        TensorView head = stored(said.head()).tensors().getFirst();
        boolean equal = StoredRows.equal(embedding, head);
        head.unload();
        if (!equal) {
            warn(
                    "{0}: tie_word_embeddings is true, but {1} differs from {2}; the head is not tied",
                    subject, head.name(), embedding.name());
        }
        return equal;
    }

    /**
     * Checks the unused tensors. A tensor inside a block would change the model, so it is an error. Others, such as a
     * second head, are an error or logged, as the family decides.
     */
    private void checkUnused() throws FormatException {
        Set<String> unused = new TreeSet<>(store.names());
        stored.values().forEach(each -> unused.removeAll(each.origin().names()));
        unused.removeIf(name ->
                places.isBuffer(config.decoder(), name.startsWith(root) ? name.substring(root.length()) : name));
        for (String name : unused) {
            if (!places.mayHaveMore() || name.startsWith(root + places.names().blocks())) {
                int last = config.decoder().blocks().size() - 1;
                String expected = "only " + places.type() + "'s tensors, in blocks 0 to " + last;
                throw wrong(expected, FormatException.quote(name), APART);
            }
        }
        if (!unused.isEmpty()) {
            warn("{0}: not used: {1}", subject, FormatException.quote(unused.toString()));
        }
    }

    /** Lazy, since a logger takes longer to make than a configuration to read. */
    static void warn(String message, Object... values) {
        System.getLogger(Checkpoint.class.getName()).log(System.Logger.Level.WARNING, message, values);
    }

    /**
     * Loads the model, once. The model then owns mapped weights; other files are closed.
     *
     * @throws FormatException if the weights were converted to another dtype, or the adapter is of another model
     * @throws IOException if reading the adapter fails
     * @throws IllegalArgumentException if a weight to quantise is not finite
     * @throws IllegalStateException if the checkpoint was loaded or closed before
     */
    public synchronized CausalLM load(LoadOptions options) throws IOException {
        DType _ = dtype(options); // before anything is read
        if (closed) {
            throw new IllegalStateException(name + ": expected an open checkpoint, got one that was loaded or closed");
        }
        try (Arena scratch = Device.scratch()) {
            Loading loading = Loading.of(this, options, new Device(scratch, options.compute()));
            CompletableFuture<Optional<ModelDigests>> digests = loading.digests(sources, text);
            CausalLM model = loading.model(name, text, digests);
            Optional<ModelDigests> _ = digests.join(); // reads the files, which are closed now
            return model;
        } finally {
            close();
        }
    }

    /** The mapped files, which belong to the caller from now on. */
    Arena handOver() {
        closed = true;
        return files;
    }

    /**
     * Bytes of all parameters in memory, with padding and scales, without tables that are only looked up. Converted
     * weights are mapped: all processes that load them share these bytes.
     *
     * @throws FormatException if the weights are converted ones of another dtype
     */
    public long weightBytes(LoadOptions options) throws FormatException {
        return new Loading(this, options, dtype(options), AdapterFiles.Adapter.NONE).weightBytes();
    }

    /** Bytes of parameters that {@link #load} takes from the memory of the process. Errors as of {@link #weightBytes}. */
    public long loadedBytes(LoadOptions options) throws FormatException {
        return layout == null ? weightBytes(options) : 0;
    }

    /** Bytes of the keys, values and states of one full context: a model has room for no less. */
    public long contextBytes(LoadOptions options) {
        return PagePool.contextBytes(config.decoder(), options.cached());
    }

    /**
     * The dtype that {@link #load} would use: the requested one, else the panels' dtype, else the common dtype of all
     * matrices except a GGUF file's positions, which are f32. If matrices differ, it is the narrowest quantised dtype,
     * or f32 without one.
     *
     * @throws FormatException if the weights are converted ones of another dtype
     */
    public DType dtype(LoadOptions options) throws FormatException {
        return Loading.dtype(this, options);
    }

    /** The dtypes of all matrices except routers and a GGUF file's positions. */
    Set<DType> dtypes() {
        Set<Role> apart = isGguf() ? Set.of(Role.ROUTER, Role.POSITIONS) : Set.of(Role.ROUTER);
        return layout != null
                ? Set.of(layout.dtype())
                : stored.keySet().stream()
                        .filter(spec -> spec.role().isMatrix() && !apart.contains(spec.role()))
                        .flatMap(spec -> stored(spec).tensors().stream().map(TensorView::dtype))
                        .collect(Collectors.toSet());
    }

    /** Whether some weights are in blocks. */
    boolean hasBlocks() {
        return stored.values().stream().anyMatch(StoredRows::isInBlocks);
    }

    /** The layout of converted weights, whose mapped panels are used in place; null for other weights. */
    @Nullable
    PanelLayout layout() {
        return layout;
    }

    /** The rows of a parameter in f32, with its adapter added. Thread-safe while the checkpoint is open. */
    Matrix.Source rows(ParameterSpec spec, Map<String, LowRank> adapters) {
        LowRank adapter = adapters.get(spec.name());
        return adapter == null ? rows(spec) : adapter.merged(rows(spec));
    }

    /** The rows of a parameter in f32, as the files store it. Thread-safe while the checkpoint is open. */
    @SuppressWarnings("exports") // the decoder is for modules of ours
    public Matrix.Source rows(ParameterSpec spec) {
        if (layout == null || !spec.role().isMatrix()) {
            return stored(spec)::row;
        }
        Matrix panels = layout.matrix(spec, stored(spec), new Device(files, Compute.shared()));
        return (n, row) -> panels.row(n, row, 0);
    }

    /** A name for messages about tensors. */
    String place(StoredRows rows) {
        return subject + ", tensors " + rows.origin().names() + ": ";
    }

    /** A parameter as stored in the files. */
    StoredRows stored(ParameterSpec spec) {
        return Objects.requireNonNull(stored.get(spec), spec.name());
    }

    /** Whether it is a GGUF file. */
    boolean isGguf() {
        return places instanceof GgufFamily;
    }

    /** Whether matrices may differ in format, as in a GGUF file or in panels made from one. */
    boolean mayDiffer() {
        return isGguf() || (layout != null && !layout.formats().isEmpty());
    }

    /** The configuration; tied only if the weights are. */
    public ModelConfig config() {
        return config;
    }

    /** The tensors as stored in the files, valid while the checkpoint is open. */
    @SuppressWarnings("exports") // the command line alone reads it
    public TensorStore tensors() {
        return store;
    }

    /** The tokenizer; empty for a model without one. */
    public Optional<Tokenizer> tokenizer() {
        return text.tokenizer();
    }

    /**
     * The tokenizer.
     *
     * @throws IllegalStateException if the model has none
     */
    public Tokenizer requireTokenizer() {
        return CausalLM.require(tokenizer());
    }

    /** How the model embeds texts; empty if it was not trained to. */
    Optional<EmbeddingConfig> embedding() {
        return text.embedding();
    }

    /** The chat templates and special tokens of its files; empty if there are none. */
    public ChatTemplate.Source templates() {
        return text.templates();
    }

    /** Unmaps the files, unless a model uses them. */
    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            files.close();
        }
    }
}
