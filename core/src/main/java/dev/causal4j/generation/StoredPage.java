package dev.causal4j.generation;

import dev.causal4j.json.Sha256;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.IntBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;
import java.util.zip.CRC32C;

/**
 * A page of keys and values, or the state of recurrent layers after one, as a file that is named by its content.
 *
 * <pre>
 *   8 bytes    "C4JPAGE1"; the last is the version
 *   i32        0 for a page, 1 for a state
 *   i32        pages before it
 *   i32        tokens of the page, 1 to 64
 *   i32        CRC32C of the numbers
 *   i64        their bytes
 *   32 bytes   digest of the model and its rotary positions
 *   32 bytes   name: SHA-256 of the name before and the tokens; of a state, of "state" and its page's name
 *   32 bytes   name of the page before, or of the beginning; of a state, of its page
 *   the tokens, i32
 *   i32        CRC32C of all before
 *   the rest   the numbers as they lie in memory
 * </pre>
 *
 * <p>A reader knows all of it but the checksums, so it compares whole headers and trusts no number of a file. Immutable
 * and thread-safe.
 *
 * @param name its own, like the others 64 digits
 * @param model digest of the model and its rotary positions
 * @param before name of the page before, or of the beginning; of a state, of its page
 * @param index pages before it
 * @param bytes of its numbers
 */
record StoredPage(String name, String model, String before, int index, IntBuffer tokens, boolean isState, long bytes) {
    private static final long MAGIC = 0x43344A5041474531L;
    private static final int KIND = 8; // where its number lies
    private static final int COUNT = 16; // where the number of tokens lies
    private static final int NAMES = 64;
    private static final int HASH = 32;
    private static final int TOKENS = NAMES + 2 * HASH;
    private static final int CHUNK = 1 << 16; // ext4 takes ten times as long for writes of 7 MB
    private static final HexFormat HEX = HexFormat.of();

    StoredPage(String model, String before, int index, IntBuffer tokens, boolean isState, long bytes) {
        this(name(before, tokens, isState), model, before, index, tokens, isState, bytes);
    }

    private static String name(String before, IntBuffer tokens, boolean isState) {
        ByteBuffer ids = ByteBuffer.allocate(4 * tokens.limit());
        ids.asIntBuffer().put(tokens.duplicate());
        byte[] last = HEX.parseHex(before);
        return isState ? hash(bytes("state"), last) : hash(last, ids.array());
    }

    /** The page after this one. */
    StoredPage next(IntBuffer following) {
        return new StoredPage(model, name, index + 1, following, false, bytes);
    }

    /** The state after this page. */
    StoredPage state(long stateBytes) {
        return new StoredPage(model, name, index, tokens, true, stateBytes);
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String hash(byte[]... parts) {
        MessageDigest sha = Sha256.begin();
        List.of(parts).forEach(sha::update);
        return HEX.formatHex(sha.digest());
    }

    private static int length(int tokens) {
        return TOKENS + 4 * tokens + 4;
    }

    /** Bytes of its file. */
    long size() {
        return length(tokens.limit()) + bytes;
    }

    Path file(Path folder) {
        return folder.resolve(name.substring(0, 2), name + (isState ? ".state" : ".page"));
    }

    private ByteBuffer header(int checksum) {
        ByteBuffer header = ByteBuffer.allocate(length(tokens.limit()));
        header.putLong(MAGIC).putInt(isState ? 1 : 0).putInt(index).putInt(tokens.limit());
        header.putInt(checksum).putLong(bytes);
        List.of(model, name, before).forEach(each -> header.put(HEX.parseHex(each)));
        header.asIntBuffer().put(tokens.duplicate());
        CRC32C crc = new CRC32C();
        crc.update(header.array(), 0, header.limit() - 4);
        return header.putInt(header.limit() - 4, (int) crc.getValue()).rewind();
    }

    private static Path parent(Path file) {
        return file.resolveSibling("");
    }

    private static boolean isFolder(Path path) {
        return Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS);
    }

    static BasicFileAttributes attributes(Path file) throws IOException {
        return Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    }

    /** Whether there is something of its name. */
    boolean isThere(Path folder) {
        return Files.exists(file(folder), LinkOption.NOFOLLOW_LINKS);
    }

