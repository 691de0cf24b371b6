package dev.causal4j.format;

import dev.causal4j.FormatException;
import dev.causal4j.tensor.TensorView;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;

/** The tensors of a checkpoint by name, in one file or several. Immutable and thread-safe. */
public sealed interface TensorStore permits SafeTensors, ShardedSafeTensors {
    /** The file of a checkpoint in one file. */
    String SINGLE = "model.safetensors";

    /** The index of a checkpoint in several files. */
    String INDEX = "model.safetensors.index.json";

    /** The names of all tensors, including those of unsupported dtypes. */
    Set<String> names();

    /**
     * A view of a stored tensor. Nothing is copied; numbers are read from the file on use.
     *
     * @throws FormatException if there is none of this name, or its dtype is not F32, F16, BF16 or I8
     */
    TensorView tensor(String name) throws FormatException;

    /** The metadata of a single file, see {@link SafeTensors#metadata}; empty for several files. */
    default Map<String, String> metadata() {
        return Map.of();
    }

    /**
     * Opens the checkpoint in a folder: {@link #SINGLE}, or else {@link #INDEX}.
     *
     * @param arena holds the mappings, and with them every tensor
     * @throws FormatException if there is neither, or it is not valid
     * @throws IOException if reading fails
     */
    static TensorStore open(Path folder, Arena arena) throws IOException {
        Path single = folder.resolve(SINGLE);
        if (Files.exists(single)) {
            return SafeTensors.open(single, arena);
        }
        Path index = folder.resolve(INDEX);
        if (Files.exists(index)) {
            return ShardedSafeTensors.open(index, arena);
        }
        String remedy = "name the folder of a checkpoint in safetensors format";
        throw new FormatException(folder.toString(), SINGLE + " or " + INDEX, "a folder with neither", remedy);
    }
}
