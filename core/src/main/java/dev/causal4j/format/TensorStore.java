package dev.causal4j.format;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.FormatException;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.TensorView;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The tensors of a checkpoint by name, in one file or several. Immutable and thread-safe.
 *
 * @param subject its name in messages
 * @param tensors in the order of the file or the index
 * @param metadata the strings of a single file, in its order; empty for several files
 */
public record TensorStore(String subject, Map<String, Stored> tensors, Map<String, String> metadata)
        implements Tensors {
    /** The file of a checkpoint in one file. */
    public static final String SINGLE = "model.safetensors";

    /** The index of a checkpoint in several files. */
    public static final String INDEX = "model.safetensors.index.json";

    /** A tensor, perhaps of an unsupported dtype: bytes {@code [begin, end)} of a file's data. */
    record Stored(String file, StoredType type, List<Long> shape, MemorySegment data, long begin, long end) {}

    /** The names of all tensors, including those of unsupported dtypes. */
    @Override
    public Set<String> names() {
        return tensors.keySet();
    }

    /**
     * A view of a stored tensor. Nothing is copied; numbers are read from the file on use.
     *
     * @throws FormatException if there is none of this name, or its dtype is not F32, F16, BF16 or I8
     */
    @Override
    public TensorView tensor(String name) throws FormatException {
        Stored stored = tensors.get(name);
        if (stored == null) {
            String some = names().stream().limit(3).map(FormatException::quote).collect(Collectors.joining(", "));
            String others = names().size() + " others (" + some + (names().size() > 3 ? ", ..." : "") + ")";
            String got = names().isEmpty() ? "no tensor at all" : others;
            String remedy = "is this a checkpoint of the right architecture?";
            throw new FormatException(subject, "a tensor " + quote(name), got, remedy);
        }
        String place = stored.file + ", tensor " + quote(name);
        String got = stored.type.name();
        DType dtype = Arrays.stream(DType.values())
                .filter(each -> StoredType.of(each).equals(stored.type))
                .findFirst()
                .orElseThrow(
                        () -> new FormatException(place, "dtype F32, F16, BF16 or I8", got, "convert the checkpoint"));
        MemorySegment numbers = stored.data.asSlice(stored.begin, stored.end - stored.begin);
        return new TensorView(name, dtype, stored.shape, numbers);
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
        String remedy = "name the folder of a checkpoint in safetensors format";
        throw new FormatException(folder.toString(), SINGLE + " or " + INDEX, "a folder with neither", remedy);
    }
}