    /**
     * Reads the numbers, through a buffer: the memory of a read that does not return can be closed.
     *
     * @return whether they and all else are as they should be; a file that is not is deleted
     * @throws IOException if there is no file, or it cannot be read
     */
    boolean read(Path folder, List<MemorySegment> into) throws IOException {
        Path file = file(folder);
        BasicFileAttributes known = attributes(file);
        boolean isRight = isFolder(parent(file)) && known.isRegularFile() && known.size() == size();
        if (isRight) {
            try (InputStream in = open(file)) {
                byte[] header = in.readNBytes(length(tokens.limit()));
                byte[] chunk = new byte[CHUNK];
                for (MemorySegment each : chunks(into)) {
                    int count = in.readNBytes(chunk, 0, (int) each.byteSize());
                    each.copyFrom(MemorySegment.ofArray(chunk).asSlice(0, count));
                }
                isRight = ByteBuffer.wrap(header).equals(header(checksum(into)));
            }
        }
        if (!isRight) {
            delete(file);
        }
        return isRight;
    }

    private static InputStream open(Path file) throws IOException {
        return Files.newInputStream(file, LinkOption.NOFOLLOW_LINKS);
    }

    private static List<MemorySegment> chunks(List<MemorySegment> numbers) {
        return numbers.stream()
                .flatMap(all -> LongStream.iterate(0, at -> at < all.byteSize(), at -> at + CHUNK)
                        .mapToObj(at -> all.asSlice(at, Math.min(CHUNK, all.byteSize() - at))))
                .toList();
    }

    private static int checksum(List<MemorySegment> numbers) {
        CRC32C crc = new CRC32C();
        numbers.forEach(each -> crc.update(each.asByteBuffer()));
        return (int) crc.getValue();
    }

    /** Deletes a file, or what lies where its folder should be; what cannot be deleted stays a miss. */
    static void delete(Path file) {
        try {
            Files.deleteIfExists(isFolder(parent(file)) ? file : parent(file));
        } catch (IOException e) {
            // a folder with something in it, or one that cannot be written to
        }
    }

    /** Writes the file, under another name first. */
    void write(Path folder, List<MemorySegment> numbers) throws IOException {
        Path file = file(folder);
        if (!isFolder(parent(file))) {
            Files.deleteIfExists(parent(file));
            Files.createDirectory(parent(file));
        }
        Path beside = Files.createTempFile(parent(file), ".", ".tmp");
        try {
            try (OutputStream out = Files.newOutputStream(beside, StandardOpenOption.WRITE)) {
                out.write(header(checksum(numbers)).array());
                for (MemorySegment each : chunks(numbers)) {
                    out.write(each.toArray(ValueLayout.JAVA_BYTE));
                }
            }
            Files.move(beside, file, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(beside);
        }
    }

    /** The page or state that a file claims to be; empty if it contradicts itself. Its numbers are not read. */
    static Optional<StoredPage> parse(Path folder, Path file) throws IOException {
        BasicFileAttributes known = attributes(file);
        byte[] read = {};
        if (known.isRegularFile()) {
            try (InputStream in = open(file)) {
                read = in.readNBytes(length(PrefixCache.POSITIONS));
            }
        }
        ByteBuffer header = ByteBuffer.wrap(read);
        int count = read.length < length(1) ? 0 : header.getInt(COUNT);
        if (count < 1 || count > PrefixCache.POSITIONS || length(count) > read.length) {
            return Optional.empty();
        }
        int[] ids = new int[count];
        header.position(TOKENS).asIntBuffer().get(ids);
        StoredPage page = new StoredPage(
                HEX.formatHex(read, NAMES - HASH, NAMES),
                HEX.formatHex(read, NAMES + HASH, TOKENS),
                header.getInt(KIND + 4),
                IntBuffer.wrap(ids),
                header.getInt(KIND) == 1,
                known.size() - length(count));
        boolean isRight = page.file(folder).equals(file)
                && header.slice(0, length(count)).equals(page.header(header.getInt(COUNT + 4)));
        return isRight ? Optional.of(page) : Optional.empty();
    }
}
