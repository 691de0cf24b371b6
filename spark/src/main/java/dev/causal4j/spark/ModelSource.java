package dev.causal4j.spark;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.compute.Compute;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.apache.spark.SparkFiles;
import org.jspecify.annotations.Nullable;

/**
 * Where each executor finds the model, and how it loads it. Immutable; this travels, the model does not. Executors load
 * equal sources once.
 *
 * @param location a folder in Hugging Face layout or a GGUF file, at a path that all executors have; {@code
 *     sparkfile:NAME} for what {@code spark.files} or {@code spark.archives} brought; empty for the embedded model, whose
 *     jar must be there
 * @param dtype of the weights in memory; null for the stored one
 * @param threads that compute in an executor; 0 for as many as its tasks have cores
 */
public record ModelSource(String location, @Nullable DType dtype, int threads) implements Serializable {
    private static final String SPARK_FILE = "sparkfile:";

    /** @throws IllegalArgumentException if there are less than 0 threads */
    public ModelSource {
        if (threads < 0) {
            throw new IllegalArgumentException("threads: expected a whole number >= 0, got " + threads);
        }
    }

    /** The model at a place, in the dtype in which it is stored. */
    public static ModelSource of(String location) {
        return new ModelSource(location, null, 0);
    }

    /** This source in a dtype by its label, as users write it; null for the stored one. */
    static ModelSource of(String location, @Nullable String label) {
        Optional<DType> dtype = Optional.ofNullable(label).flatMap(DType::ofLabel);
        if (label != null && dtype.isEmpty()) {
            throw new IllegalArgumentException("dtype: expected " + DType.labels() + ", got " + label);
        }
        return new ModelSource(location, dtype.orElse(null), 0);
    }

    /** The model in causal4j-model-austen. */
    public static ModelSource embedded() {
        return of("");
    }

    /** This source in another dtype. */
    public ModelSource withDtype(DType wanted) {
        return new ModelSource(location, wanted, threads);
    }

    /** This source with a fixed number of threads in each executor. */
    public ModelSource withThreads(int count) {
        return new ModelSource(location, dtype, count);
    }

    /**
     * Loads the model.
     *
     * @throws IllegalStateException if this process cannot read it
     */
    CausalLM load(Compute compute) {
        try (Checkpoint checkpoint = open()) {
            return checkpoint.load(LoadOptions.DEFAULT.withDtype(dtype).withCompute(compute));
        } catch (IOException | IllegalArgumentException e) {
            throw unreadable(String.valueOf(e.getMessage()), e);
        } catch (NoClassDefFoundError e) {
            throw unreadable(
                    "no class " + e.getMessage() + "; add the jars of causal4j, causal4j-text and the model", e);
        }
    }

    private Checkpoint open() throws IOException {
        if (location.isEmpty()) {
            return AustenModel.open();
        }
        if (!location.startsWith(SPARK_FILE)) {
            return Checkpoint.open(Path.of(location));
        }
        String name = location.substring(SPARK_FILE.length());
        Path own = Path.of(SparkFiles.get(name)); // of a session over Connect, which has what the application has, too
        return Checkpoint.open(Files.exists(own) ? own : Path.of(SparkFiles.getRootDirectory(), name));
    }

    private IllegalStateException unreadable(String got, Throwable cause) {
        return new IllegalStateException(this + ": expected a model that this executor can read, got " + got, cause);
    }

    @Override
    public String toString() {
        return "model " + (location.isEmpty() ? "(embedded)" : location) + (dtype == null ? "" : " " + dtype.label());
    }
}
