package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Completion and man pages in the zip. {@code -Dshare.write=true} writes them again. */
class ShareTest {
    private static final Path FOLDER = Repository.root().resolve("cli/src/assembly/share");

    @Test
    void theFilesAreThoseOfTheCommands() throws IOException {
        Map<Path, String> files = ShareSource.files();
        if (Boolean.getBoolean("share.write")) {
            for (Map.Entry<Path, String> each : files.entrySet()) {
                Path file = FOLDER.resolve(each.getKey());
                Files.createDirectories(file.resolveSibling(""));
                Files.writeString(file, each.getValue());
            }
        }
        String remedy = "run this test with -Dshare.write=true";
        try (Stream<Path> all = Files.walk(FOLDER)) {
            assertThat(all.filter(Files::isRegularFile).map(FOLDER::relativize))
                    .as(remedy)
                    .containsExactlyInAnyOrderElementsOf(files.keySet());
        }
        files.forEach((path, text) -> assertThat(FOLDER.resolve(path))
                .as(remedy)
                .content(StandardCharsets.UTF_8)
                .isEqualTo(text));
    }

    @ParameterizedTest
    @CsvSource({
        "1, gen, generate",
        "1, p, pull",
        "2, generate --top-, --top-k --top-p",
        "2, tokenizer en, encode",
        "3, tokenizer encode --spec, --special",
        "2, train --warm, --warmup-steps",
        "2, tokenizer --d, --debug"
    })
    void bashCompletesCommandsAndTheirOptions(int at, String typed, String expected) throws Exception {
        String script = ". \"$1\"; COMP_WORDS=(causal4j $2); COMP_CWORD=$3; _causal4j; echo \"${COMPREPLY[*]}\"";
        Path file = FOLDER.resolve("bash-completion/completions/causal4j");
        assertThat(run("bash", "-uc", script, "bash", file.toString(), typed, Integer.toString(at)))
                .isEqualTo(expected + "\n");
    }

    @Test
    void manRendersAPageWithoutAWarning() throws Exception {
        assumeTrue(Files.exists(Path.of("/usr/bin/groff")), "no groff");
        String page = FOLDER.resolve("man/man1/causal4j-train.1").toString();
        assertThat(run("groff", "-man", "-ww", "-Tascii", page)).contains("NAME", "--learning-rate=R");
    }

    private static String run(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(out).isZero();
        return out;
    }
}
