package dev.causal4j.json;

import dev.causal4j.FormatException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.UUID;
import java.util.stream.Stream;

/**
 * Writes files and folders whole or not at all: under a new name beside the target, which then replaces it. Whenever
 * the process ends, a reader finds the old content or all of the new, of a folder by {@link #found}: no system call of Java
 * exchanges two folders, so the old one lies aside for a moment. The next write repairs that; {@link #deleteUnfinished}
 * removes temporary remains. Only {@link #append} adds to a file; a failure may leave a part of what it adds. Thread-safe.
 */
public final class WholeFile {
    private static final String PREFIX = ".causal4j-";
    private static final String SUFFIX = ".tmp";

    private WholeFile() {}

    /**
     * Writes the content.
     *
     * @param <T> a channel for a file, a path for a folder
     */
    @FunctionalInterface
    public interface Content<T> {
        void writeTo(T target) throws IOException;
    }

    /**
     * Refuses a target of {@link #write} whose folder does not exist, or that does and is no regular file.
     *
     * @throws FormatException saying which
     */
    public static void check(Path target) throws IOException {
        if (!Files.isDirectory(folder(target))) {
            String got = "no such folder to write to";
            throw new FormatException(target.toString(), "a file in a folder that exists", got, "create it first");
        }
        if (Files.exists(target) && !Files.isRegularFile(target)) {
            String got = "something else";
            throw new FormatException(target.toString(), "a file to replace, or none", got, "check the path");
        }
    }

    private static Path folder(Path target) {
        return target.toAbsolutePath().resolveSibling("");
    }

    /** A new name in the folder of {@code target}. */
    private static Path beside(Path target) {
        return folder(target).resolve(PREFIX + UUID.randomUUID() + SUFFIX);
    }

    /** The name of an old folder while a new one takes its place: the same for each process. */
    private static Path aside(Path target) {
        return folder(target).resolve(names(target) + ".old");
    }

    private static String names(Path target) {
        byte[] name =
                target.toAbsolutePath().normalize().getFileName().toString().getBytes(StandardCharsets.UTF_8);
        return PREFIX + UUID.nameUUIDFromBytes(name);
    }

    /**
     * A name for a new folder while this process writes it, unlike that of any other: two containers on one disk may have
     * processes of one number. Such folders of ended processes are deleted.
     */
    private static Path ofProcess(Path target) throws IOException {
        String prefix = names(target) + "-";
        long own = ProcessHandle.current().pid();
        try (DirectoryStream<Path> all = Files.newDirectoryStream(folder(target), prefix + "*" + SUFFIX)) {
            for (Path each : all) {
                String pid = each.getFileName().toString().replace(prefix, "").replaceFirst("\\D.*", "");
                boolean other = pid.matches("\\d{1,18}") && Long.parseLong(pid) != own;
                if (!other || ProcessHandle.of(Long.parseLong(pid)).isEmpty()) {
                    deleteTree(each);
                }
            }
        }
        return folder(target).resolve(prefix + own + "-" + UUID.randomUUID() + SUFFIX);
    }

    /** Where to read a folder: where its old content lies if a process ended while it was replacing it. */
    public static Path found(Path target) {
        return Files.exists(target) || !Files.isDirectory(aside(target)) ? target : aside(target);
    }

    /**
     * Writes or replaces a file.
     *
     * @throws FormatException if the target's folder does not exist, or the target does and is no regular file
     * @throws IOException if writing fails; the target is then as before
     */
    public static void write(Path target, Content<FileChannel> content) throws IOException {
        check(target);
        replace(target, beside(target), temporary -> {
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

    /** Writes or replaces a file whose content is in memory. */
    public static void write(Path target, byte[] content) throws IOException {
        write(target, channel -> append(target, ByteBuffer.wrap(content), channel));
    }

    /**
     * Writes or replaces a folder, forced to the disk. One thread of a process at a time writes it.
     *
     * @throws IOException if writing fails; {@code target} is then as before
     */
    public static void writeFolder(Path target, Content<Path> content) throws IOException {
        replace(target, ofProcess(target), temporary -> {
            Files.createDirectory(temporary);
            content.writeTo(temporary);
            try (Stream<Path> inside = Files.walk(temporary)) {
                for (Path folder : inside.filter(Files::isDirectory).toList()) {
                    forceFolder(folder);
                }
            }
        });
        forceFolder(folder(target));
    }

    /**
     * Makes {@code target} a hard link to {@code file} where the file system has them, else a copy. Neither may be
     * written to afterwards, only replaced.
     *
     * @throws IOException if that fails; the target is then as before
     */
    public static void link(Path file, Path target) throws IOException {
        replace(target, beside(target), temporary -> {
            try {
                Files.createLink(temporary, file);
            } catch (UnsupportedOperationException | FileSystemException e) {
                Files.copy(file, temporary);
            }
        });
    }

    private static void replace(Path target, Path temporary, Content<Path> content) throws IOException {
        Path old = aside(target);
        if (!found(target).equals(target)) {
            rename(old, target);
        }
        try {
            content.writeTo(temporary);
            if (Files.isDirectory(target)) {
                deleteTree(old); // of a process that ended before it did
                rename(target, old); // since a rename replaces no folder with files in it
            }
            rename(temporary, target);
        } catch (Throwable failure) {
            try {
                if (!found(target).equals(target)) {
                    rename(old, target);
                }
                deleteTree(temporary);
            } catch (IOException e) {
                failure.addSuppressed(e);
            }
            throw failure;
        }
        deleteTree(temporary); // a rename between two names of one file does nothing
        deleteTree(old);
    }

    private static void rename(Path from, Path to) throws IOException {
        Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /** Deletes a file, or a folder with its content, if it exists. */
    public static void delete(Path path) throws IOException {
        if (Files.exists(path)) {
            Path doomed = beside(path);
            rename(path, doomed);
            deleteTree(doomed);
        }
    }

    /** Whether a file or folder of this name is temporary: what is written, or what an ended process left. */
    public static boolean isUnfinished(String name) {
        return name.startsWith(PREFIX) && name.endsWith(SUFFIX);
    }

    /** Deletes temporary files and folders that an ended process left in {@code folder}. */
    public static void deleteUnfinished(Path folder) throws IOException {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, PREFIX + "*" + SUFFIX)) {
            for (Path file : files) {
                deleteTree(file);
            }
        }
    }

    private static void deleteTree(Path root) throws IOException {
        if (!Files.exists(root)) {
            return;
        }
        try (Stream<Path> tree = Files.walk(root)) {
            for (Path each : tree.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(each);
            }
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    /** Forces a folder's entries to disk. */
    public static void forceFolder(Path folder) throws IOException {
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (FileSystemException e) {
            // Windows cannot open folders; there a rename has to do.
        }
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
        String told = file + ": expected to be able to write this file, got " + e.getMessage()
                + "; make room, or name another folder";
        return e.getClass() != IOException.class ? e : new IOException(told, e);
    }
}
