package dev.causal4j.format;

import dev.causal4j.json.WholeFile;
import dev.causal4j.tensor.Device;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.LongConsumer;

/**
 * Writes a GGUF file of version 3. Not thread-safe; used once.
 *
 * <p>Values of keys are Integer (u32, in lists i32: what llama.cpp asks for), Float, Boolean, String, and lists of one
 * of these.
 */
public final class GgufWriter {
    private static final int VERSION = 3;
    private static final int CHUNK = 1 << 20;

    private final ByteArrayOutputStream header = new ByteArrayOutputStream();

    private GgufWriter() {}

    /**
     * A tensor whose numbers are computed when it is written, so that only one is in memory.
     *
     * @param shape outermost dimension first
     * @param fill fills its {@link #bytes}
     */
    public record Source(String name, BlockType type, List<Long> shape, Consumer<MemorySegment> fill) {
        /** Bytes of all its numbers. */
        public long bytes() {
            return shape.stream().reduce(1L, Math::multiplyExact) / type.elements() * type.bytes();
        }
    }

    /**
     * Writes a file whole or not at all. Equal input gives equal bytes.
     *
     * @param progress receives the bytes of data written so far; an exception from it ends the writing like a failure
     * @throws IOException if writing fails; an existing target is then as before
     */
    public static void write(Path target, Map<String, ?> metadata, List<Source> tensors, LongConsumer progress)
            throws IOException {
        GgufWriter writer = new GgufWriter();
        writer.header(metadata, tensors);
        WholeFile.write(target, channel -> writer.write(target, channel, tensors, progress));
    }

    private void header(Map<String, ?> metadata, List<Source> tensors) {
        number(GgufFile.MAGIC, Integer.BYTES);
        number(VERSION, Integer.BYTES);
        number(tensors.size(), Long.BYTES);
        number(metadata.size(), Long.BYTES);
        metadata.forEach((key, value) -> {
            string(key);
            number(type(value, GgufFile.U32), Integer.BYTES);
            value(value);
        });
        long offset = 0;
        for (Source tensor : tensors) {
            string(tensor.name);
            number(tensor.shape.size(), Integer.BYTES);
            tensor.shape.reversed().forEach(size -> number(size, Long.BYTES));
            number(tensor.type.id(), Integer.BYTES);
            number(offset, Long.BYTES);
            offset += tensor.bytes() + padding(tensor.bytes());
        }
        header.writeBytes(new byte[padding(header.size())]);
    }

    private static int padding(long bytes) {
        return (int) (-bytes & (GgufFile.USUAL_ALIGNMENT - 1));
    }

    private void number(long number, int bytes) {
        for (int i = 0; i < bytes; i++) {
            header.write((int) (number >>> (Byte.SIZE * i)));
        }
    }

    private void string(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        number(utf8.length, Long.BYTES);
        header.writeBytes(utf8);
    }

    private static int type(Object value, int ofInteger) {
        return switch (value) {
            case Integer _ -> ofInteger;
            case Float _ -> GgufFile.F32;
            case Boolean _ -> GgufFile.BOOL;
            case String _ -> GgufFile.STRING;
            case List<?> _ -> GgufFile.ARRAY;
            default -> throw new IllegalArgumentException("no value of a key: " + value);
        };
    }

    private void value(Object value) {
        switch (value) {
            case Integer number -> number(number, Integer.BYTES);
            case Float number -> number(Float.floatToRawIntBits(number), Integer.BYTES);
            case Boolean bool -> number(bool ? 1 : 0, 1);
            case String text -> string(text);
            case List<?> list -> {
                number(type(list.isEmpty() ? "" : list.getFirst(), GgufFile.I32), Integer.BYTES);
                number(list.size(), Long.BYTES);
                list.forEach(this::value);
            }
            default -> throw new AssertionError(value);
        }
    }

    private void write(Path target, FileChannel channel, List<Source> tensors, LongConsumer progress)
            throws IOException {
        WholeFile.append(target, ByteBuffer.wrap(header.toByteArray()), channel);
        long written = 0;
        for (Source tensor : tensors) {
            try (Arena arena = Device.scratch()) {
                MemorySegment data = arena.allocate(tensor.bytes());
                tensor.fill.accept(data);
                for (long from = 0; from < data.byteSize(); from += CHUNK) {
                    long count = Math.min(CHUNK, data.byteSize() - from);
                    WholeFile.append(target, data.asSlice(from, count).asByteBuffer(), channel);
                    written += count;
                    progress.accept(written);
                }
            }
            WholeFile.append(target, ByteBuffer.allocate(padding(tensor.bytes())), channel);
        }
    }
}
