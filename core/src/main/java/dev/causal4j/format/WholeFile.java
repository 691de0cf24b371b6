package dev.causal4j.format;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/**
 * Writes a file whole or not at all: to a new file beside the target, which then takes its place. Whoever opens the
 * target finds what was there before or all that is new. Thread-safe.
 */
public final class WholeFile {
    private WholeFile() {}

    /** Writes what the file is to hold. */
    @FunctionalInterface
    public interface Content {
        void writeTo(FileChannel channel) throws IOException;
    }

    /**
     * Writes {@code target}, replacing what it was.
     *
     * @throws FormatException if its folder does not exist
     * @throws IOException if writing fails; the target is then as before
     */
    public static void write(Path target, Content content) throws IOException {
        Path folder = target.toAbsolutePath().getParent();
        if (folder == null || !Files.isDirectory(folder)) {
            throw new FormatException(
                    target.toString(), "a file in a folder that exists", "no such folder", "create it first");
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
