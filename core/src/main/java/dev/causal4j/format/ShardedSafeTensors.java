package dev.causal4j.format;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.FormatException;
import dev.causal4j.tensor.TensorView;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * A checkpoint in several safetensors files with an index, {@code {"weight_map": {tensor: file}}}. Immutable and
 * thread-safe. Tensors that the index does not name are ignored.
 */
record ShardedSafeTensors(String subject, Map<String, SafeTensors> shardOf) implements TensorStore {
    // Real indices have up to 100,000 tensors in 10 MB.
    private static final int MAX_INDEX = 64_000_000;

    // Real checkpoints have up to 200.
    private static final int MAX_SHARDS = 10_000;

    // No separator of any system, no drive, no hidden file; ".." is refused separately.
    private static final Pattern FILE_NAME = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._ -]{0,200}\\.safetensors");

    /**
     * Opens an index and all shards it names, which must lie beside it, each once.
     *
     * @param arena holds the mappings
     * @throws FormatException if the index or a shard is missing or not valid, or a tensor is not in its shard
     * @throws IOException if reading fails
     */
    static ShardedSafeTensors open(Path index, Arena arena) throws IOException {
        String subject = index.toString();
        byte[] json = UntrustedInput.readFile(index, "an index of safetensors files", MAX_INDEX);
        Object weightMap = JsonTree.parse(subject, json).get("weight_map");
        if (!(weightMap instanceof Map<?, ?> fileOf)) {
            throw wrong(subject, "an object \"weight_map\"", JsonTree.describe(weightMap));
        }
        Map<String, SafeTensors> shards = new HashMap<>();
        Map<String, SafeTensors> shardOf = LinkedHashMap.newLinkedHashMap(fileOf.size());
        for (Map.Entry<?, ?> entry : fileOf.entrySet()) {
            String tensor = (String) entry.getKey();
            if (!(entry.getValue() instanceof String file)
                    || file.contains("..")
                    || !FILE_NAME.matcher(file).matches()) {
                String got = JsonTree.describe(entry.getValue());
                throw wrong(subject + ", tensor " + quote(tensor), "the plain name of a .safetensors file", got);
            }
            SafeTensors shard = shards.get(file);
            if (shard == null) {
                if (shards.size() == MAX_SHARDS) {
                    throw wrong(subject, "at most " + MAX_SHARDS + " files", "more");
                }
                shard = SafeTensors.open(index.resolveSibling(file), arena);
                shards.put(file, shard);
            }
            if (!shard.names().contains(tensor)) {
                String got = "a file of " + shard.names().size() + " tensors without it";
                throw wrong(subject, "tensor " + quote(tensor) + " in " + quote(file), got);
            }
            shardOf.put(tensor, shard);
        }
        return new ShardedSafeTensors(subject, Collections.unmodifiableMap(shardOf));
    }

    /** {@inheritDoc} In the order of the index. */
    @Override
    public Set<String> names() {
        return shardOf.keySet();
    }

    @Override
    public TensorView tensor(String name) throws FormatException {
        SafeTensors shard = shardOf.get(name);
        if (shard == null) {
            throw SafeTensors.missing(subject, name, names());
        }
        return shard.tensor(name);
    }

    private static FormatException wrong(String subject, String expected, String got) {
        return new FormatException(subject, expected, got, "download the checkpoint again");
    }
}
