package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.compute.Compute;
import dev.causal4j.decoder.LowRank;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.JsonConfig;
import dev.causal4j.format.JsonTree;
import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.TensorSource;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.WholeFile;
import dev.causal4j.model.families.Origin;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import dev.causal4j.tensor.TensorView;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.SegmentAllocator;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;

/**
 * The files of a model, opened and checked without reading weights. Thread-safe. It holds the mapped files until it is
 * loaded or closed.
 */
public final class Checkpoint implements AutoCloseable {
    static final String CONFIG = "config.json";

    private final String name;
    private final StoredParameters weights;
    private final Optional<Tokenizer> tokenizer;
    private final Arena files;
    private boolean closed;

    private Checkpoint(String name, StoredParameters weights, @Nullable Tokenizer tokenizer, Arena files) {
        this.name = name;
        this.weights = weights;
        this.tokenizer = Optional.ofNullable(tokenizer);
        this.files = files;
    }

    /**
     * Opens a folder in Hugging Face layout: config.json, safetensors, and a tokenizer if there is one.
     *
     * @throws FormatException if a file is not what it should be
     * @throws IOException if reading fails
     */
    public static Checkpoint open(Path folder) throws IOException {
        String subject = folder.toString();
        if (!Files.isDirectory(folder)) {
            String got = Files.exists(folder) ? "not a folder" : "no such folder";
            throw new FormatException(subject, "the folder of a model", got, "check the path");
        }
        // A vocabulary takes longer to read than all the rest.
        FutureTask<Optional<Tokenizer>> tokenizer = new FutureTask<>(() -> Tokenizer.load(folder));
        Thread.ofPlatform().name("causal4j-tokenizer").daemon().start(tokenizer);
        ModelConfig config = ModelConfig.read(folder.resolve(CONFIG));
        Arena files = Device.open(Compute.shared()).arena();
        try {
            StoredParameters weights = new StoredParameters(subject, TensorStore.open(folder, files), config);
            Path named = folder.toRealPath().getFileName();
            return of(named == null ? subject : named.toString(), subject, weights, await(tokenizer), files);
        } catch (Throwable failure) {
            files.close();
            throw failure;
        }
    }

    private static @Nullable Tokenizer await(Future<Optional<Tokenizer>> future) throws IOException {
        try {
            return future.get().orElse(null);
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case IOException failure -> throw failure;
                case RuntimeException failure -> throw failure;
                case Error failure -> throw failure;
                case null, default -> throw new IllegalStateException(e);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("tokenizer: expected to be read, got an interrupt");
        }
    }

    /**
     * The same from opened files, for instance resources.
     *
     * @param name name of the model, also in messages
     */
    public static Checkpoint of(String name, JsonConfig config, TensorStore tensors, @Nullable Tokenizer tokenizer)
            throws FormatException {
        StoredParameters weights = new StoredParameters(name, tensors, ModelConfig.of(config));
        return of(name, name, weights, tokenizer, Device.open(Compute.shared()).arena());
    }

    private static Checkpoint of(
            String name, String subject, StoredParameters weights, @Nullable Tokenizer tokenizer, Arena files)
            throws FormatException {
        int vocabularySize = weights.config().vocabularySize();
        if (tokenizer != null && tokenizer.vocabularySize() > vocabularySize) {
            String expected = "a tokenizer of at most vocab_size = " + vocabularySize + " entries";
            String got = tokenizer.vocabularySize() + " entries";
            throw new FormatException(subject, expected, got, "tokenizer and weights do not belong together");
        }
        return new Checkpoint(name, weights, tokenizer, files);
    }

    /** Loads the model as it is stored. */
    public CausalLM load() throws FormatException {
        return load(LoadOptions.DEFAULT);
    }

    /** The same in a dtype of choice. */
    public CausalLM load(DType dtype) throws FormatException {
        return load(LoadOptions.DEFAULT.withDtype(dtype));
    }

    /**
     * Loads the model, once. Mapped weights then belong to the model; other files are closed.
     *
     * @throws FormatException if the weights are converted ones of another dtype
     * @throws IllegalArgumentException if a weight to quantise is not finite
     * @throws IllegalStateException if the checkpoint was loaded or closed before
     */
    public synchronized CausalLM load(LoadOptions options) throws FormatException {
        DType dtype = dtype(options);
        if (closed) {
            throw new IllegalStateException(name + ": expected an open checkpoint, got one that was loaded or closed");
        }
        try {
            closed = weights.inPanels();
            Device device = weights.inPanels() ? new Device(files, options.compute()) : Device.open(options.compute());
            return CausalLM.owning(device.arena(), name, config(), weights.in(device, dtype), tokenizer.orElse(null));
        } finally {
            close();
        }
    }

    /**
     * The dtype {@link #load} would use.
     *
     * @throws FormatException if the weights are converted ones of another dtype
     */
    public DType dtype(LoadOptions options) throws FormatException {
        return weights.dtype(options.dtype());
    }

    /** The configuration; tied only if the weights are. */
    public ModelConfig config() {
        return weights.config();
    }

    /** The tokenizer; empty for a model without one. */
    public Optional<Tokenizer> tokenizer() {
        return tokenizer;
    }

    /**
     * The tokenizer.
     *
     * @throws IllegalStateException if the model has none
     */
    public Tokenizer requireTokenizer() {
        return CausalLM.require(tokenizer);
    }

    /** Unmaps the files, unless a model uses them. */
    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            files.close();
        }
    }

    /** Saves a model; see {@link CausalLM#save}. */
    static void save(CausalLM model, Path folder, DType dtype) throws IOException {
        ModelConfig config = model.config();
        Map<String, Object> json = config.toJson();
        json.put("torch_dtype", dtype == DType.BF16 ? "bfloat16" : "float32");
        WholeFile.write(folder.resolve(CONFIG), JsonTree.write(json));
        if (model.tokenizer().isPresent()) {
            model.tokenizer().get().save(folder);
        }
        List<TensorSource> tensors = new ArrayList<>();
        for (ParameterSpec spec : config.specs()) {
            Origin origin = config.family().origin(spec, config.family().rootWritten(config));
            tensors.add(new TensorSource(
                    origin.name(), dtype, origin.shape(spec), memory -> view(model, spec, origin, dtype, memory)));
        }
        SafeTensors.write(folder.resolve(TensorStore.SINGLE), tensors, Map.of("format", "pt"), false, _ -> {});
    }

    private static TensorView view(
            CausalLM model, ParameterSpec spec, Origin origin, DType dtype, SegmentAllocator memory) {
        if (spec.role().isVector()) {
            return TensorView.of(origin.name(), model.vector(spec), dtype, memory);
        }
        Matrix matrix = model.matrix(spec);
        LowRank adapter = model.adapter(spec);
        try (Arena arena = Arena.ofShared()) {
            Device device = new Device(arena, matrix.device().compute());
            Matrix sum = adapter == null ? matrix : adapter.merged(device, matrix);
            return TensorView.of(origin.name(), sum, origin instanceof Origin.Transposed, dtype, memory);
        }
    }
}
