package dev.causal4j.format;

import dev.causal4j.tensor.TensorView;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.CharsetEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import tools.jackson.core.JsonGenerator;
import tools.jackson.databind.json.JsonMapper;

/** How {@link SafeTensors} are written. */
final class SafeTensorsWriting {
    private static final JsonMapper JSON = new JsonMapper();

    private static final int CHUNK = 1 << 20;

    private SafeTensorsWriting() {}

    static void write(Path target, Collection<TensorView> tensors, Map<String, String> metadata) throws IOException {
        List<TensorView> sorted = sorted(tensors);
        byte[] header = header(sorted, metadata);
        WholeFile.write(target, channel -> copy(header, sorted, channel));
    }

    /** Descending size of dtype keeps every tensor aligned; names compare by their bytes in UTF-8. */
    private static List<TensorView> sorted(Collection<TensorView> tensors) {
        List<TensorView> sorted = tensors.stream()
                .sorted(Comparator.comparingInt((TensorView t) -> -t.dtype().bytes())
                        .thenComparing(t -> t.name().getBytes(StandardCharsets.UTF_8), Arrays::compareUnsigned))
                .toList();
        if (sorted.stream().map(TensorView::name).distinct().count() < sorted.size()) {
            throw new IllegalArgumentException("tensors to write: expected different names, got one twice; rename it");
        }
        return sorted;
    }

    private static byte[] header(List<TensorView> tensors, Map<String, String> metadata) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator json = JSON.createGenerator(bytes)) {
            json.writeStartObject();
            if (!metadata.isEmpty()) {
                json.writeObjectPropertyStart(Header.METADATA);
                new TreeMap<>(metadata)
                        .forEach((key, value) -> json.writeStringProperty(encodable(key), encodable(value)));
                json.writeEndObject();
            }
            long begin = 0;
            for (TensorView tensor : tensors) {
                long end = Math.addExact(begin, tensor.data().byteSize());
                if (tensor.name().equals(Header.METADATA)) {
                    throw new IllegalArgumentException(
                            "tensors to write: expected names of tensors, got " + Header.METADATA + "; rename it");
                }
                json.writeObjectPropertyStart(encodable(tensor.name()));
                json.writeStringProperty("dtype", StoredType.of(tensor.dtype()).name());
                json.writeArrayPropertyStart("shape");
                tensor.shape().forEach(json::writeNumber);
                json.writeEndArray();
                json.writeArrayPropertyStart("data_offsets");
                json.writeNumber(begin);
                json.writeNumber(end);
                json.writeEndArray();
                json.writeEndObject();
                begin = end;
            }
            json.writeEndObject();
        }
        while (bytes.size() % 8 != 0) {
            bytes.write(' ');
        }
        if (bytes.size() > SafeTensors.MAX_HEADER) {
            throw new IllegalArgumentException("tensors to write: expected a header of at most "
                    + SafeTensors.MAX_HEADER + " bytes, got " + bytes.size() + "; write several files");
        }
        return bytes.toByteArray();
    }

    /** Through one small buffer off heap: the tensors' memory may be of any kind, also an array of floats. */
    private static void copy(byte[] header, List<TensorView> tensors, FileChannel channel) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect(CHUNK);
        buffer.order(ByteOrder.LITTLE_ENDIAN).putLong(header.length).flip();
        drain(buffer, channel);
        copy(MemorySegment.ofArray(header), buffer, channel);
        for (TensorView tensor : tensors) {
            copy(tensor.data(), buffer, channel);
        }
    }

    private static void copy(MemorySegment data, ByteBuffer buffer, FileChannel channel) throws IOException {
        for (long from = 0; from < data.byteSize(); from += CHUNK) {
            int count = (int) Math.min(CHUNK, data.byteSize() - from);
            buffer.clear().limit(count);
            MemorySegment.copy(data, from, MemorySegment.ofBuffer(buffer), 0, count);
            drain(buffer, channel);
        }
    }

    private static void drain(ByteBuffer buffer, FileChannel channel) throws IOException {
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
    }

    private static String encodable(String text) {
        CharsetEncoder utf8 = StandardCharsets.UTF_8.newEncoder();
        if (!utf8.canEncode(text)) {
            throw new IllegalArgumentException(
                    "strings to write: expected Unicode text, got half of a surrogate pair in "
                            + FormatException.quote(text) + "; correct it");
        }
        return text;
    }
}
