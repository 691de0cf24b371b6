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
 * target finds what was there before or all that is new. {@link #append} alone adds to a file, and may leave a part of
 * what it adds. Thread-safe.
 */
public final class WholeFile {
    private WholeFile() {}

    /** Writes what the file is to hold. */
    @FunctionalInterface
    public interface Content {
        void writeTo(FileChannel channel) throws IOException;
    }

    /**
     * Refuses what cannot be written, for a caller that computes long before it writes.
     *
     * @throws FormatException if the target's folder does not exist, or the target does and is no regular file
     */
    public static void check(Path target) throws IOException {
        if (!Files.isDirectory(folder(target))) {
            throw new FormatException(
                    target.toString(),
                    "a file in a folder that exists",
                    "no such folder to write to",
                    "create it first");
        }
        if (Files.exists(target) && !Files.isRegularFile(target)) {
            throw new FormatException(
                    target.toString(), "a file to replace, or none", "something else", "check the path");
        }
    }

    private static Path folder(Path target) {
        Path folder = target.toAbsolutePath().getParent();
        return folder == null ? target : folder; // the root is no file
    }

    /**
     * Writes {@code target}, replacing what it was.
     *
     * @throws IOException as {@link #check}, or if writing fails; the target is then as before
     */
    public static void write(Path target, Content content) throws IOException {
        check(target);
        // Not Files.createTempFile: that one makes files nobody else can read.
        Path temporary = folder(target).resolve(".causal4j-" + UUID.randomUUID() + ".tmp");
        try {
            try (FileChannel channel =
                    FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                content.writeTo(channel);
                force(channel);
            } catch (WriteFailure e) {
                throw e.naming(target);
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
        try {
            while (buffer.hasRemaining()) {
                channel.write(buffer);
            }
        } catch (IOException e) {
            throw WriteFailure.of(e);
        }
    }

    /** Writes all that remains to the end of {@code file}, whose channel it is; a failure names it and may leave a part. */
    public static void append(Path file, ByteBuffer buffer, FileChannel channel) throws IOException {
        try {
            drain(buffer, channel);
        } catch (WriteFailure e) {
            throw e.naming(file);
        }
    }

    private static void force(FileChannel channel) throws IOException {
        try {
            channel.force(true);
        } catch (IOException e) {
            throw WriteFailure.of(e);
        }
    }

    /** What the system says of a full disk and the like, which names no file. */
    private static final class WriteFailure extends IOException {
        private static final long serialVersionUID = 1;

        private WriteFailure(IOException e) {
            super(e.getMessage(), e);
        }

        /** Leaves alone what has a kind of its own, such as the close of a channel by an interrupt. */
        static IOException of(IOException e) {
            return e.getClass() == IOException.class ? new WriteFailure(e) : e;
        }

        /** The same with the file's name and what to do. */
        IOException naming(Path file) {
            return new IOException(
                    file + ": expected to be able to write this file, got " + getMessage()
                            + "; make room, or name another folder",
                    this);
        }
    }
}
