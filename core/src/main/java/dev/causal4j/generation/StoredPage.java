package dev.causal4j.generation;

import dev.causal4j.json.Sha256;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.IntBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
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
 */
final class StoredPage {
    private static final long MAGIC = 0x43344A5041474531L;
    private static final int KIND = 8; // where its number lies
    private static final int COUNT = 16; // where the number of tokens lies
    private static final int NAMES = 64;
    private static final int HASH = 32;
    private static final int TOKENS = NAMES + 2 * HASH;
    private static final int CHUNK = 1 << 16; // ext4 takes ten times as long for writes of 7 MB
    private static final int LONGEST = length(PrefixCache.POSITIONS);

    final byte[] model;
    final byte[] name;
    final byte[] before;
    final int index; // pages before it
    final IntBuffer tokens;
    final boolean isState;
    final long bytes; // of its numbers

    private StoredPage(byte[] model, byte[] before, int index, IntBuffer tokens, boolean isState, long bytes) {
        this.model = model;
        this.before = before;
        this.index = index;
        this.tokens = tokens;
        this.isState = isState;
        this.bytes = bytes;
        ByteBuffer ids = ByteBuffer.allocate(4 * tokens.limit());
        ids.asIntBuffer().put(tokens.duplicate());
        this.name = isState ? hash(bytes("state"), before) : hash(before, ids.array());
    }

    /** The first page of a sequence, after the name of its beginning. */
    static StoredPage first(byte[] model, byte[] beginning, IntBuffer tokens, long bytes) {
        return new StoredPage(model, beginning, 0, tokens, false, bytes);
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

    static byte[] hash(byte[]... parts) {
        MessageDigest sha = Sha256.begin();
        for (byte[] part : parts) {
            sha.update(part);
        }
        return sha.digest();
    }

    private static int length(int tokens) {
        return TOKENS + 4 * tokens + 4;
    }

    /** Bytes of its file. */
    long size() {
        return length(tokens.limit()) + bytes;
    }

    Path file(Path folder) {
        String hex = HexFormat.of().formatHex(name);
        return folder.resolve(hex.substring(0, 2), hex + (isState ? ".state" : ".page"));
    }

    private ByteBuffer header(int checksum) {
        ByteBuffer header = ByteBuffer.allocate(length(tokens.limit()));
        header.putLong(MAGIC).putInt(isState ? 1 : 0).putInt(index).putInt(tokens.limit());
        header.putInt(checksum).putLong(bytes).put(model).put(name).put(before);
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
     * Reads the numbers.
     *
     * @return whether they and all else are as they should be; a file that is not is deleted
     * @throws IOException if there is no file, or it cannot be read
     */
    boolean read(Path folder, List<MemorySegment> into) throws IOException {
        Path file = file(folder);
        BasicFileAttributes known = attributes(file);
        boolean isRight = isFolder(parent(file)) && known.isRegularFile() && known.size() == size();
        if (isRight) {
            try (FileChannel channel = open(file)) {
                ByteBuffer header = filled(channel, ByteBuffer.allocate(length(tokens.limit())));
                for (MemorySegment each : into) {
                    filled(channel, each.asByteBuffer());
                }
                isRight = header.equals(header(checksum(into)));
            }
        }
        if (!isRight) {
            delete(file);
        }
        return isRight;
    }

    private static FileChannel open(Path file) throws IOException {
        return FileChannel.open(file, StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS);
    }

    private static ByteBuffer filled(FileChannel channel, ByteBuffer buffer) throws IOException {
        while (buffer.hasRemaining() && channel.read(buffer) >= 0) {}
        return buffer.flip();
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

    /** Writes the file, under another name first, unless there is one. */
    void write(Path folder, List<MemorySegment> numbers) throws IOException {
        Path file = file(folder);
        if (!isFolder(parent(file))) {
            Files.deleteIfExists(parent(file));
            Files.createDirectory(parent(file));
        }
        Path beside = Files.createTempFile(parent(file), ".", ".tmp");
        try {
            try (FileChannel channel = FileChannel.open(beside, StandardOpenOption.WRITE)) {
                write(channel, header(checksum(numbers)));
                for (MemorySegment each : numbers) {
                    write(channel, each.asByteBuffer());
                }
            }
            Files.move(beside, file, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(beside);
        }
    }

    private static void write(FileChannel channel, ByteBuffer bytes) throws IOException {
        for (int end = bytes.limit(); bytes.position() < end; ) {
            channel.write(bytes.limit(Math.min(end, bytes.position() + CHUNK)));
        }
    }

    /** The page or state that a file claims to be; empty if it contradicts itself. Its numbers are not read. */
    static Optional<StoredPage> parse(Path folder, Path file) throws IOException {
        BasicFileAttributes known = attributes(file);
        if (!known.isRegularFile() || known.size() < length(1)) {
            return Optional.empty();
        }
        ByteBuffer read = ByteBuffer.allocate((int) Math.min(LONGEST, known.size()));
        try (FileChannel channel = open(file)) {
            filled(channel, read);
        } catch (NoSuchFileException e) {
            return Optional.empty();
        }
        int count = read.getInt(COUNT);
        if (count < 1 || length(count) > read.limit()) {
            return Optional.empty();
        }
        int[] tokens = new int[count];
        read.position(TOKENS).asIntBuffer().get(tokens);
        byte[] model = new byte[HASH];
        byte[] before = new byte[HASH];
        read.get(NAMES - HASH, model).get(NAMES + HASH, before);
        StoredPage page = new StoredPage(
                model,
                before,
                read.getInt(KIND + 4),
                IntBuffer.wrap(tokens),
                read.getInt(KIND) == 1,
                known.size() - length(count));
        boolean isRight = page.file(folder).equals(file)
                && read.slice(0, length(count)).equals(page.header(read.getInt(COUNT + 4)));
        return isRight ? Optional.of(page) : Optional.empty();
    }
}
