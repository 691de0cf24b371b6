package dev.causal4j.format;

import dev.causal4j.FormatException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/**
 * Writes a file whole or not at all: to a new file beside the target, which then replaces it. A reader finds the old
 * content or all of the new. Only {@link #append} adds to a file; a failure may leave a part of what it adds.
 * Thread-safe.
 */
public final class WholeFile {
    private static final String PREFIX = ".causal4j-";
    private static final String SUFFIX = ".tmp";

    private WholeFile() {}

    /** Writes the content. */
    @FunctionalInterface
    public interface Content {
        void writeTo(FileChannel channel) throws IOException;
    }

    /** Refuses a target whose folder does not exist, or that does and is no regular file. */
    private static void check(Path target) throws IOException {
        if (!Files.isDirectory(folder(target))) {
            String got = "no such folder to write to";
            throw new FormatException(target.toString(), "a file in a folder that exists", got, "create it first");
        }
        if (Files.exists(target) && !Files.isRegularFile(target)) {
            String got = "something else";
            throw new FormatException(target.toString(), "a file to replace, or none", got, "check the path");
        }
    }

    static Path folder(Path target) {
        return target.toAbsolutePath().resolveSibling("");
    }

    /** A new name in the folder of {@code target}. */
    static Path beside(Path target) {
        return folder(target).resolve(PREFIX + UUID.randomUUID() + SUFFIX);
    }

    /** Whether {@link #beside} made this file's name. */
    static boolean isTemporary(Path file) {
        String name = file.getFileName().toString();
        return name.startsWith(PREFIX) && name.endsWith(SUFFIX);
    }

    /**
     * Writes or replaces {@code target}.
     *
     * @throws FormatException if the target's folder does not exist, or the target does and is no regular file
     * @throws IOException if writing fails; the target is then as before
     */
    public static void write(Path target, Content content) throws IOException {
        check(target);
        replace(target, temporary -> {
            // Not Files.createTempFile, whose files only the owner can read.
            try (FileChannel channel =
                    FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                content.writeTo(channel);
                try {
                    channel.force(true);
                } catch (IOException e) {
                    throw naming(target, e);
                }
            }
        });
    }

    /**
     * Makes {@code target} a hard link to {@code file} where the file system has them, else a copy. Neither may be
     * written to afterwards, only replaced.
     *
     * @throws IOException if that fails; the target is then as before
     */
    public static void link(Path file, Path target) throws IOException {
        replace(target, temporary -> {
            try {
                Files.createLink(temporary, file);
            } catch (UnsupportedOperationException | FileSystemException e) {
                Files.copy(file, temporary);
            }
        });
    }

    private static void replace(Path target, WholeFolder.Content content) throws IOException {
        Path temporary = beside(target);
        try {
            content.writeTo(temporary);
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (Throwable failure) {
            WholeFolder.delete(temporary, failure);
            throw failure;
        }
        Files.deleteIfExists(temporary); // a rename between two names of one file does nothing
    }

    /** The same for content that is in memory. */
    public static void write(Path target, byte[] content) throws IOException {
        write(target, channel -> append(target, ByteBuffer.wrap(content), channel));
    }

    /**
     * Writes the rest of the buffer to the channel.
     *
     * @param file what a failure names, which may leave a part
     */
    public static void append(Path file, ByteBuffer buffer, FileChannel channel) throws IOException {
        try {
            while (buffer.hasRemaining()) {
                channel.write(buffer);
            }
        } catch (IOException e) {
            throw naming(file, e);
        }
    }

    /** The system's error, for instance of a full disk, names no file; more specific ones are kept. */
    private static IOException naming(Path file, IOException e) {
        return e.getClass() != IOException.class
                ? e
                : new IOException(
                        file + ": expected to be able to write this file, got " + e.getMessage()
                                + "; make room, or name another folder",
                        e);
    }
}
