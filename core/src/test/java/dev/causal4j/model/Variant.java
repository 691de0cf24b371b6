package dev.causal4j.model;

import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorView;
import dev.causal4j.tensor.DType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * A checkpoint like a fixture's, except for the changes of a test.
 *
 * @param tensors by name
 */
record Variant(ObjectNode config, Map<String, TensorView> tensors) {
    static final String EMBEDDING = "wte.weight";
    static final String HEAD = "lm_head.weight";

    static Variant of(String fixture) throws IOException {
        Path folder = Golden.folder(fixture);
        TensorStore file = SafeTensors.open(folder.resolve("model.safetensors"), Arena.ofAuto());
        Map<String, TensorView> tensors = new TreeMap<>();
        for (String name : file.names()) {
            tensors.put(name, file.tensor(name));
        }
        byte[] json = Files.readAllBytes(folder.resolve("config.json"));
        return new Variant((ObjectNode) JsonMapper.shared().readTree(json), tensors);
    }

    TensorView tensor(String name) {
        return Objects.requireNonNull(tensors.get(name), name);
    }

    /** Adds or replaces a tensor. */
    Variant with(String name, DType dtype, List<Long> shape, MemorySegment data) {
        tensors.put(name, new TensorView(name, dtype, shape, data));
        return this;
    }

    /** Adds or replaces an f32 tensor of zeros. */
    Variant withZeros(String name, long... shape) {
        long size = 1;
        List<Long> dimensions = new ArrayList<>();
        for (long dimension : shape) {
            size *= dimension;
            dimensions.add(dimension);
        }
        return with(name, DType.F32, dimensions, MemorySegment.ofArray(new float[Math.toIntExact(size)]));
    }

    /** Adds a copy of a tensor under another name. */
    Variant copy(String from, String to) {
        TensorView tensor = tensor(from);
        return with(to, tensor.dtype(), tensor.shape(), tensor.data());
    }

    Variant without(String name) {
        tensors.remove(name);
        return this;
    }

    Variant renamed(UnaryOperator<String> renaming) {
        List.copyOf(tensors.keySet()).forEach(name -> {
            String renamed = renaming.apply(name);
            if (!renamed.equals(name)) {
                copy(name, renamed).without(name);
            }
        });
        return this;
    }

    /** Puts every tensor under {@code transformer.}, except the head, which has no prefix. */
    Variant prefixed() {
        return renamed(name -> name.equals(HEAD) ? name : "transformer." + name);
    }

    /** Stores the chosen tensors in a dtype, rounding their numbers. */
    Variant stored(DType dtype, Predicate<TensorView> chosen) {
        List.copyOf(tensors.values()).stream().filter(chosen).forEach(tensor -> {
            float[] numbers = tensor.toArray();
            short[] halves = new short[numbers.length];
            for (int i = 0; i < numbers.length; i++) {
                halves[i] = dtype == DType.F16 ? Float.floatToFloat16(numbers[i]) : DType.toBFloat16(numbers[i]);
            }
            with(tensor.name(), dtype, tensor.shape(), MemorySegment.ofArray(halves));
        });
        return this;
    }

    /** Stores all tensors in f32, which holds every number exactly. */
    Variant widened() {
        List.copyOf(tensors.values())
                .forEach(tensor ->
                        with(tensor.name(), DType.F32, tensor.shape(), MemorySegment.ofArray(tensor.toArray())));
        return this;
    }

    /** Writes config.json and model.safetensors, which is not forced to the disk. */
    Path write(Path folder) throws IOException {
        return write(folder, JsonMapper.shared().createObjectNode(), new ByteArrayOutputStream());
    }

    /** Writes two files and their index. */
    Path writeSharded(Path folder) throws IOException {
        List<TensorView> all = List.copyOf(tensors.values());
        ObjectNode index = JsonMapper.shared().createObjectNode();
        ObjectNode fileOf = index.putObject("weight_map");
        for (int shard = 0; shard < 2; shard++) {
            String file = "model-0000" + (shard + 1) + "-of-00002.safetensors";
            Collection<TensorView> part = all.subList(shard * all.size() / 2, (shard + 1) * all.size() / 2);
            SafeTensors.write(folder.resolve(file), part, Map.of());
            part.forEach(tensor -> fileOf.put(tensor.name(), file));
        }
        Files.writeString(folder.resolve("model.safetensors.index.json"), index.toString());
        return writeConfig(folder);
    }

    /** Writes the tensors and, before them, one of bytes whose dtype our own writer does not know. */
    Path writeWithForeign(Path folder, String name, String dtype, String shape, byte[] data) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ObjectNode header = JsonMapper.shared().createObjectNode();
        entry(header, name, dtype, shape, bytes, data);
        return write(folder, header, bytes);
    }

    /** Writes the tensors after others, whose bytes are in {@code bytes}. */
    private Path write(Path folder, ObjectNode header, ByteArrayOutputStream bytes) throws IOException {
        for (TensorView tensor : sorted()) {
            String stored = tensor.dtype().name();
            byte[] numbers = tensor.data().toArray(ValueLayout.JAVA_BYTE);
            entry(header, tensor.name(), stored, tensor.shape().toString(), bytes, numbers);
        }
        String text = header.toString();
        byte[] json = (text + " ".repeat(-text.length() & 7)).getBytes(StandardCharsets.UTF_8);
        ByteBuffer file = ByteBuffer.allocate(Long.BYTES + json.length + bytes.size())
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.length)
                .put(json)
                .put(bytes.toByteArray());
        Files.write(folder.resolve("model.safetensors"), file.array());
        return writeConfig(folder);
    }

    /** The widest dtypes first, as our own writer sorts them: each tensor is aligned. */
    private List<TensorView> sorted() {
        return tensors.values().stream()
                .sorted(Comparator.comparingInt(
                        (TensorView tensor) -> -tensor.dtype().bytes()))
                .toList();
    }

    private static void entry(
            ObjectNode header, String name, String dtype, String shape, ByteArrayOutputStream bytes, byte[] data) {
        ObjectNode entry = header.putObject(name).put("dtype", dtype);
        entry.set("shape", JsonMapper.shared().readTree(shape));
        int begin = bytes.size();
        bytes.writeBytes(data);
        entry.putArray("data_offsets").add(begin).add(bytes.size());
    }

    private Path writeConfig(Path folder) throws IOException {
        Files.writeString(folder.resolve("config.json"), config.toString());
        return folder;
    }
}
