package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.LowRank;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.GgufVocabulary;
import dev.causal4j.format.Json;
import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorView;
import dev.causal4j.format.WholeFile;
import dev.causal4j.model.families.Family;
import dev.causal4j.model.families.Origin;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Converts a checkpoint into a memory-mapped layout that opens at once, with the same bits of logits: the folder has
 * Hugging Face's files, but its matrices lie in panels, which other programs cannot read. Or into Hugging Face's
 * layout, or a GGUF file, which llama.cpp runs. Stateless and thread-safe.
 */
public final class Conversion {
    private static final String TOKENIZER_CONFIG = "tokenizer_config.json";

    /** Files that are copied unchanged, if present. */
    private static final List<String> COPIED = List.of(
            Checkpoint.CONFIG,
            GenerationDefaults.FILE,
            "tokenizer.json",
            "tokenizer.model", // SentencePiece's, for other programs
            TOKENIZER_CONFIG,
            "chat_template.jinja",
            "additional_chat_templates/tool_use.jinja",
            "vocab.json",
            "merges.txt",
            "special_tokens_map.json",
            "added_tokens.json");

    private Conversion() {}

    /**
     * Converts a model, whole or not at all.
     *
     * @param options the dtype, by default the stored one, and threads
     * @param out a new or empty folder in an existing one
     * @param overwrite whether {@code out} may also be an earlier conversion
     * @throws FormatException if the model or {@code out} is not what it should be
     * @throws IOException if reading or writing fails
     */
    public static void convert(Path model, LoadOptions options, Path out, boolean overwrite, ProgressListener progress)
            throws IOException {
        checkTarget(model, out, overwrite);
        try (Checkpoint checkpoint = Checkpoint.open(model);
                CausalLM loaded = checkpoint.load(options.withDtype(dtype(model, checkpoint, options)))) {
            writeFolder(out, folder -> write(loaded, model, folder, progress));
        }
    }

    /**
     * Writes a model in Hugging Face layout, whole or not at all: config.json, the weights under the names of its
     * family, and the tokenizer's files. The weights are the model's, rounded once; an adapter is part of them.
     *
     * @param options the dtype, f32, bf16 or f16, by default the stored one, and an adapter
     * @param most bytes of a file of weights; more are several files with an index
     * @param out a new or empty folder in an existing one
     * @param overwrite whether {@code out} may also be an earlier conversion
     * @throws FormatException if the model, the adapter or {@code out} is not what it should be
     * @throws IllegalArgumentException if a weight is not finite in f16
     * @throws IOException if reading or writing fails
     */
    public static void toHuggingFace(
            Path model, LoadOptions options, long most, Path out, boolean overwrite, ProgressListener progress)
            throws IOException {
        checkTarget(model, out, overwrite);
        try (Checkpoint checkpoint = Checkpoint.open(model);
                Arena arena = Device.scratch()) {
            DType wanted = options.dtype();
            DType dtype = wanted != null ? wanted : dtype(model, checkpoint, LoadOptions.DEFAULT);
            if (wanted == null && dtype.isQuantised()) {
                throw undecided(model);
            }
            ModelConfig config = checkpoint.config();
            Device device = new Device(arena, options.compute());
            Path adapter = options.merged();
            Map<String, LowRank> adapters = adapter == null ? Map.of() : AdapterFiles.read(adapter, config, device);
            HuggingFaceFiles files = new HuggingFaceFiles(config, spec -> {
                Matrix.Source rows = checkpoint.rows(spec);
                LowRank added = adapters.get(spec.name());
                return added == null ? rows : added.merged(rows);
            });
            writeFolder(out, folder -> {
                writeTokenizer(model, checkpoint.tokenizer(), folder);
                files.write(folder, dtype, most, progress);
            });
        }
    }

    /**
     * Writes a model as one GGUF file with tokenizer and chat template, whole or not at all. Its logits have the same bits,
     * but for what a type rounds and for frequencies of scaled rotary positions, which files have in f32.
     *
     * @param type of the matrices; null for the dtype of the weights
     * @param out a new file {@code NAME.gguf} in an existing folder
     * @param overwrite whether {@code out} may also be a file to replace
     * @return the type
     * @throws dev.causal4j.UnsupportedModelException naming what GGUF cannot say
     * @throws FormatException if the model or {@code out} is not what it should be
     * @throws IOException if reading or writing fails
     */
    public static GgufType toGguf(
            Path model, @Nullable GgufType type, Path out, boolean overwrite, ProgressListener progress)
            throws IOException {
        if (!out.toString().endsWith(".gguf")) {
            throw refused(out, "the name of a file that ends in .gguf", "another", "add .gguf");
        }
        WholeFile.check(out);
        if (Files.exists(out) && !overwrite) {
            throw refused(out, "a new file", "one that exists", "give --overwrite to replace it");
        }
        if (Files.exists(out) && Files.exists(model) && Files.isSameFile(model, out)) {
            throw refused(out, "another file than the model's", "the same", "choose another name");
        }
        try (Checkpoint checkpoint = Checkpoint.open(model)) {
            Optional<GgufType> stored = GgufType.of(checkpoint.dtype(LoadOptions.DEFAULT));
            GgufType chosen = Optional.ofNullable(type).or(() -> stored).orElseThrow(() -> undecided(model));
            new GgufFiles(model, checkpoint).write(chosen, out, progress);
            return chosen;
        }
    }

