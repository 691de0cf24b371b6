package dev.causal4j.docs;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** The class path of these tests, from which a page gets the dependencies that it names, and what those bring. Immutable. */
final class ClassPath {
    /**
     * An entry of the class path.
     *
     * @param version of ours what the poms say
     */
    record Entry(Path path, Path pom, String version) {}

    private final Path root;
    private final Map<String, Entry> entries = new LinkedHashMap<>();

    /** @param root the folder of the repository */
    ClassPath(Path root) throws IOException {
        this.root = root;
        for (String each : System.getProperty("java.class.path").split(File.pathSeparator)) {
            Path path = Path.of(each).toAbsolutePath();
            Path pom = path.startsWith(root)
                    ? root.resolve(root.relativize(path).getName(0)).resolve("pom.xml")
                    : path.resolveSibling(path.getFileName().toString().replaceFirst("\\.jar$", ".pom"));
            if (Files.isRegularFile(pom) && !path.endsWith("test-classes")) {
                Pom read = Pom.read(pom);
                entries.put(read.artifact(), new Entry(path, pom, read.version()));
            }
        }
    }

    /** The entry of an artifact, by its name alone. */
    Optional<Entry> find(String artifact) {
        return Optional.ofNullable(entries.get(artifact));
    }

    /** The class path of a project with these dependencies: they and, from their poms, what they bring. */
    String of(Collection<String> artifacts) throws IOException {
        TreeSet<String> reached = new TreeSet<>();
        Deque<String> left = new ArrayDeque<>(artifacts);
        while (!left.isEmpty()) {
            String artifact = left.removeFirst();
            if (entries.containsKey(artifact) && reached.add(artifact)) {
                left.addAll(Pom.read(entries.get(artifact).pom()).brought());
            }
        }
        return reached.stream().map(each -> entries.get(each).path().toString()).collect(Collectors.joining(File.pathSeparator));
    }

    @Override
    public String toString() {
        return root + ": " + entries.keySet();
    }
}
