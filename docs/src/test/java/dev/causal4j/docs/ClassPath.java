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
    /** An entry, and the pom of its artifact. */
    record Entry(Path path, Pom pom) {}

    private final Map<String, Entry> entries = new LinkedHashMap<>();

    /** @param root the folder of the repository */
    ClassPath(Path root) throws IOException {
        for (String each : System.getProperty("java.class.path").split(File.pathSeparator, -1)) {
            Path path = Path.of(each).toAbsolutePath();
            Path pom = path.startsWith(root)
                    ? root.resolve(root.relativize(path).getName(0)).resolve("pom.xml")
                    : path.resolveSibling(path.getFileName().toString().replaceFirst("\\.jar$", ".pom"));
            if (Files.isRegularFile(pom) && !path.endsWith("test-classes")) {
                Pom read = Pom.read(pom);
                entries.put(read.artifact(), new Entry(path, read));
            }
        }
    }

    /** The pom of an artifact, which is found by its name alone. */
    Optional<Pom> find(String artifact) {
        return Optional.ofNullable(entries.get(artifact)).map(Entry::pom);
    }

    /** The class path of a project with these dependencies: they and, by their poms, what they bring. */
    String of(Collection<String> artifacts) {
        TreeSet<String> reached = new TreeSet<>();
        Deque<String> left = new ArrayDeque<>(artifacts);
        while (!left.isEmpty()) {
            String artifact = left.removeFirst();
            if (entries.containsKey(artifact) && reached.add(artifact)) {
                left.addAll(entries.get(artifact).pom().brought());
            }
        }
        return reached.stream()
                .map(each -> entries.get(each).path().toString())
                .collect(Collectors.joining(File.pathSeparator));
    }
}
