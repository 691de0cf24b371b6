package dev.causal4j.format;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.FormatException;
import dev.causal4j.format.TensorStore.Stored;
import dev.causal4j.json.Json;
import dev.causal4j.json.Unicode;
import dev.causal4j.json.UntrustedInput;
import dev.causal4j.json.WholeFile;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.LongConsumer;
import java.util.regex.Pattern;

/**
 * Reads and writes safetensors files. They are checked whole before use. Stateless and thread-safe. The package
 * documentation has the rules.
 */
public final class SafeTensors {
    /** The limit of the format, in bytes. */
    static final int MAX_HEADER = 100_000_000;

    // Real indices have up to 100,000 tensors in 10 MB.
    private static final int MAX_INDEX = 64_000_000;

    // Real checkpoints have up to 200.
    static final int MAX_SHARDS = 10_000;

    // No separator of any system, no drive, no hidden file; ".." is refused separately.
    private static final Pattern FILE_NAME = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._ -]{0,200}\\.safetensors");

    private static final int CHUNK = 1 << 20;

    /** Bytes of a cache line. */
    private static final int LINE = 64;

    private SafeTensors() {}

    /**
     * Maps a file into memory. Files of more than 2 GB are fine.
     * The file must not be shortened or changed meanwhile; replacing it by renaming, as writing does, is
     * harmless.
     *
     * @param arena holds the mapping, and with it every tensor
     * @throws FormatException if there is no such file, or it breaks a rule of the format
     * @throws IOException if reading fails
     */
    public static TensorStore open(Path file, Arena arena) throws IOException {
        return of(file.toString(), TensorStore.map(file, "a safetensors file", arena));
    }

    /**
     * Reads a file from memory, which is not copied and must not change afterwards.
     *
     * @param subject its name in messages
     * @throws FormatException if it breaks a rule of the format
     */
    public static TensorStore of(String subject, MemorySegment bytes) throws FormatException {
        return new Header(subject, bytes).read();
    }

    /**
     * Opens an index, {@code {"weight_map": {tensor: file}}}, and opens each file that it names once. The files must be
     * in the folder of the index. Tensors that it does not name are ignored.
     *
     * @param arena holds the mappings
     * @throws FormatException if the index or a file is missing or not valid, or a tensor is not in its file
     * @throws IOException if reading fails
     */
    static TensorStore openIndex(Path index, Arena arena) throws IOException {
        String subject = index.toString();
        byte[] json = indexBytes(index);
        Map<String, String> fileOf = files(subject, json);
        Map<String, TensorStore> shards = new HashMap<>();
        Map<String, MemorySegment> files = new LinkedHashMap<>();
        files.put(TensorStore.INDEX, MemorySegment.ofArray(json));
        Map<String, Stored> tensors = LinkedHashMap.newLinkedHashMap(fileOf.size());
        for (Map.Entry<String, String> entry : fileOf.entrySet()) {
            String tensor = entry.getKey();
            String file = entry.getValue();
            TensorStore shard = shards.get(file);
            if (shard == null) {
                if (shards.size() == MAX_SHARDS) {
                    throw wrong(subject, "at most " + MAX_SHARDS + " files", "more");
                }
                shard = open(index.resolveSibling(file), arena);
                shards.put(file, shard);
                files.putAll(shard.files());
            }
            Stored stored = shard.tensors().get(tensor);
            if (stored == null) {
                String got = "a file of " + shard.names().size() + " tensors without it";
                throw wrong(subject, "tensor " + quote(tensor) + " in " + quote(file), got);
            }
            tensors.put(tensor, stored);
        }
        return new TensorStore(
                subject, Collections.unmodifiableMap(tensors), Map.of(), Collections.unmodifiableMap(files));
    }

    /**
     * Reads an index: for each tensor the file that has it, a plain name. No file is opened.
     *
     * @throws FormatException if the index is missing or not valid
     * @throws IOException if reading fails
     */
    public static Map<String, String> files(Path index) throws IOException {
        return files(index.toString(), indexBytes(index));
    }

    private static byte[] indexBytes(Path index) throws IOException {
        return UntrustedInput.readFile(index, "an index of safetensors files", MAX_INDEX);
    }

    private static Map<String, String> files(String subject, byte[] json) throws FormatException {
        Object weightMap = Json.tree(subject, json).get("weight_map");
        if (!(weightMap instanceof Map<?, ?> fileOf)) {
            throw wrong(subject, "an object \"weight_map\"", Json.describe(weightMap));
        }
        Map<String, String> files = LinkedHashMap.newLinkedHashMap(fileOf.size());
        for (Map.Entry<?, ?> entry : fileOf.entrySet()) {
            String tensor = (String) entry.getKey();
            if (!(entry.getValue() instanceof String file)
                    || file.contains("..")
                    || !FILE_NAME.matcher(file).matches()) {
                String got = Json.describe(entry.getValue());
                throw wrong(subject + ", tensor " + quote(tensor), "the plain name of a .safetensors file", got);
            }
            files.put(tensor, file);
        }
        return files;
    }

    private static FormatException wrong(String subject, String expected, String got) {
        return new FormatException(subject, expected, got, "download the checkpoint again");
    }

    /**
     * A tensor to write: its entry in the header, and a supplier of its numbers. Immutable, and as thread-safe as
     * {@code numbers}.
     *
     * @param shape the dimensions, outermost first
     * @param numbers supplies them, with this dtype and shape; its result is used until the next tensor is written
     */
    public record Source(String name, DType dtype, List<Long> shape, Function<Arena, TensorView> numbers) {
        /** Copies the shape. */
        public Source {
            shape = List.copyOf(shape);
        }

        /** A source of existing numbers. */
        public static Source of(TensorView tensor) {
            return new Source(tensor.name(), tensor.dtype(), tensor.shape(), _ -> tensor);
        }

        /** Bytes of all its numbers. */
        public long bytes() {
            return Math.multiplyExact(shape.stream().reduce(1L, Math::multiplyExact), (long) dtype.bytes());
        }

        /**
         * The numbers.
         *
         * @throws IllegalArgumentException if they have another dtype or shape
         */
        MemorySegment data(Arena arena) {
            TensorView made = numbers.apply(arena);
            if (made.dtype() != dtype || !made.shape().equals(shape)) {
                throw new IllegalArgumentException(name + ": expected " + dtype.label() + shape + ", got "
                        + made.dtype().label() + made.shape());
            }
            return made.data();
        }
    }

    /**
     * Writes a file whole or not at all: under another name beside the target, forced to the disk, then renamed. On
     * failure an existing target is unchanged. Equal input gives equal bytes, whatever the order of tensors and
     * metadata. The tensors may be views of the file that is replaced.
     *
     * @throws IllegalArgumentException if a name is twice, reserved or not Unicode text, or the header too long
     * @throws IOException if writing fails
     */
    public static void write(Path target, Collection<TensorView> tensors, Map<String, String> metadata)
            throws IOException {
        write(target, tensors.stream().map(Source::of).toList(), metadata, false, _ -> {});
    }

    /**
     * Writes tensors that are computed one after the other, so that only one is in memory. The file is written whole or
     * not at all.
     *
     * @param aligned whether tensors whose size is a multiple of 64 bytes come first, at multiples of 64 bytes: for a
     *     file that is used memory-mapped
     * @param progress receives the bytes of data written so far; an exception from it ends the writing like a failure
     * @throws IllegalArgumentException also if numbers have another dtype or shape than their source
     */
    public static void write(
            Path target,
            Collection<Source> tensors,
            Map<String, String> metadata,
            boolean aligned,
            LongConsumer progress)
            throws IOException {
        List<Source> sorted = sorted(tensors, aligned);
        byte[] header = header(sorted, metadata, aligned);
        WholeFile.write(target, channel -> write(target, channel, header, sorted, progress));
    }

    /**
     * Descending dtype size keeps every tensor aligned; names compare by their UTF-8 bytes. Holes are not allowed, so
     * tensors of a multiple of a line come first.
     */
    private static List<Source> sorted(Collection<Source> tensors, boolean aligned) {
        return tensors.stream()
                .sorted(Comparator.comparing((Source t) -> aligned && t.bytes() % LINE != 0)
                        .thenComparingInt(t -> -t.dtype().bytes())
                        .thenComparing(t -> t.name().getBytes(StandardCharsets.UTF_8), Arrays::compareUnsigned))
                .toList();
    }

    private static byte[] header(List<Source> tensors, Map<String, String> metadata, boolean aligned) {
        Map<String, Object> header = new LinkedHashMap<>();
        if (!metadata.isEmpty()) {
            Map<String, String> sorted = new TreeMap<>();
            metadata.forEach((key, value) -> sorted.put(encodable(key), encodable(value)));
            header.put(Header.METADATA, sorted);
        }
        long begin = 0;
        for (Source tensor : tensors) {
            long end = Math.addExact(begin, tensor.bytes());
            String name = encodable(tensor.name());
            String dtype = tensor.dtype().fileType();
            Object entry = Json.object("dtype", dtype, "shape", tensor.shape(), "data_offsets", List.of(begin, end));
            if (name.equals(Header.METADATA) || header.put(name, entry) != null) {
                throw new IllegalArgumentException("tensors to write: expected different names, none of them "
                        + Header.METADATA + ", got " + FormatException.quote(name) + "; rename it");
            }
            begin = end;
        }
        byte[] json = Json.write(header);
        int line = aligned ? LINE : Long.BYTES;
        int length = Math.ceilDiv(Long.BYTES + json.length, line) * line - Long.BYTES;
        if (length > MAX_HEADER) {
            throw new IllegalArgumentException("tensors to write: expected a header of at most " + MAX_HEADER
                    + " bytes, got " + length + "; write several files");
        }
        byte[] padded = Arrays.copyOf(json, length);
        Arrays.fill(padded, json.length, length, (byte) ' ');
        return padded;
    }

    /** Writes through one small buffer off heap: a tensor's memory may be of any kind, also an array of floats. */
    private static void write(
            Path target, FileChannel channel, byte[] header, List<Source> tensors, LongConsumer progress)
            throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect(CHUNK).order(ByteOrder.LITTLE_ENDIAN);
        WholeFile.append(target, buffer.putLong(header.length).flip(), channel);
        WholeFile.append(target, ByteBuffer.wrap(header), channel);
        long written = 0;
        for (Source tensor : tensors) {
            try (Arena arena = Device.scratch()) {
                MemorySegment data = tensor.data(arena);
                for (long from = 0; from < data.byteSize(); from += CHUNK) {
                    int count = (int) Math.min(CHUNK, data.byteSize() - from);
                    MemorySegment.copy(data, from, MemorySegment.ofBuffer(buffer.clear()), 0, count);
                    WholeFile.append(target, buffer.limit(count), channel);
                    written += count;
                    progress.accept(written);
                }
            }
        }
    }

    private static String encodable(String text) {
        if (!Unicode.isWellFormed(text)) {
            throw new IllegalArgumentException(
                    "strings to write: expected Unicode text, got half of a surrogate pair in "
                            + FormatException.quote(text) + "; correct it");
        }
        return text;
    }
}
