package dev.causal4j.docs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** A document with blocks in Markdown, and the dependencies that it names. */
record Page(String name, String text) {
    /** Group, artifact and version. */
    record Dependency(String group, String artifact, String version) {}

    private static final Pattern ELEMENT = Pattern.compile(
            "<groupId>([^<]*)</groupId>\\s*<artifactId>([^<]*)</artifactId>(?:\\s*<version>([^<]*)</version>)?");
    private static final Pattern COORDINATES = Pattern.compile("[`\"]([\\w.]+):([\\w.-]+):(\\d[\\w.-]*)[`\"]");

    /** README.md and the guides. */
    static List<Page> all(Path root) throws IOException {
        try (Stream<Path> guides = Files.list(root.resolve("docs/guides"))) {
            List<Path> files = Stream.concat(Stream.of(root.resolve("README.md")), guides.sorted())
                    .filter(file -> file.toString().endsWith(".md"))
                    .toList();
            Stream.Builder<Page> pages = Stream.builder();
            for (Path file : files) {
                pages.add(new Page(file.getFileName().toString(), Files.readString(file)));
            }
            return pages.build().toList();
        }
    }

    /** The fenced blocks of a language. */
    List<String> blocks(String language) {
        return Pattern.compile("(?ms)^```" + language + "\n(.*?)^```$")
                .matcher(text)
                .results()
                .map(block -> block.group(1))
                .toList();
    }

    /** Dependencies in XML and as group:artifact:version, in Gradle's lines too. */
    List<Dependency> dependencies() {
        return Stream.of(ELEMENT, COORDINATES)
                .flatMap(pattern -> pattern.matcher(text).results())
                .map(named -> new Dependency(named.group(1), named.group(2), String.valueOf(named.group(3))))
                .distinct()
                .toList();
    }

    @Override
    public String toString() {
        return name;
    }
}
