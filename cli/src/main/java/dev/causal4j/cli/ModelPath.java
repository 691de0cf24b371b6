package dev.causal4j.cli;

import dev.causal4j.FormatException;
import dev.causal4j.format.Gguf;
import dev.causal4j.format.TensorStore;
import dev.causal4j.hub.Hub;
import dev.causal4j.hub.ModelName;
import dev.causal4j.json.WholeFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** Resolves {@code --model}: a folder, a file or the folder with it, or else a model that was pulled. */
final class ModelPath {
    private ModelPath() {}

    /** @throws UncheckedIOException if there is no such path, and no such model in the cache */
    static Path of(Path given) {
        String text = given.toString().replace('\\', '/');
        Optional<ModelName> name = ModelName.find(text);
        try {
            if (Files.exists(WholeFile.found(given)) || (name.isEmpty() && text.contains("/"))) {
                return local(given);
            }
            Optional<Path> found =
                    name.isEmpty() ? Optional.empty() : Hub.fromEnvironment().find(name.get());
            String fetched = name.isEmpty() ? ModelName.meant(text).orElse("org/name") : text;
            return found.orElseThrow(() -> new IOException(given
                    + ": expected a folder, a GGUF file, or a model that is whole in the cache, got none; fetch it with "
                    + Main.NAME + " pull " + fetched));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The GGUF file in a folder without safetensors, or the first of a split model; any other path as it is. */
    private static Path local(Path path) throws IOException {
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
                        path.toString(), "one GGUF file", String.join(", ", models), "choose one: --model FOLDER/FILE");
            }
            return models.isEmpty() ? path : path.resolve(models.getFirst());
        }
    }
}
