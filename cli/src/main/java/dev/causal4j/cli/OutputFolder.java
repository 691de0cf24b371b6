package dev.causal4j.cli;

import dev.causal4j.json.WholeFile;
import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Stream;

/** Checks a command's output folder before the work begins, so that nothing is replaced by accident. */
final class OutputFolder {
    private final Path folder;
    private boolean isNew;
    private boolean isEmpty;

    /**
     * Checks the folder without changing it. Temporary files of an ended process are no content.
     *
     * @param overwrite whether it may contain files
     * @param allowed names of files that it may contain in any case
     * @throws IOException if it is not a folder, cannot be written, or contains other files
     */
    OutputFolder(Path folder, boolean overwrite, Set<String> allowed) throws IOException {
        this.folder = folder;
        if (Files.isDirectory(folder)) {
            try (Stream<Path> inside = Files.list(folder)) {
                isEmpty = inside.map(file -> file.getFileName().toString())
                        .allMatch(name -> allowed.contains(name) || WholeFile.isUnfinished(name));
                if (!overwrite && !isEmpty) {
                    throw new IOException(folder + ": expected a new or an empty folder, got one with files;"
                            + " name another or pass --overwrite");
                }
            }
        } else if (Files.exists(folder)) {
            throw new IOException(folder + ": expected a folder, got a file; name another");
        }
        Path existing = folder.toAbsolutePath().normalize();
        while (existing != null && !Files.exists(existing)) {
            existing = existing.getParent();
        }
        if (existing == null || !Files.isDirectory(existing) || !Files.isWritable(existing)) {
            throw new IOException(folder + ": expected a folder that can be written, got " + existing
                    + ", which cannot; name another");
        }
    }

    /** Creates the folder and its parents. */
    Path create() throws IOException {
        isNew = !Files.exists(folder);
        return Files.createDirectories(folder);
    }

    /** Deletes the files created in a folder that was new or empty, and a new folder itself once it is empty. */
    void remove(Set<String> made) throws IOException {
        if (!isNew && !isEmpty) {
            return;
        }
        for (String name : made) {
            WholeFile.delete(folder.resolve(name));
        }
        if (isNew) {
            try {
                Files.delete(folder);
            } catch (DirectoryNotEmptyException e) {
                // Somebody else has put a file into it.
            }
        }
    }
}
