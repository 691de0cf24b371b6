package dev.causal4j.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** README.md and the guides, and their fenced blocks. */
final class Guides {
    private Guides() {}

    /** Their paths in the repository, README.md first. */
    static List<String> all() throws IOException {
        Path root = Repository.root();
        try (Stream<Path> guides = Files.list(root.resolve("docs/guides"))) {
            return Stream.concat(
                            Stream.of("README.md"),
                            guides.map(file -> root.relativize(file).toString()).sorted())
                    .filter(name -> name.endsWith(".md"))
                    .toList();
        }
    }

    static List<String> lines(String document) throws IOException {
        return Files.readAllLines(Repository.root().resolve(document));
    }

    /** The lines of each fenced block of a language. */
    static List<List<String>> blocks(String document, String language) throws IOException {
        List<List<String>> blocks = new ArrayList<>();
        List<String> lines = lines(document);
        for (int i = 0; i < lines.size(); i++) {
            if (lines.get(i).equals("```" + language)) {
                int end = i + 1 + lines.subList(i + 1, lines.size()).indexOf("```");
                blocks.add(lines.subList(i + 1, end));
                i = end;
            }
        }
        return blocks;
    }
}