    private static FormatException undecided(Path model) {
        String expected = "a dtype for quantised weights";
        return new FormatException(model.toString(), expected, "none", "choose one with --dtype");
    }

    private static void writeFolder(Path out, WholeFile.Content<Path> content) throws IOException {
        try {
            WholeFile.writeFolder(out.toAbsolutePath().normalize(), content);
        } catch (FileSystemException e) {
            throw e; // its message names the file
        } catch (IOException e) {
            String got = ": expected to be able to write the model, got \"" + e.getMessage();
            throw new IOException(out + got + "\"; free the disk or choose another folder", e);
        }
    }

    private static void checkTarget(Path model, Path out, boolean overwrite) throws IOException {
        Path target = out.toAbsolutePath().normalize();
        Path parent = target.getParent();
        if (parent == null || !Files.isDirectory(parent)) {
            throw refused(out, "a folder in one that exists", "no such folder to write to", "create it first");
        }
        if (!Files.exists(target)) {
            return;
        }
        if (!Files.isDirectory(target)) {
            throw refused(out, "a new or empty folder", "a file", "choose another folder");
        }
        try (Stream<Path> files = Files.list(target)) {
            Optional<Path> other =
                    files.filter(file -> !overwrite || !written(file)).findFirst();
            if (other.isPresent()) {
                String got = FormatException.quote(other.get().getFileName().toString()) + " in it";
                throw overwrite
                        ? refused(out, "nothing but a converted model", got, "choose another folder")
                        : refused(out, "a new or empty folder", got, "give --overwrite to replace a model");
            }
        }
        if (Files.exists(model) && Files.isSameFile(model, target)) {
            throw refused(out, "another folder than the model's", "the same", "choose another folder");
        }
    }

    private static boolean written(Path file) {
        String name = file.getFileName().toString();
        boolean known = COPIED.contains(name)
                || TensorStore.isWritten(name)
                || List.of(Tokenizer.PREPARED, "vocabulary.bin").contains(name); // 0.1
        boolean holds = COPIED.stream().anyMatch(copied -> copied.startsWith(name + "/"));
        return Files.isRegularFile(file) ? known : holds;
    }

    private static FormatException refused(Path out, String expected, String got, String remedy) {
        return new FormatException(out.toString(), expected, got, remedy);
    }

    /** Groups of a GGUF file have other formats than ours; its learned positions are f32 whatever the others are. */
    private static DType dtype(Path model, Checkpoint checkpoint, LoadOptions options) throws FormatException {
        DType dtype = checkpoint.dtype(options);
        if (options.dtype() != null || !Files.isRegularFile(model)) {
            return dtype;
        }
        if (dtype.isQuantised()) {
            throw undecided(model);
        }
        return checkpoint.config().decoder().learnedPositions() ? DType.F32 : dtype;
    }

    /** The files of the tokenizer and, of a folder, the configurations. */
    private static void writeTokenizer(Path model, Optional<Tokenizer> tokenizer, Path folder) throws IOException {
        if (Files.isRegularFile(model)) {
            WholeFile.write(
                    folder.resolve(TOKENIZER_CONFIG),
                    Json.write(GgufVocabulary.read(model).configuration()));
            if (tokenizer.isPresent()) {
                tokenizer.get().save(folder);
            }
        }
        for (String name : COPIED) {
            Path copied = model.resolve(name);
            if (Files.isRegularFile(copied)) {
                Path copy = folder.resolve(name);
                Files.createDirectories(copy.resolveSibling(""));
                Files.copy(copied, copy);
            }
        }
    }

    private static void write(CausalLM model, Path source, Path folder, ProgressListener progress) throws IOException {
        writeTokenizer(source, model.tokenizer(), folder);
        if (Files.isRegularFile(source)) {
            WholeFile.write(
                    folder.resolve(Checkpoint.CONFIG), Json.write(model.config().toJson()));
        }
        if (model.tokenizer().isPresent() && Files.exists(folder.resolve("tokenizer.json"))) {
            Tokenizer.prepare(folder);
        }
        PanelLayout layout = new PanelLayout(model.dtype());
        List<SafeTensors.Source> tensors = model.config().specs().stream()
                .map(spec -> SafeTensors.Source.of(tensor(model, spec, layout)))
                .toList();
        long total = tensors.stream().mapToLong(SafeTensors.Source::bytes).sum();
        Path file = folder.resolve(TensorStore.SINGLE);
        SafeTensors.write(file, tensors, layout.metadata(), true, bytes -> progress.accept(bytes, total));
    }

    private static TensorView tensor(CausalLM model, ParameterSpec spec, PanelLayout layout) {
        Family family = model.config().family();
        String root = family.names().roots().getFirst();
        Origin.Part part = layout.origin(spec, family.origin(model.config(), spec, root))
                .parts()
                .getFirst();
        MemorySegment data = spec.role().isVector()
                ? MemorySegment.ofArray(model.vector(spec))
                : model.matrix(spec).panelData();
        return new TensorView(part.name(), layout.stored(spec), part.shape(), data);
    }
}
