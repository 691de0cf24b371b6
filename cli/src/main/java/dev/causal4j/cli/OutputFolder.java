package dev.causal4j.cli;

import dev.causal4j.format.WholeFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Stream;

/** Where a command will write, checked before its work begins: nothing of somebody's is replaced by accident. */
final class OutputFolder {
    private final Path folder;
    private boolean isNew;
    private boolean isEmpty;

    /**
     * Checks the folder and leaves it as it is.
     *
     * @param overwrite whether it may have any files already
     * @param allowed names of files that it may have in any case
     * @throws IOException if it is no folder, cannot be written, or has files and must not
     */
    OutputFolder(Path folder, boolean overwrite, Set<String> allowed) throws IOException {
        this.folder = folder;
        if (Files.isDirectory(folder)) {
            try (Stream<Path> inside = Files.list(folder)) {
                isEmpty = inside.map(file -> file.getFileName().toString()).allMatch(allowed::contains);
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

    /** Makes the folder, and those around it, if there is none. */
    Path create() throws IOException {
        isNew = !Files.exists(folder);
        return Files.createDirectories(folder);
    }

    /** Deletes what was made in a folder that was new or empty, and the folder if it was new and is empty now. */
    void remove(Set<String> made) throws IOException {
        if (!isNew && !isEmpty) {
            return;
        }
        for (String name : made) {
            WholeFolder.delete(folder.resolve(name));
        }
        if (isNew) {
            try (Stream<Path> inside = Files.list(folder)) {
                isEmpty = inside.findAny().isEmpty();
            }
            if (isEmpty) {
                Files.delete(folder);
            }
        }
    }
}
