package dev.causal4j.format;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.stream.Stream;

/**
 * Writes and deletes folders atomically: whenever the process ends, the folder is complete or absent. {@link
 * #deleteUnfinished} removes temporary remains. Thread-safe.
 */
public final class WholeFolder {
    private WholeFolder() {}

    /** Writes the content. */
    @FunctionalInterface
    public interface Content {
        void writeTo(Path folder) throws IOException;
    }

    /**
     * Writes a folder beside {@code target}, forces it to the disk and renames it. An existing {@code target} is
     * deleted.
     *
     * @throws IOException if writing fails; {@code target} is then as before
     */
    public static void write(Path target, Content content) throws IOException {
        Path whole = WholeFile.beside(target);
        try {
            Files.createDirectory(whole);
            content.writeTo(whole);
            try (Stream<Path> inside = Files.walk(whole)) {
                for (Path folder : inside.filter(Files::isDirectory).toList()) {
                    force(folder);
                }
            }
            replace(target, whole);
            force(WholeFile.folder(target));
        } catch (Throwable failure) {
            delete(whole, failure);
            throw failure;
        }
    }

    /** Deletes the remains of a failure. */
    static void delete(Path unfinished, Throwable failure) {
        try {
            deleteTree(unfinished);
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
    }

    /** A rename replaces no folder with files in it, so the old one is renamed first. */
    private static void replace(Path target, Path whole) throws IOException {
        Path old = WholeFile.beside(target);
        if (Files.exists(target)) {
            rename(target, old);
        }
        try {
            rename(whole, target);
        } catch (Throwable failure) {
            if (Files.exists(old)) {
                rename(old, target);
            }
            throw failure;
        }
        deleteTree(old);
    }

    /** Deletes a file, or a folder with its content, if it exists. */
    public static void delete(Path path) throws IOException {
        if (Files.exists(path)) {
            Path doomed = WholeFile.beside(path);
            rename(path, doomed);
            deleteTree(doomed);
        }
    }

    /** Deletes temporary files and folders that an ended process left in {@code folder}. */
    public static void deleteUnfinished(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(WholeFile::isTemporary).toList()) {
                deleteTree(file);
            }
        }
    }

    private static void rename(Path from, Path to) throws IOException {
        Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
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
    public static void force(Path folder) throws IOException {
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (FileSystemException e) {
            // Windows cannot open folders; there a rename has to do.
        }
    }
}
