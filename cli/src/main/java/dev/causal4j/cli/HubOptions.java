package dev.causal4j.cli;

import dev.causal4j.hub.Hub;
import dev.causal4j.hub.ModelName;
import dev.causal4j.hub.Pulled;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Which model of the hub, and which of its files. */
final class HubOptions extends SharedOptions {
    @Parameters(paramLabel = "NAME", description = "org/name or org/name@revision: a branch, tag or commit.")
    @SuppressWarnings("NullAway.Init")
    private String name;

    @Option(
            names = "--gguf",
            paramLabel = "PATTERN",
            description = "GGUF files with this in their name, for instance Q4_K_M, instead of safetensors; with * a"
                    + " pattern.")
    private @Nullable String gguf;

    ModelName name() {
        return Usage.of(spec, () -> ModelName.of(name));
    }

    /** Fetches what is missing, with a bar. */
    Pulled pull() throws IOException, InterruptedException {
        ModelName wanted = name();
        try (Progress progress = Progress.late("pulling", Progress.BYTES)) {
            return Hub.fromEnvironment().pull(wanted, gguf, (file, done, total) -> progress.at(done, total, file));
        }
    }

    /** The folder or file for {@code --model}, fetched unless it is whole in the cache; GGUF files are asked for each time. */
    Path model() throws IOException, InterruptedException {
        if (gguf != null) {
            return pull().path();
        }
        if (Hub.fromEnvironment().find(name()).isEmpty()) {
            pull();
        }
        return Path.of(name);
    }
}
