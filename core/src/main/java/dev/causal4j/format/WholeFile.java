package dev.causal4j.format;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/**
 * Writes a file whole or not at all: under another name beside the target, forced to the disk, then renamed. On failure a
 * file of the target's name is as it was. Thread-safe.
 */
public final class WholeFile {
    /** What is written; the channel stands at 0 of an empty file. */
    public interface Content {
        void writeTo(FileChannel channel) throws IOException;
    }

    private WholeFile() {}

    /**
     * Writes a file, or replaces it.
     *
     * @throws IOException if there is no such folder, or writing fails
     */
    public static void write(Path target, Content content) throws IOException {
        Path folder = target.toAbsolutePath().getParent();
        if (folder == null || !Files.isDirectory(folder)) {
            throw new NoSuchFileException(target.toString(), null, "no such folder to write to");
        }
        // Not Files.createTempFile: that one makes files nobody else can read.
        Path temporary = folder.resolve(".causal4j-" + UUID.randomUUID() + ".tmp");
        try {
            try (FileChannel channel =
                    FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                content.writeTo(channel);
                channel.force(true);
            }
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (Throwable failure) {
            try {
                Files.deleteIfExists(temporary);
            } catch (IOException e) {
                failure.addSuppressed(e);
            }
            throw failure;
        }
    }

    /** The same for content that is in memory. */
    public static void write(Path target, byte[] content) throws IOException {
        write(target, channel -> drain(ByteBuffer.wrap(content), channel));
    }

    /** Writes all that remains in a buffer. */
    public static void drain(ByteBuffer buffer, FileChannel channel) throws IOException {
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
    }
}
