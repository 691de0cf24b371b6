package dev.causal4j.format;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.FormatException;
import dev.causal4j.json.Json;
import dev.causal4j.json.UntrustedInput;
import dev.causal4j.json.WholeFile;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.LongConsumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The tensors of a model's files by name. Immutable and thread-safe.
 *
 * @param subject its name in messages
 * @param tensors in the order of their data in a file, or of the index
 * @param metadata the strings of a single safetensors file, in its order; else empty
 * @param files the files with all their bytes by name, in the order in which they were read; empty if not known
 */
public record TensorStore(
        String subject, Map<String, Stored> tensors, Map<String, String> metadata, Map<String, MemorySegment> files) {
    /** The file of a checkpoint in one file. */
    public static final String SINGLE = "model.safetensors";

    /** The index of a checkpoint in several files. */
    public static final String INDEX = "model.safetensors.index.json";

    private static final String SHARD = "model-%05d-of-%05d.safetensors";

    /** Tensors whose files are not known. */
    public TensorStore(String subject, Map<String, Stored> tensors, Map<String, String> metadata) {
        this(subject, tensors, metadata, Map.of());
    }

    /** The tensors of one file. */
    static TensorStore of(
            String subject, Map<String, Stored> tensors, Map<String, String> metadata, MemorySegment bytes) {
        String name = subject.replaceFirst("(?s).*[/\\\\]", "");
        return new TensorStore(
                subject,
                Collections.unmodifiableMap(tensors),
                Collections.unmodifiableMap(metadata),
                Map.of(name, bytes.asReadOnly()));
    }

    /** These files with other tensors. */
    public TensorStore with(Map<String, Stored> others) {
        return new TensorStore(subject, Collections.unmodifiableMap(others), metadata, files);
    }

    /** A file as memory, read-only, for as long as the arena lives. */
    static MemorySegment map(Path file, String what, Arena arena) throws IOException {
        UntrustedInput.requireFile(file, what);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
        }
    }

    /** Whether {@link #write} gives a file this name. */
    public static boolean isWritten(String name) {
        return name.equals(SINGLE) || name.equals(INDEX) || name.matches("model-\\d{5}-of-\\d{5}\\.safetensors");
    }

    /**
     * A tensor, perhaps of an unsupported dtype.
     *
     * @param file the one it is in
     * @param type the name of a dtype of safetensors, or of a {@link BlockType}
     * @param shape the dimensions, outermost first
     * @param data all its bytes, read-only
     */
    public record Stored(String file, String type, List<Long> shape, MemorySegment data) {
        private TensorView view(String name) throws FormatException {
            String place = file + ", tensor " + quote(name);
            return DType.ofFileType(type)
                    .map(dtype -> new TensorView(name, dtype, shape, data))
                    .or(() -> BlockType.of(type).map(blocks -> TensorView.of(name, blocks, shape, data)))
                    .orElseThrow(() ->
                            new FormatException(place, "dtype F32, F16, BF16 or I8", type, "convert the checkpoint"));
        }
    }

    /** The names of all tensors, including those of unsupported dtypes. */
    public Set<String> names() {
        return tensors.keySet();
    }

    /**
     * A view of a stored tensor. Nothing is copied; numbers are read from the file on use.
     *
     * @throws FormatException if there is no tensor of this name, or its dtype is not F32, F16, BF16, I8 or a {@link
     *     BlockType}
     */
    public TensorView tensor(String name) throws FormatException {
        Stored stored = tensors.get(name);
        if (stored == null) {
            String some = names().stream().limit(3).map(FormatException::quote).collect(Collectors.joining(", "));
            String others = names().size() + " others (" + some + (names().size() > 3 ? ", ..." : "") + ")";
            String got = names().isEmpty() ? "no tensor at all" : others;
            String remedy = "is this a checkpoint of the right architecture?";
            throw new FormatException(subject, "a tensor " + quote(name), got, remedy);
        }
        return stored.view(name);
    }

    /**
     * Opens the checkpoint in a folder: {@link #SINGLE}, or else {@link #INDEX}.
     *
     * @param arena holds the mappings, and with them every tensor
     * @throws FormatException if there is neither, or it is not valid
     * @throws IOException if reading fails
     */
    public static TensorStore open(Path folder, Arena arena) throws IOException {
        Path single = folder.resolve(SINGLE);
        if (Files.exists(single)) {
            return SafeTensors.open(single, arena);
        }
        Path index = folder.resolve(INDEX);
        if (Files.exists(index)) {
            return SafeTensors.openIndex(index, arena);
        }
        try (Stream<Path> files = Files.list(folder)) {
            String others = files.map(file -> file.getFileName().toString())
                    .filter(name -> name.matches("onnx|.*\\.(onnx|bin|pt|pth)"))
                    .sorted()
                    .collect(Collectors.joining(", "));
            String got = others.isEmpty() ? "a folder with neither" : others;
            String remedy = others.isEmpty()
                    ? "name the folder of a checkpoint in safetensors format"
                    : "PyTorch's pickles and ONNX are not read: convert them to safetensors with save_pretrained, or"
                            + " fetch the model with pull, which takes safetensors";
            throw new FormatException(folder.toString(), SINGLE + " or " + INDEX, got, remedy);
        }
    }

    /**
     * Writes a checkpoint for other programs into a folder: {@link #SINGLE}, or several files and then {@link #INDEX}.
     *
     * @param most bytes of the tensors of a file, unless it has a single one
     * @param progress receives the bytes written so far
     * @throws IllegalArgumentException if there would be too many files
     * @throws IOException if writing fails
     */
    public static void write(Path folder, Collection<SafeTensors.Source> tensors, long most, LongConsumer progress)
            throws IOException {
        List<List<SafeTensors.Source>> files = new ArrayList<>();
        long size = 0;
        for (SafeTensors.Source tensor : tensors) {
            if (files.isEmpty() || size > most - tensor.bytes()) {
                files.add(new ArrayList<>());
                size = 0;
            }
            files.getLast().add(tensor);
            size += tensor.bytes();
        }
        if (files.size() > SafeTensors.MAX_SHARDS) {
            throw new IllegalArgumentException("size of a file: expected one for at most " + SafeTensors.MAX_SHARDS
                    + " files, got " + most + " bytes for " + files.size() + "; choose a larger one");
        }
        Map<String, String> fileOf = new TreeMap<>();
        long total = 0;
        for (List<SafeTensors.Source> file : files) {
            String part = String.format(Locale.ROOT, SHARD, files.indexOf(file) + 1, files.size());
            String name = files.size() == 1 ? SINGLE : part;
            Path target = folder.resolve(name);
            long before = total;
            SafeTensors.write(target, file, Map.of("format", "pt"), false, bytes -> progress.accept(before + bytes));
            for (SafeTensors.Source tensor : file) {
                fileOf.put(tensor.name(), name);
                total += tensor.bytes();
            }
        }
        if (files.size() > 1) {
            Map<String, Object> index = Json.object("metadata", Json.object("total_size", total), "weight_map", fileOf);
            WholeFile.write(folder.resolve(INDEX), Json.write(index));
        }
    }
}
