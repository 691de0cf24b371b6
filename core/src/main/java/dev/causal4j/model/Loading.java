package dev.causal4j.model;

import dev.causal4j.compute.Compute;
import dev.causal4j.decoder.LowRank;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.format.TensorView;
import dev.causal4j.kernel.WeightFormat;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * How the parameters of a checkpoint become those of a model. Thread-safe while the checkpoint is open.
 *
 * @param layout of converted weights, which are used where they are mapped; else null
 * @param dtype of matrices that do not keep what they are stored in
 * @param adapters that become part of matrices, by the names of these
 */
record Loading(
        Checkpoint checkpoint,
        @Nullable PanelLayout layout,
        LoadOptions options,
        DType dtype,
        Map<String, LowRank> adapters) {
    private List<ParameterSpec> specs() {
        return checkpoint.config().specs();
    }

    /** Whether matrices keep the formats they are stored in, as those of a GGUF file do unless a dtype is chosen. */
    private boolean asStored() {
        return options.dtype() == null && checkpoint.isGguf();
    }

    /** The format of a matrix. */
    WeightFormat format(ParameterSpec spec) {
        boolean summed = adapters.containsKey(spec.name());
        StoredRows rows = checkpoint.stored(spec);
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
        boolean summed = adapters.containsKey(spec.name());
        if (layout != null && !summed) {
            TensorView panels = rows.tensors().getFirst();
            return Matrix.ofPanels(device, format, spec.rows(), spec.cols(), panels.data());
        }
        try {
            if (summed) {
                Matrix.Source sums = checkpoint.rows(spec, adapters);
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

    /** Bytes of all parameters in memory but tables. */
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
     * Loads all matrices, each on one thread: a thread zeroes the memory that it takes. All threads share a matrix that
     * is larger than the share of a thread.
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
