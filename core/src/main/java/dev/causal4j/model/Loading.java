package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.compute.Compute;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.flight.Work;
import dev.causal4j.format.TensorView;
import dev.causal4j.json.Sha256;
import dev.causal4j.kernel.WeightFormat;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * Makes a model's parameters from a checkpoint. Thread-safe while the checkpoint is open.
 *
 * @param dtype the dtype of matrices that do not keep their stored format
 * @param adapter an adapter to add to matrices
 */
record Loading(Checkpoint checkpoint, LoadOptions options, DType dtype, AdapterFiles.Adapter adapter) {
    /**
     * Reads the adapters that become part of the weights.
     *
     * @param device has the memory of the adapters, which is not needed once the model is made
     * @throws FormatException if the weights were converted to another dtype, or the adapter is of another model
     * @throws IOException if reading the adapter fails
     */
    static Loading of(Checkpoint checkpoint, LoadOptions options, Device device) throws IOException {
        DType dtype = dtype(checkpoint, options);
        PanelLayout layout = checkpoint.layout();
        boolean kept =
                layout != null && checkpoint.mayDiffer() && layout.dtype().isQuantised();
        if (options.merged() != null && ((options.dtype() == null && checkpoint.hasBlocks()) || kept)) {
            String remedy =
                    kept ? "convert the original checkpoint with --dtype and --adapter" : "choose one with --dtype";
            throw checkpoint.wrong("a dtype for sums of quantised weights and an adapter", "none", remedy);
        }
        return new Loading(
                checkpoint, options, dtype, AdapterFiles.read(options.merged(), checkpoint.config(), device));
    }

    /** See {@link Checkpoint#dtype}. */
    static DType dtype(Checkpoint checkpoint, LoadOptions options) throws FormatException {
        DType wanted = options.dtype();
        DType natural = natural(checkpoint);
        if (checkpoint.layout() != null && wanted != null && wanted != natural) {
            String expected = "dtype " + natural.label() + ", to which these weights were converted";
            throw checkpoint.wrong(
                    expected, wanted.label(), "convert the original checkpoint with --dtype " + wanted.label());
        }
        return wanted == null ? natural : wanted;
    }

    /** The dtype without a wish. */
    private static DType natural(Checkpoint checkpoint) {
        Set<DType> dtypes = checkpoint.dtypes();
        return dtypes.size() == 1
                ? dtypes.iterator().next()
                : DType.narrowest(dtypes).orElse(DType.F32);
    }

    /** Makes the model. It owns mapped files if it reads them later. */
    CausalLM model(String name, TextFiles text, CompletableFuture<Optional<ModelDigests>> digests) {
        Work work = Work.of(Work.Load::new);
        work.begin();
        long begin = System.nanoTime();
        ModelConfig config = checkpoint.config();
        boolean isMapped = checkpoint.layout() != null;
        boolean keeps = isMapped || config.decoder().perLayer() != null;
        Device own = Device.open(options.compute(), isMapped ? 0 : weightBytes() + options.cacheBytes());
        Device device = keeps ? new Device(checkpoint.handOver(), options.compute()) : own;
        CausalLM model =
                CausalLM.owning(device.arena(), name, config, parameters(device), options.cache(), text, digests);
        work.end(name, 0, (System.nanoTime() - begin) / 1e9);
        return model;
    }

    /** The digests of what is loaded, if they are wanted; computed on a thread of their own. */
    CompletableFuture<Optional<ModelDigests>> digests(Map<String, MemorySegment> files, TextFiles text) {
        if (!options.digests()) {
            return ModelDigests.NONE;
        }
        boolean kept = options.dtype() == null || (!checkpoint.isGguf() && dtype == natural(checkpoint));
        return ModelDigests.begin(files)
                .thenApply(each -> Optional.of(new ModelDigests(
                        each,
                        kept ? Optional.empty() : Optional.of(dtype),
                        adapter.files(),
                        options.merged() != null,
                        text.tokenizer().map(tokenizer -> Sha256.hex(tokenizer.toJson())))));
    }

