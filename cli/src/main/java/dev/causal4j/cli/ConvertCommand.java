package dev.causal4j.cli;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.json.WholeFile;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.model.Conversion;
import dev.causal4j.model.GgufType;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.model.ProgressListener;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Writes a model in a memory-mapped layout that opens at once, in Hugging Face layout, or as a GGUF file. */
@Command(
        name = "convert",
        description =
                "Writes a model in a memory-mapped layout that opens at once, which other programs cannot read; in"
                        + " Hugging Face layout, which Python reads; or as a GGUF file, which llama.cpp runs.")
final class ConvertCommand extends Subcommand {
    /** Longer than a tensor takes, the most that is read and encoded between two checks of the interruption. */
    private static final long MOST_SECONDS_TO_CANCEL = 60;

    @Option(
            names = "--to",
            paramLabel = "FORMAT",
            description =
                    "panels: a folder that opens at once (the default); hf: a folder in Hugging Face layout, --dtype"
                            + " f32, bf16 or f16; gguf: a file with tokenizer and chat template, --dtype f32, f16,"
                            + " bf16, q8_0 or q4_0.")
    private String format = "panels";

    @Option(
            names = "--out",
            paramLabel = "PATH",
            required = true,
            description = "A new or an empty folder to write, or a new file NAME.gguf.")
    @SuppressWarnings("NullAway.Init")
    private Path out;

    @Option(
            names = "--shard-size",
            paramLabel = "MB",
            description = "With --to hf, most weights in a file; more are several files; default: ${DEFAULT-VALUE}.")
    private int shardMegabytes = 5000;

    @Option(
            names = "--head-dtype",
            paramLabel = "DTYPE",
            description = "With --to panels, dtype of the head's projection; a tied table is then stored twice.")
    private @Nullable String headDtype;

    @Option(names = "--overwrite", description = "Replace an earlier conversion.")
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
        AtomicReference<Optional<GgufType>> type = new AtomicReference<>(Optional.empty());
        if (!ends(progress -> type.set(write(model, progress)))) {
            return 1; // interrupted: no message
        }
        try (Checkpoint converted = Checkpoint.open(out)) {
            print(converted, type.get(), (System.nanoTime() - start) / 1e9);
        }
        return 0;
    }

    /** A conversion that reports its progress. */
    @FunctionalInterface
    interface Writing {
        void run(ProgressListener progress) throws IOException;
    }

    /** Converts with a bar. False if it was interrupted: nothing of the conversion stays. */
    static boolean ends(Writing conversion) throws IOException {
        try (Interruption interruption = new Interruption(MOST_SECONDS_TO_CANCEL);
                Progress progress = Progress.late("converting", Progress.BYTES)) {
            conversion.run((bytes, total) -> {
                if (interruption.requested()) {
                    throw new CancellationException();
                }
                progress.at(bytes, total);
            });
            return true;
        } catch (CancellationException e) {
            return false;
        }
    }

    private @Nullable DType headDtype() {
        Optional<DType> dtype = Optional.ofNullable(headDtype).flatMap(DType::ofLabel);
        refuse(
                headDtype != null && dtype.isEmpty(),
                "head-dtype: expected " + DType.labels() + ", got " + Visible.quoted(String.valueOf(headDtype)));
        return dtype.orElse(null);
    }

    /** Writes the model; the type of a GGUF file. */
    private Optional<GgufType> write(Path model, ProgressListener progress) throws IOException {
        refuse(
                headDtype != null && !format.equalsIgnoreCase("panels"),
                "head-dtype: expected --to panels with it, got " + format);
        Conversion conversion =
                Conversion.of(model).withOverwrite(overwrite).withOptions(LoadOptions.DEFAULT.withProgress(progress));
        switch (format.toLowerCase(Locale.ROOT)) {
            case "panels" ->
                conversion
                        .withOptions(adapter.mergedBy(options.options()).withProgress(progress))
                        .withHead(headDtype())
                        .toPanels(out);
            case "hf" -> {
                refuse(shardMegabytes < 1, "shard-size: expected at least 1, got " + shardMegabytes);
                DType dtype = options.dtype(
                                label -> DType.ofLabel(label).filter(each -> !each.isQuantised()),
                                "f32, bf16 or f16 with --to hf")
                        .orElse(null);
                conversion
                        .withOptions(adapter.mergedBy(conversion.options().withDtype(dtype)))
                        .withShardBytes(shardMegabytes * 1_000_000L)
                        .toHuggingFace(out);
            }
            case "gguf" -> {
                refuse(
                        adapter.isGiven(),
                        "adapter: expected --to panels or hf with it, got gguf; write a folder first, then a"
                                + " file of that");
                String known = "f32, f16, bf16, q8_0 or q4_0 with --to gguf";
                Optional<GgufType> type = options.dtype(GgufType::ofLabel, known);
                if (type.isEmpty()) {
                    return Optional.of(conversion.toGguf(out));
                }
                conversion.toGguf(out, type.get());
                return type;
            }
            default -> throw wrong("to: expected panels, hf or gguf, got " + format);
        }
        return Optional.empty();
    }

    private void print(Checkpoint converted, Optional<GgufType> type, double seconds) throws IOException {
        String stored = converted.dtype(LoadOptions.DEFAULT).label();
        String dtype = type.map(GgufType::label).orElse(stored);
        long bytes = InspectCommand.bytes(converted.tensors());
        long parameters = converted.config().parameters();
        Document document = new Document()
                .put("out", out)
                .put("dtype", dtype)
                .put("parameters", parameters)
                .put("tied", converted.config().tied())
                .put("bytes", bytes)
                .put("seconds", seconds);
        String told = "%s: %,d parameters in %s, %,d bytes, %.1f seconds";
        print(document, told.formatted(out, parameters, dtype, bytes, seconds));
    }
}
