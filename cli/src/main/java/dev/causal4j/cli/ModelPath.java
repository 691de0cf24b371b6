package dev.causal4j.cli;

import dev.causal4j.hub.Hub;
import dev.causal4j.hub.ModelName;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** What {@code --model} names: a folder or a file, or else a model that was pulled. */
final class ModelPath {
    private ModelPath() {}

    /** @throws UncheckedIOException if it is none of these, but could be a name */
    static Path of(Path given) {
        Optional<ModelName> name = Files.exists(given)
                ? Optional.empty()
                : ModelName.find(given.toString().replace('\\', '/'));
        if (name.isEmpty()) {
            return given;
        }
        try {
            return Hub.fromEnvironment()
                    .find(name.get())
                    .orElseThrow(() -> new IOException(given
                            + ": expected a folder, a GGUF file, or a model that is whole in the cache, got none; fetch it"
                            + " with causal4j pull " + name.get()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