    private List<ParameterSpec> specs() {
        return checkpoint.config().specs();
    }

    /** Whether matrices keep their stored formats: in a GGUF file they do unless a dtype is chosen. */
    private boolean asStored() {
        return options.dtype() == null && checkpoint.isGguf();
    }

    /** The format of a matrix. */
    WeightFormat format(ParameterSpec spec) {
        boolean summed = adapter.weights().containsKey(spec.name());
        StoredRows rows = checkpoint.stored(spec);
        PanelLayout layout = checkpoint.layout();
        if (layout != null && !summed) {
            return layout.format(spec, rows.tensors().getFirst().name());
        }
        return asStored() && !summed
                ? rows.format()
                : PanelLayout.held(spec, dtype).format();
    }

    /** Makes a matrix in its {@link #format}. */
    Matrix matrix(ParameterSpec spec, Device device) {
        WeightFormat format = format(spec);
        StoredRows rows = checkpoint.stored(spec);
        boolean summed = adapter.weights().containsKey(spec.name());
        PanelLayout layout = checkpoint.layout();
        if (layout != null && !summed) {
            return layout.matrix(spec, rows, device);
        }
        try {
            if (summed) {
                Matrix.Source sums = checkpoint.rows(spec, adapter.weights());
                return Matrix.of(device, DType.of(format), spec.rows(), spec.cols(), sums);
            }
            boolean keepsBlocks = asStored() && rows.isInBlocks();
            return keepsBlocks ? rows.groups(device, spec) : rows.matrix(device, DType.of(format), spec);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(checkpoint.place(rows) + e.getMessage(), e);
        } finally {
            rows.tensors().forEach(TensorView::unload);
        }
    }

    /** Bytes of all parameters in memory, without tables. */
    long weightBytes() {
        return specs().stream()
                .filter(spec -> spec.role() != Role.TABLE)
                .mapToLong(spec -> spec.role().isVector()
                        ? 4L * spec.rows()
                        : Matrix.bytes(format(spec), spec.rows(), spec.cols()))
                .sum();
    }

    /** Makes all parameters. */
    Parameters parameters(Device device) {
        long total = bytes(specs());
        AtomicLong done = new AtomicLong();
        Function<ParameterSpec, Matrix> load = spec -> {
            Matrix matrix = matrix(spec, device);
            synchronized (done) {
                options.progress().accept(done.addAndGet(bytes(List.of(spec))), total);
            }
            return matrix;
        };
        Map<ParameterSpec, Matrix> matrices = new ConcurrentHashMap<>();
        return Parameters.of(
                spec -> {
                    if (matrices.isEmpty()) {
                        loadAll(device.compute(), load, matrices);
                    }
                    return Objects.requireNonNull(matrices.get(spec), spec.name());
                },
                spec -> checkpoint.stored(spec).vector(spec.rows()),
                Map.of(),
                table -> checkpoint.stored(table)::row);
    }

    /**
     * Loads all matrices, each on one thread, since allocation zeroes memory on the thread. All threads share the work
     * of a matrix that is larger than a thread's share.
     */
    private void loadAll(Compute compute, Function<ParameterSpec, Matrix> load, Map<ParameterSpec, Matrix> to) {
        long share = bytes(specs()) / compute.threads();
        Map<Boolean, List<ParameterSpec>> large = specs().stream()
                .filter(spec -> spec.role().isMatrix())
                .collect(Collectors.partitioningBy(spec -> bytes(List.of(spec)) > share));
        Objects.requireNonNull(large.get(true)).forEach(spec -> to.put(spec, load.apply(spec)));
        List<ParameterSpec> others = Objects.requireNonNull(large.get(false));
        compute.run(others.size(), i -> to.put(others.get(i), load.apply(others.get(i))));
    }

    private long bytes(List<ParameterSpec> some) {
        return some.stream()
                .filter(spec -> spec.role().isMatrix())
                .mapToLong(spec -> spec.size() * dtype.bytes())
                .sum();
    }
}
