package dev.causal4j.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.Whole;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

class VectorLoopsTest {
    private static final Path LOOPS = Path.of("src/main/java/dev/causal4j/kernel");

    @TempDir
    private Path folder;

    @Test
    @EnabledIfSystemProperty(named = Whole.PROPERTY, matches = "true")
    void theLoopsAreWhatTheTemplateWrites() throws IOException, InterruptedException {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        String classes = System.getProperty("java.class.path");
        Process process = new ProcessBuilder(
                        java, "-cp", classes, "src/loops/VectorLoopsSource.java", folder.toString())
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        for (String file : new String[] {"VectorLoops.java", "VectorTileLoops.java"}) {
            assertThat(LOOPS.resolve(file)).hasSameTextualContentAs(folder.resolve(file));
        }
    }
}
