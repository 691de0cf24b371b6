package dev.causal4j.cli;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.compute.Compute;
import dev.causal4j.hub.ModelPath;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options of commands that load a model. */
class ModelOptions extends SharedOptions {
    @Option(
            names = "--model",
            paramLabel = "PATH",
            description =
                    "Folder in Hugging Face layout, GGUF file, or org/name that was pulled. Without it the embedded"
                            + " model is used.")
    private List<Path> models = List.of();

    @Option(
            names = "--dtype",
            paramLabel = "DTYPE",
            description = "Weights in memory: f32, bf16, f16, int8 or int4; default: as they are stored.")
    private @Nullable String dtype;

    @Option(names = "--threads", paramLabel = "N", description = "Threads that compute; default: the physical cores.")
    private @Nullable Integer threads;

    boolean isGiven() {
        return !models.isEmpty();
    }

    /** The values of {@code --model}. */
    List<Path> given() {
        return models;
    }

    private Optional<Path> one() {
        refuse(models.size() > 1, "model: expected to be given once, got it twice");
        return models.stream().findFirst();
    }

    /** The folder or file of {@code --model}, if given. */
    Optional<Path> folder() {
        return one().map(ModelOptions::path);
    }

    /** The folder or file of a model. */
    static Path path(Path model) {
        try {
            return found(model).path();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static ModelPath found(Path model) throws IOException {
        return ModelPath.of(model, name -> "fetch it with " + Main.NAME + " pull " + name);
    }

    /** Sets the model where the command line names none. */
    void use(Path found) {
        models = List.of(found);
    }

    /** Loads the weights, with a bar if that takes long. */
    CausalLM load(Checkpoint opened) throws IOException {
        return load(opened, options());
    }

    /** The same with other options. */
    CausalLM load(Checkpoint opened, LoadOptions options) throws IOException {
        try (Progress progress = Progress.late("loading", Progress.BYTES)) {
            return opened.load(options.withProgress(progress::at));
        }
    }

    /** Sets the threads and opens the model's files; its weights are not read. */
    Checkpoint open() throws IOException {
        Optional<Path> model = one();
        useThreads();
        return model.isEmpty() ? AustenModel.open() : open(model.get());
    }

    /** Opens the files of a model. */
    static Checkpoint open(Path model) throws IOException {
        return found(model).open();
    }

    LoadOptions options() {
        return LoadOptions.DEFAULT.withDtype(dtype().orElse(null));
    }

    /** The dtype; empty for the stored one. */
    Optional<DType> dtype() {
        return dtype(DType::ofLabel, DType.labels());
    }

    /**
     * The value of {@code --dtype} among the names of another enum.
     *
     * @param ofLabel finds a value by its name in lower case
     * @param expected all names, for the message
     */
    <T> Optional<T> dtype(Function<String, Optional<T>> ofLabel, String expected) {
        return Optional.ofNullable(dtype)
                .map(label -> ofLabel.apply(label.toLowerCase(Locale.ROOT))
                        .orElseThrow(() -> Usage.wrong(spec, "dtype: expected " + expected + ", got " + label)));
    }

    void useThreads() {
        Integer wanted = threads;
        if (wanted != null) {
            Usage.of(spec, () -> {
                Compute.shared().use(wanted);
                return wanted;
            });
        }
    }
}
