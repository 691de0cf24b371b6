package dev.causal4j.hub;

import dev.causal4j.FormatException;
import dev.causal4j.format.Gguf;
import dev.causal4j.format.TensorStore;
import dev.causal4j.json.WholeFile;
import dev.causal4j.model.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/**
 * The files of a model that is given as a path or by its name: a folder, a GGUF file or the folder with it, or else a
 * model in the hub's cache. Immutable.
 *
 * @param path a folder in Hugging Face layout, or a GGUF file
 * @param name the name by which it was found in the cache; empty for a path
 */
public record ModelPath(Path path, Optional<String> name) {
    /**
     * Finds a model. The environment of the hub is read only if the model may be in its cache.
     *
     * @param remedy the end of the message, made of the name to fetch
     * @throws FormatException if a folder has several GGUF files and no safetensors
     * @throws IOException if there is no such path and no such model in the cache, or reading fails
     */
    public static ModelPath of(Path given, UnaryOperator<String> remedy) throws IOException {
        Optional<ModelPath> local = local(given);
        return local.isPresent() ? local.get() : cached(given, Hub.fromEnvironment(), remedy);
    }

    /** The model of a path; empty if nothing is there and it may be a name. Errors as of {@link #of}. */
    public static Optional<ModelPath> local(Path given) throws IOException {
        String text = text(given);
        boolean isPath = text.contains("/") && ModelName.find(text).isEmpty();
        return isPath || Files.exists(WholeFile.found(given))
                ? Optional.of(new ModelPath(inside(given), Optional.empty()))
                : Optional.empty();
    }

    /** The model of a name in the cache of a hub. Errors as of {@link #of}. */
    public static ModelPath cached(Path given, Hub hub, UnaryOperator<String> remedy) throws IOException {
        String text = text(given);
        Optional<ModelName> name = ModelName.find(text);
        Optional<Path> found = name.isEmpty() ? Optional.empty() : hub.find(name.get());
        String fetched = name.isEmpty() ? ModelName.meant(text).orElse("org/name") : text;
        String expected = ": expected a folder, a GGUF file, or a model that is whole in the cache, got none; ";
        Path path = found.orElseThrow(() -> new IOException(given + expected + remedy.apply(fetched)));
        return new ModelPath(path, Optional.of(text));
    }

    /** As names are written, on every system. */
    private static String text(Path given) {
        return given.toString().replace('\\', '/');
    }

    /** The GGUF file in a folder without safetensors, or the first of a split model; any other path as it is. */
    private static Path inside(Path path) throws IOException {
        if (!Files.isDirectory(path)
                || Files.exists(path.resolve(TensorStore.SINGLE))
                || Files.exists(path.resolve(TensorStore.INDEX))) {
            return path;
        }
        try (Stream<Path> files = Files.list(path)) {
            List<String> models = files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".gguf") && Gguf.isFirst(name))
                    .sorted()
                    .toList();
            if (models.size() > 1) {
                throw new FormatException(
                        path.toString(), "one GGUF file", String.join(", ", models), "choose one: FOLDER/FILE");
            }
            return models.isEmpty() ? path : path.resolve(models.getFirst());
        }
    }

    /**
     * Opens the files; a model of the hub has its name there.
     *
     * @throws FormatException if a file is not what it should be
     * @throws IOException if reading fails
     */
    public Checkpoint open() throws IOException {
        return name.isPresent() ? Checkpoint.open(path, name.get()) : Checkpoint.open(path);
    }
}
