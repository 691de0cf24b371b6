package dev.causal4j.cli;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.format.WholeFile;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.model.Conversion;
import dev.causal4j.model.LoadOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CancellationException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.node.ObjectNode;

/** Writes a model in a memory-mapped layout that opens at once. */
@Command(
        name = "convert",
        description = "Writes a model in a memory-mapped layout that opens at once. Other programs cannot read it.",
        sortOptions = false)
final class ConvertCommand extends Subcommand {
    /** Longer than any disk takes for the megabyte between two checks of the interruption. */
    private static final long MOST_SECONDS_TO_CANCEL = 5;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            required = true,
            description = "The folder to write: a new or an empty one.")
    @SuppressWarnings("NullAway.Init")
    private Path out;

    @Option(names = "--overwrite", description = "Replace an earlier conversion in DIR.")
    private boolean overwrite;

    @Mixin
    private ModelOptions options;

    @Mixin
    private AdapterOption adapter;

    @Override
    public Integer call() throws IOException {
        options.useThreads();
        if (options.folder().isPresent()) {
            return convert(options.folder().get());
        }
        Path embedded = Files.createTempDirectory("causal4j");
        try {
            AustenModel.export(embedded);
            return convert(embedded);
        } finally {
            WholeFile.delete(embedded);
        }
    }

    private int convert(Path model) throws IOException {
        long start = System.nanoTime();
        try (Interruption interruption = new Interruption(MOST_SECONDS_TO_CANCEL);
                Progress progress = Progress.late("converting", "MB")) {
            Conversion.convert(model, adapter.mergedBy(options.options()), out, overwrite, (bytes, total) -> {
                if (interruption.requested()) {
                    throw new CancellationException(); // so that nothing of an interrupted conversion stays
                }
                progress.at(bytes >> 20, total >> 20);
            });
        } catch (CancellationException e) {
            return 1; // interrupted: no message
        }
        print(Checkpoint.open(out), (System.nanoTime() - start) / 1e9);
        return 0;
    }

    private void print(Checkpoint converted, double seconds) throws IOException {
        String dtype = converted.dtype(LoadOptions.DEFAULT).label();
        long bytes = Files.size(out.resolve("model.safetensors"));
        long parameters = converted.config().parameters();
        if (options.json()) {
            ObjectNode document = Json.object()
                    .put("out", out.toString())
                    .put("dtype", dtype)
                    .put("parameters", parameters)
                    .put("tied", converted.config().tied())
                    .put("bytes", bytes)
                    .put("seconds", seconds);
            Json.print(stdout(), document);
        } else {
            stdout().printf(
                            "%s: %,d parameters in %s, %,d bytes, %.1f seconds%n",
                            out, parameters, dtype, bytes, seconds);
        }
    }
}
