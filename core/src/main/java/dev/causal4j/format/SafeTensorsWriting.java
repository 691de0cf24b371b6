package dev.causal4j.format;

import dev.causal4j.FormatException;
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
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.LongConsumer;

/** Writes {@link SafeTensors}. */
final class SafeTensorsWriting {
    private static final int CHUNK = 1 << 20;

    /** Bytes of a cache line. */
    private static final int LINE = 64;

    private SafeTensorsWriting() {}

    static void write(
            Path target,
            Collection<TensorSource> tensors,
            Map<String, String> metadata,
            boolean aligned,
            LongConsumer progress)
            throws IOException {
        List<TensorSource> sorted = sorted(tensors, aligned);
        byte[] header = header(sorted, metadata, aligned);
        WholeFile.write(target, channel -> write(target, channel, header, sorted, progress));
    }

    /**
     * Descending dtype size keeps every tensor aligned; names compare by their UTF-8 bytes. Holes are not allowed, so
     * tensors of a multiple of a line come first.
     */
    private static List<TensorSource> sorted(Collection<TensorSource> tensors, boolean aligned) {
        return tensors.stream()
                .sorted(Comparator.comparing((TensorSource t) -> aligned && t.bytes() % LINE != 0)
                        .thenComparingInt(t -> -t.dtype().bytes())
                        .thenComparing(t -> t.name().getBytes(StandardCharsets.UTF_8), Arrays::compareUnsigned))
                .toList();
    }

    private static byte[] header(List<TensorSource> tensors, Map<String, String> metadata, boolean aligned) {
        Map<String, Object> header = new LinkedHashMap<>();
        if (!metadata.isEmpty()) {
            Map<String, String> sorted = new TreeMap<>();
            metadata.forEach((key, value) -> sorted.put(encodable(key), encodable(value)));
            header.put(Header.METADATA, sorted);
        }
        long begin = 0;
        for (TensorSource tensor : tensors) {
            long end = Math.addExact(begin, tensor.bytes());
            String name = encodable(tensor.name());
            String dtype = StoredType.of(tensor.dtype()).name();
            Object entry =
                    JsonTree.object("dtype", dtype, "shape", tensor.shape(), "data_offsets", List.of(begin, end));
            if (name.equals(Header.METADATA) || header.put(name, entry) != null) {
                throw new IllegalArgumentException("tensors to write: expected different names, none of them "
                        + Header.METADATA + ", got " + FormatException.quote(name) + "; rename it");
            }
            begin = end;
        }
        byte[] json = JsonTree.write(header);
        int line = aligned ? LINE : Long.BYTES;
        int length = Math.ceilDiv(Long.BYTES + json.length, line) * line - Long.BYTES;
        if (length > SafeTensors.MAX_HEADER) {
            throw new IllegalArgumentException("tensors to write: expected a header of at most "
                    + SafeTensors.MAX_HEADER + " bytes, got " + length + "; write several files");
        }
        byte[] padded = Arrays.copyOf(json, length);
        Arrays.fill(padded, json.length, length, (byte) ' ');
        return padded;
    }

    /** Writes through one small buffer off heap: a tensor's memory may be of any kind, also an array of floats. */
    private static void write(
            Path target, FileChannel channel, byte[] header, List<TensorSource> tensors, LongConsumer progress)
            throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect(CHUNK).order(ByteOrder.LITTLE_ENDIAN);
        WholeFile.append(target, buffer.putLong(header.length).flip(), channel);
        WholeFile.append(target, ByteBuffer.wrap(header), channel);
        long written = 0;
        for (TensorSource tensor : tensors) {
            try (Arena arena = Arena.ofShared()) {
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
        if (!UntrustedInput.isUnicode(text)) {
            throw new IllegalArgumentException(
                    "strings to write: expected Unicode text, got half of a surrogate pair in "
                            + FormatException.quote(text) + "; correct it");
        }
        return text;
    }
}
