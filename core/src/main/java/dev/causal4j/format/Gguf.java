package dev.causal4j.format;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.FormatException;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.TensorView;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A model in a GGUF file, or several: metadata and tensors, checked whole. Immutable and thread-safe. The package
 * documentation has the rules.
 *
 * @param metadata the values of the first file by their key: integers (Integer, or Long or BigInteger if it does not fit),
 *     Double, Boolean, String, and lists of these; they do not depend on the mapping
 * @param tensors in the order of their data, file by file
 */
public record Gguf(Json metadata, Map<String, Tensor> tensors) {
    private static final String NUMBER = "split.no";
    private static final String COUNT = "split.count";
    private static final String ENDING = "-%05d-of-%05d.gguf";

    /** The largest number of files that the format's u16 can say. */
    private static final int MAX_FILES = 65_535;

    /**
     * A tensor, which may be quantised. Rows are whole blocks.
     *
     * @param shape outermost dimension first, {@code [out, in]}: the file has them in the opposite order; each at least 1
     * @param data all its bytes, in the mapped file; read-only, with the alignment of the file
     */
    public record Tensor(String name, BlockType type, List<Long> shape, MemorySegment data) {
        private TensorView view() {
            // Some writers give more dimensions, of 1.
            List<Long> used = shape.stream().dropWhile(size -> size == 1).toList();
            return switch (type) {
                case F32 -> new TensorView(name, DType.F32, used, data);
                case F16 -> new TensorView(name, DType.F16, used, data);
                case BF16 -> new TensorView(name, DType.BF16, used, data);
                default -> TensorView.of(name, type, used, data);
            };
        }
    }

    /**
     * Maps a file, and if it is the first of a split model, {@code NAME-00001-of-00003.gguf}, also the others beside it.
     * The files must not be shortened or changed meanwhile.
     *
     * @param files holds the mappings, and with them the data of every tensor
     * @throws FormatException if a file does not exist or breaks a rule of the format, or this is not the first one
     * @throws IOException if reading fails
     */
    public static Gguf open(Path first, Arena files) throws IOException {
        Gguf model = map(first, files);
        Json metadata = model.metadata;
        int count = metadata.integer(COUNT, 1, 0, MAX_FILES); // a merged file says 0
        if (count < 2) {
            return model;
        }
        metadata.check(NUMBER, metadata.integer(NUMBER, 0, 0, count) == 0, "0: open the first file of the model");
        String name = first.toAbsolutePath().getFileName().toString();
        String end = String.format(ENDING, 1, count);
        if (!name.endsWith(end)) {
            throw new FormatException(first.toString(), "a name ending " + end, quote(name), "rename the files");
        }
        String prefix = name.substring(0, name.length() - end.length());
        Map<String, Tensor> tensors = new LinkedHashMap<>(model.tensors);
        for (int i = 1; i < count; i++) {
            Gguf next = map(first.resolveSibling(prefix + String.format(ENDING, i + 1, count)), files);
            next.metadata.requireInt(NUMBER, i, i);
            next.metadata.requireInt(COUNT, count, count);
            for (Tensor tensor : next.tensors.values()) {
                if (tensors.putIfAbsent(tensor.name, tensor) != null) {
                    String place = next.metadata.subject() + ", tensor " + quote(tensor.name);
                    throw new FormatException(place, "a tensor of one file", "that of another", "download it again");
                }
            }
        }
        metadata.integer("split.tensors.count", tensors.size(), tensors.size(), tensors.size());
        return new Gguf(metadata, Collections.unmodifiableMap(tensors));
    }

    private static Gguf map(Path file, Arena arena) throws IOException {
        return new GgufFile(file.toString(), UntrustedInput.map(file, "a GGUF file", arena)).read();
    }

    /** The names of all tensors. */
    public Set<String> names() {
        return tensors.keySet();
    }

    /** The tensors as a model reads them. */
    public Tensors views() {
        return new Tensors() {
            @Override
            public Set<String> names() {
                return tensors.keySet();
            }

            @Override
            public TensorView tensor(String name) throws FormatException {
                return Gguf.this.tensor(name).view();
            }
        };
    }

    /**
     * The tensor of a name.
     *
     * @throws FormatException if there is none
     */
    public Tensor tensor(String name) throws FormatException {
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            String got = "a file of " + tensors.size() + " tensors without it";
            String remedy = "is this a model of the right architecture?";
            throw new FormatException(metadata.subject(), "a tensor " + quote(name), got, remedy);
        }
        return tensor;
    }
}
