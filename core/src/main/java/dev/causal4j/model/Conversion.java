package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.decoder.LowRank;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorView;
import dev.causal4j.json.Json;
import dev.causal4j.json.WholeFile;
import dev.causal4j.kernel.WeightFormat;
import dev.causal4j.model.families.Origin;
import dev.causal4j.model.gguf.GgufFiles;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Converts a model to a folder that is memory-mapped, to one in Hugging Face layout, or to a GGUF file. Immutable and
 * thread-safe.
 *
 * <pre>{@code
 * Conversion.of(model).toPanels(folder);
 * Conversion.of(model).withOptions(LoadOptions.DEFAULT.withDtype(DType.BF16)).toHuggingFace(folder);
 * Conversion.of(model).withOverwrite(true).toGguf(file, GgufType.Q8_0);
 * }</pre>
 *
 * @param model its folder or GGUF file
 * @param options the dtype, by default the stored one; an adapter to make part of the weights; threads; and a listener
 *     of the bytes that are written
 * @param shardBytes the most bytes of a file of weights in Hugging Face layout; larger models are several files with an
 *     index
 * @param overwrite whether the target may also be an earlier conversion
 * @param head the dtype of the head's projection in panels; null for that of the other matrices
 */
public record Conversion(
        Path model,
        LoadOptions options,
        long shardBytes,
        boolean overwrite,
        @Nullable DType head) {
    private static final String TOKENIZER_CONFIG = "tokenizer_config.json";

    /** Files that are copied unchanged, if present. */
    private static final List<String> COPIED = Stream.concat(
                    EmbeddingConfig.FILES.stream(),
                    Stream.of(
                            Checkpoint.CONFIG,
                            GenerationDefaults.FILE,
                            "tokenizer.json",
                            "tokenizer.model", // the file of SentencePiece, for other programs
                            TOKENIZER_CONFIG,
                            "chat_template.jinja",
                            "additional_chat_templates/tool_use.jinja",
                            "vocab.json",
                            "merges.txt",
                            "special_tokens_map.json",
                            "added_tokens.json"))
            .toList();

    /** Further files of earlier versions. */
    private static final List<String> EARLIER = List.of("vocabulary.bin", "tokenizer.json.prepared");

    /** The conversion of a model in its stored dtype, to one file, which must not exist. */
    public static Conversion of(Path model) {
        return new Conversion(model, LoadOptions.DEFAULT, Long.MAX_VALUE, false, null);
    }

    /** The conversion with other options. */
    public Conversion withOptions(LoadOptions others) {
        return new Conversion(model, others, shardBytes, overwrite, head);
    }

    /** The conversion to files of weights of at most {@code most} bytes in Hugging Face layout. */
    public Conversion withShardBytes(long most) {
        return new Conversion(model, options, most, overwrite, head);
    }

    /** The conversion to a target that may also be an earlier conversion. */
    public Conversion withOverwrite(boolean may) {
        return new Conversion(model, options, shardBytes, may, head);
    }

    /**
     * The conversion to panels with the head's projection in a dtype of its own. A tied table is then stored twice, and
     * the head of the new folder is untied.
     */
    public Conversion withHead(@Nullable DType dtype) {
        return new Conversion(model, options, shardBytes, overwrite, dtype);
    }

    /**
     * Writes a folder that opens at once, whole or not at all. It has Hugging Face's files, but its matrices are in
     * panels, which are memory-mapped and which other programs cannot read. Its logits have the same bits. Matrices are
     * stored as loading would make them: from a GGUF file without a dtype, the codes and scales of its blocks. One
     * matrix at a time is in memory.
     *
     * @param out a new or empty folder in an existing one
     * @throws FormatException if the model, the adapter or {@code out} is not what it should be
     * @throws IOException if reading or writing fails
     */
    public void toPanels(Path out) throws IOException {
        checkTarget(out);
        try (Checkpoint checkpoint = Checkpoint.open(model);
                Arena arena = Device.scratch()) {
            Device device = new Device(arena, options.compute());
            Loading loading = Loading.of(checkpoint, options, device);
            Loading ofHead = head == null ? loading : Loading.of(checkpoint, options.withDtype(head), device);
            ModelConfig config =
                    head == null ? checkpoint.config() : checkpoint.config().withTied(false);
            writeFolder(out, folder -> {
                writeText(checkpoint, folder);
                if (checkpoint.isGguf() || head != null) {
                    WholeFile.write(folder.resolve(Checkpoint.CONFIG), Json.write(config.toJson()));
                }
                writePanels(checkpoint, config, loading, ofHead, folder);
            });
        }
    }

    /**
     * Writes a folder in Hugging Face layout, whole or not at all: config.json, the weights under the names of the
     * family, and the tokenizer's files. The weights are rounded once.
     *
     * @param out a new or empty folder in an existing one
     * @throws FormatException if the model, the adapter or {@code out} is not what it should be
     * @throws IllegalArgumentException if a weight is not finite in f16
     * @throws IOException if reading or writing fails
     */
    public void toHuggingFace(Path out) throws IOException {
        checkTarget(out);
        try (Checkpoint checkpoint = Checkpoint.open(model);
                Arena arena = Device.scratch()) {
            DType dtype = dtype(checkpoint);
            Device device = new Device(arena, options.compute());
            Map<String, LowRank> adapters = AdapterFiles.read(options.merged(), checkpoint.config(), device)
                    .weights();
            HuggingFaceFiles files = new HuggingFaceFiles(checkpoint.config(), spec -> checkpoint.rows(spec, adapters));
            writeFolder(out, folder -> {
                writeText(checkpoint, folder);
                files.write(folder, dtype, shardBytes, options.progress());
            });
        }
    }

    /**
     * Writes a GGUF file in the type of the chosen dtype or the stored weights; see {@link #toGguf(Path, GgufType)}.
     *
     * @return the type
     * @throws FormatException if the model or {@code out} is not what it should be, or the weights are quantised
     * @throws IOException if reading or writing fails
     */
    public GgufType toGguf(Path out) throws IOException {
        return toGguf(out, Optional.empty());
    }

    /**
     * Writes one GGUF file with tokenizer and chat template, which llama.cpp runs, whole or not at all. Its logits have
     * the same bits, except where the type rounds, and where rotary positions are scaled: files have their frequencies
     * in f32.
     *
     * @param out a new file {@code NAME.gguf} in an existing folder
     * @param type the type of the matrices
     * @throws dev.causal4j.UnsupportedModelException naming a property that GGUF cannot express
     * @throws FormatException if the model or {@code out} is not what it should be
     * @throws IOException if reading or writing fails
     */
    public void toGguf(Path out, GgufType type) throws IOException {
        toGguf(out, Optional.of(type));
    }

    private GgufType toGguf(Path out, Optional<GgufType> wanted) throws IOException {
        if (!out.toString().endsWith(".gguf")) {
            throw refused(out, "the name of a file that ends in .gguf", "another", "add .gguf");
        }
        if (options.merged() != null) {
            throw refused(out, "no adapter for a GGUF file", "one", "write a folder first, then a file of that");
        }
        WholeFile.check(out);
        if (Files.exists(out) && !overwrite) {
            throw refused(out, "a new file", "one that exists", "give --overwrite to replace it");
        }
        if (Files.exists(out) && Files.exists(model) && Files.isSameFile(model, out)) {
            throw refused(out, "another file than the model's", "the same", "choose another name");
        }
        try (Checkpoint checkpoint = Checkpoint.open(model)) {
            Optional<GgufType> stored =
                    GgufType.ofLabel(checkpoint.dtype(options).label()); // empty for a dtype of codes
            GgufType type = wanted.or(() -> stored).orElseThrow(this::undecided);
            ModelConfig config = checkpoint.config();
            Optional<EmbeddingConfig> embedding = checkpoint.embedding();
            int layers = embedding.map(each -> each.layers().size()).orElse(0);
            if (layers > 0) {
                throw refused(out, "no layers after the pooling for a GGUF file", "" + layers, "write a folder");
            }
            new GgufFiles(
                            model.toString(),
                            config.architecture(),
                            config.bos(),
                            config.eos(),
                            checkpoint.tokenizer(),
                            checkpoint.templates(),
                            embedding.map(EmbeddingConfig::ggufType).orElse(0),
                            spec -> checkpoint.rows(spec, Map.of()))
                    .write(type.blocks(), out, options.progress()::accept);
            return type;
        }
    }

    private FormatException undecided() {
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

    private void checkTarget(Path out) throws IOException {
        check(out, overwrite);
        Path found = WholeFile.found(out.toAbsolutePath().normalize());
        if (Files.exists(model) && Files.exists(found) && Files.isSameFile(model, found)) {
            throw refused(out, "another folder than the model's", "the same", "choose another folder");
        }
    }

    /**
     * Refuses a folder that no conversion can be written to, before a model is read.
     *
     * @param overwrite whether it may be an earlier conversion
     * @throws FormatException saying why
     * @throws IOException if reading it fails
     */
    public static void check(Path out, boolean overwrite) throws IOException {
        Path target = out.toAbsolutePath().normalize();
        Path parent = target.getParent();
        if (parent == null || !Files.isDirectory(parent)) {
            throw refused(out, "a folder in one that exists", "no such folder to write to", "create it first");
        }
        Path found = WholeFile.found(target);
        if (!Files.exists(found)) {
            return;
        }
        if (!Files.isDirectory(found)) {
            throw refused(out, "a new or empty folder", "a file", "choose another folder");
        }
        try (Stream<Path> files = Files.list(found)) {
            Optional<Path> other =
                    files.filter(file -> !overwrite || !isWritten(file)).findFirst();
            if (other.isPresent()) {
                String got = FormatException.quote(other.get().getFileName().toString()) + " in it";
                throw overwrite
                        ? refused(out, "nothing but a converted model", got, "choose another folder")
                        : refused(out, "a new or empty folder", got, "give --overwrite to replace a model");
            }
        }
    }

    private static boolean isWritten(Path file) {
        String name = file.getFileName().toString();
        boolean known = COPIED.contains(name) || EARLIER.contains(name) || TensorStore.isWritten(name);
        boolean holds = COPIED.stream().anyMatch(copied -> copied.startsWith(name + "/"));
        return Files.isRegularFile(file) ? known : holds;
    }

    private static FormatException refused(Path out, String expected, String got, String remedy) {
        return new FormatException(out.toString(), expected, got, remedy);
    }

    /** The dtype of a file of plain numbers. Learned positions may be f32 beside narrower matrices; then it is f32. */
    private DType dtype(Checkpoint checkpoint) throws FormatException {
        DType wanted = options.dtype();
        DType dtype = wanted != null ? wanted : checkpoint.dtype(LoadOptions.DEFAULT);
        if (wanted == null && dtype.isQuantised()) {
            throw undecided();
        }
        boolean positions =
                checkpoint.mayDiffer() && checkpoint.config().decoder().learnedPositions();
        return wanted == null && positions ? DType.F32 : dtype;
    }

    /** Writes the files of the tokenizer, and of a folder also the configurations. */
    private void writeText(Checkpoint checkpoint, Path folder) throws IOException {
        if (checkpoint.isGguf()) {
            byte[] config = Json.write(tokenizerConfig(checkpoint.templates()));
            WholeFile.write(folder.resolve(TOKENIZER_CONFIG), config);
            if (checkpoint.tokenizer().isPresent()) {
                checkpoint.tokenizer().get().save(folder);
            }
            return;
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

    private static Map<String, Object> tokenizerConfig(ChatTemplate.Source source) {
        Map<String, Object> json =
                Json.object("tokenizer_class", "PreTrainedTokenizerFast"); // only tokenizer.json is read
        json.putAll(source.specialTokens());
        List<Object> templates = new ArrayList<>();
        source.templates().forEach((name, text) -> templates.add(Json.object("name", name, "template", text)));
        if (!templates.isEmpty()) {
            json.put("chat_template", templates);
        }
        return json;
    }

    private void writePanels(Checkpoint checkpoint, ModelConfig config, Loading loading, Loading ofHead, Path folder)
            throws IOException {
        String root = config.family().names().roots().getFirst();
        PanelLayout layout = new PanelLayout(loading.dtype(), new TreeMap<>());
        List<SafeTensors.Source> tensors = new ArrayList<>();
        for (ParameterSpec spec : config.specs()) {
            boolean isHead = spec.equals(config.head());
            Loading read = isHead ? ofHead : loading;
            ParameterSpec source = isHead && checkpoint.config().tied() ? config.embedding() : spec;
            StoredRows rows = checkpoint.stored(source);
            Origin origin = config.origin(spec, root);
            String name = origin.label(spec);
            if (spec.role().isMatrix()) {
                WeightFormat format = read.format(source);
                Origin.Part panels = layout.with(spec, origin, format).parts().getFirst();
                DType stored = PanelLayout.stored(format);
                tensors.add(new SafeTensors.Source(panels.name(), stored, panels.shape(), memory -> {
                    Matrix matrix = read.matrix(source, new Device(memory, options.compute()));
                    return new TensorView(panels.name(), stored, panels.shape(), matrix.panelData());
                }));
            } else if (rows.isInBlocks() && rows.tensors().size() == 1) { // a table
                TensorView blocks = rows.tensors().getFirst();
                tensors.add(SafeTensors.Source.of(layout.with(spec, name, blocks)));
            } else {
                Origin numbers = Origin.tensor(name, spec);
                tensors.addAll(StoredRows.sources(
                        spec.role().isVector() ? DType.F32 : rows.dtype(),
                        Map.of(numbers, to -> numbers.write(to, spec.cols(), rows::row, options.compute()))));
            }
        }
        long total = tensors.stream().mapToLong(SafeTensors.Source::bytes).sum();
        SafeTensors.write(
                folder.resolve(TensorStore.SINGLE),
                tensors,
                layout.metadata(),
                true,
                bytes -> options.progress().accept(bytes, total));
    }
}
