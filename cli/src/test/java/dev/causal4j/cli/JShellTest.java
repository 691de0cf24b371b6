package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** The library from the JDK's own shell, with the jars that the program has, too. */
class JShellTest {
    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void theExampleWritesAndScores(@TempDir Path folder) throws IOException, InterruptedException {
        Path printed = folder.resolve("printed");
        Path errors = folder.resolve("errors");
        Process shell = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "jshell")
                                .toString(),
                        "-J-XX:TieredStopAtLevel=1",
                        "-R-XX:TieredStopAtLevel=1",
                        "--module-path",
                        Launcher.PLAIN.jars().toString(),
                        "--add-modules",
                        "dev.causal4j.austen,jdk.incubator.vector",
                        Repository.root().resolve("examples/jshell/novel.jsh").toString())
                .redirectOutput(printed.toFile())
                .redirectError(errors.toFile()) // where a first shell of a user says what it made for itself
                .start();
        boolean ended = shell.waitFor(150, TimeUnit.SECONDS);
        shell.destroyForcibly();
        assertThat(ended).isTrue();
        assertThat(Files.readString(printed).lines())
                .as(Files.readString(errors))
                .containsExactly(ReadmeTest.shown().getFirst().output().getFirst(), "16.568407249368207");
    }
}
