package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** Checks what the poms publish; scripts/release-check.sh checks the artifacts themselves. */
class PublishedTest {
    private static final Path ROOT = Repository.root();

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The first group of each match in a file. */
    private static List<String> all(String pattern, Path file) {
        return Pattern.compile(pattern, Pattern.DOTALL)
                .matcher(read(file))
                .results()
                .map(each -> each.group(1))
                .toList();
    }

    private static String one(String pattern, Path file) {
        List<String> found = all(pattern, file);
        assertThat(found).as(file.toString()).isNotEmpty();
        return found.getFirst();
    }

    private static String version() {
        return one("<artifactId>causal4j-bom</artifactId>\\s*<version>(.*?)</version>", ROOT.resolve("bom/pom.xml"));
    }

    /** The folders of all modules with a jar that is published. */
    private static List<Path> modules() {
        String pom = read(ROOT.resolve("pom.xml"));
        String modules = pom.substring(pom.indexOf("<modules>"), pom.indexOf("</modules>"));
        List<Path> folders = Pattern.compile("<module>(.*?)</module>")
                .matcher(modules)
                .results()
                .map(each -> ROOT.resolve(each.group(1)))
                .filter(folder -> all("<(packaging>pom|maven.deploy.skip>true)<", folder.resolve("pom.xml"))
                        .isEmpty())
                .toList();
        assertThat(folders).hasSizeGreaterThan(4);
        return folders;
    }

    @Test
    void eachArtifactHasAModuleNameThatNoFileNameGives() {
        for (Path module : modules()) {
            Path declared = module.resolve("src/main/java/module-info.java");
            String name = Files.exists(declared)
                    ? one("\nmodule (\\S+) \\{", declared)
                    : one("<Automatic-Module-Name>(.*?)<", module.resolve("pom.xml"));
            assertThat(name).as(module.toString()).matches("dev\\.causal4j(\\.[a-z0-9]+)?");
        }
    }

    @Test
    void theBomNamesEachArtifact() {
        Path bom = ROOT.resolve("bom/pom.xml");
        assertThat(all("<dependency>.*?<artifactId>(.*?)</artifactId>", bom))
                .containsExactlyInAnyOrderElementsOf(modules().stream()
                        .map(module -> one("</parent>.*?<artifactId>(.*?)</artifactId>", module.resolve("pom.xml")))
                        .toList());
    }

    @Test
    void examplesShowTheVersionOfThePoms() {
        String version = version();
        for (String example : all("<module>(examples/.*?)</module>", ROOT.resolve("pom.xml"))) {
            Path pom = ROOT.resolve(example).resolve("pom.xml");
            assertThat(one("<causal4j.version>(.*?)<", pom)).as(example).isEqualTo(version);
        }
    }
}
