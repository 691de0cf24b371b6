package dev.causal4j.format;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.FormatException;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.TensorView;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongConsumer;
import java.util.stream.Collectors;

/**
 * One safetensors file, checked whole before use. Immutable and thread-safe. The package documentation has the rules.
 */
public final class SafeTensors implements TensorStore {
    /** The limit of the format, in bytes. */
    static final int MAX_HEADER = 100_000_000;

    private static final ValueLayout.OfLong LENGTH = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final String subject;
    private final Header header;
    private final MemorySegment data;

    private SafeTensors(String subject, Header header, MemorySegment data) {
        this.subject = subject;
        this.header = header;
        this.data = data;
    }

    /**
     * Maps a file into memory. Files of more than 2 GB are fine.
     * The file must not be shortened or changed meanwhile; replacing it by renaming, as {@link #write} does, is
     * harmless.
     *
     * @param arena holds the mapping, and with it every tensor
     * @throws FormatException if there is no such file, or it breaks a rule of the format
     * @throws IOException if reading fails
     */
    public static SafeTensors open(Path file, Arena arena) throws IOException {
        UntrustedInput.requireFile(file, "a safetensors file");
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            return of(file.toString(), channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena));
        }
    }

    /**
     * The same from memory, which is not copied and must not change afterwards.
     *
     * @param subject what messages call it
     * @throws FormatException if it breaks a rule of the format
     */
    public static SafeTensors of(String subject, MemorySegment bytes) throws FormatException {
        long size = bytes.byteSize();
        if (size < Long.BYTES) {
            throw damaged(subject, "8 bytes with the length of the header", size + " bytes");
        }
        long length = bytes.get(LENGTH, 0);
        if (length < 0 || length > MAX_HEADER) {
            String got = Long.toUnsignedString(length) + " bytes";
            throw damaged(subject, "a header of at most " + MAX_HEADER + " bytes", got);
        }
        if (Long.BYTES + length > size) {
            throw damaged(subject, "a header of " + length + " bytes", "a whole file of " + size + " bytes");
        }
        byte[] json = bytes.asSlice(Long.BYTES, length).toArray(ValueLayout.JAVA_BYTE);
        if (json.length == 0 || json[0] != '{') {
            String got = json.length == 0 ? "none" : "byte " + (json[0] & 255);
            throw damaged(subject, "a header that starts with {", got);
        }
        Header header = Header.parse(subject, json);
        long expected = Long.BYTES + length + header.dataBytes();
        // A sum that overflows is negative and so differs from any file's size.
        if (expected != size) {
            String got =
                    size + " bytes; it is " + (Long.compareUnsigned(size, expected) < 0 ? "cut short" : "too long");
            throw damaged(subject, Long.toUnsignedString(expected) + " bytes, as its header says", got);
        }
        return new SafeTensors(
                subject, header, bytes.asSlice(Long.BYTES + length).asReadOnly());
    }

    /** {@inheritDoc} In the order of their data. */
    @Override
    public Set<String> names() {
        return header.tensors().keySet();
    }

    @Override
    public TensorView tensor(String name) throws FormatException {
        Header.Entry entry = header.tensors().get(name);
        if (entry == null) {
            throw missing(subject, name, names());
        }
        Optional<DType> dtype = entry.type().dtype();
        if (dtype.isEmpty()) {
            String place = subject + ", tensor " + quote(name);
            String got = entry.type().name();
            throw new FormatException(place, "dtype F32, F16, BF16 or I8", got, "convert the checkpoint");
        }
        return new TensorView(
                name, dtype.get(), entry.shape(), data.asSlice(entry.begin(), entry.end() - entry.begin()));
    }

    /** {@inheritDoc} The strings under {@code __metadata__}, in the order of the file. */
    @Override
    public Map<String, String> metadata() {
        return header.metadata();
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
        writeInTurn(target, sources(tensors), metadata);
    }

    /**
     * The same for tensors that are made one after the other, so that only one is in memory.
     *
     * @throws IllegalArgumentException as {@link #write}, or if numbers are not of the dtype and shape their source
     *     says
     * @throws IOException if writing fails; the target is then as before
     */
    public static void writeInTurn(Path target, Collection<TensorSource> tensors, Map<String, String> metadata)
            throws IOException {
        SafeTensorsWriting.write(target, tensors, metadata, false, _ -> {});
    }

    private static List<TensorSource> sources(Collection<TensorView> tensors) {
        return tensors.stream().map(TensorSource::of).toList();
    }

    /**
     * The same for a file that is used memory-mapped: tensors whose size is a multiple of 64 bytes come first, at
     * multiples of 64 bytes.
     *
     * @param progress receives the bytes of data written so far; an exception from it ends the writing like a failure
     */
    public static void writeAligned(
            Path target, Collection<TensorView> tensors, Map<String, String> metadata, LongConsumer progress)
            throws IOException {
        SafeTensorsWriting.write(target, sources(tensors), metadata, true, progress);
    }

    static FormatException missing(String subject, String name, Set<String> names) {
        String some = names.stream().limit(3).map(FormatException::quote).collect(Collectors.joining(", "));
        String others = names.size() + " others (" + some + (names.size() > 3 ? ", ..." : "") + ")";
        String got = names.isEmpty() ? "no tensor at all" : others;
        String remedy = "is this a checkpoint of the right architecture?";
        return new FormatException(subject, "a tensor " + quote(name), got, remedy);
    }

    private static FormatException damaged(String subject, String expected, String got) {
        return new FormatException(subject, expected, got, "the file is damaged or no safetensors file");
    }
}
