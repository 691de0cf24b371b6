package dev.causal4j.cli;

import dev.causal4j.hub.Pulled;
import dev.causal4j.model.Conversion;
import dev.causal4j.model.LoadOptions;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Fetches a model from the hub. */
@Command(
        name = "pull",
        description =
                "Fetches a model from the Hugging Face hub into the cache that Python uses, too; --model org/name then"
                        + " finds it. An interrupted pull resumes.")
final class PullCommand extends Subcommand {
    @Mixin
    private HubOptions hub;

    @Option(
            names = "--convert",
            paramLabel = "DIR",
            description = "Then writes the model to this new or empty folder, which opens at once, as convert does.")
    private @Nullable Path converted;

    @Option(names = "--overwrite", description = "With --convert: replace an earlier conversion.")
    private boolean overwrite;

    @Override
    public Integer call() throws IOException, InterruptedException {
        long start = System.nanoTime();
        Path folder = converted;
        if (folder != null) {
            Conversion.check(folder, overwrite); // before gigabytes are fetched
        }
        Pulled pulled = hub.pull();
        double seconds = (System.nanoTime() - start) / 1e9;
        if (folder != null && !convert(pulled.path(), folder)) {
            return 1; // interrupted: no message
        }
        Document document = new Document()
                .put("model", pulled.name().repository())
                .put("revision", pulled.commit())
                .put("path", pulled.path())
                .put("files", pulled.files())
                .put("bytes", pulled.bytes())
                .put("fetched_bytes", pulled.fetchedBytes())
                .put("seconds", seconds);
        if (folder != null) {
            document.put("converted", folder);
        }
        String told = "%s: %d files, %,d bytes, %,d of them fetched in %.1f seconds";
        print(
                document,
                told.formatted(pulled.path(), pulled.files().size(), pulled.bytes(), pulled.fetchedBytes(), seconds));
        return 0;
    }

    private boolean convert(Path pulled, Path folder) throws IOException {
        Path model = ModelOptions.path(pulled); // of several GGUF files one must be meant
        return ConvertCommand.ends(progress -> Conversion.of(model)
                .withOverwrite(overwrite)
                .withOptions(LoadOptions.DEFAULT.withProgress(progress))
                .toPanels(folder));
    }
}
