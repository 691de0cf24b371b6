package dev.causal4j.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The code that is checked in is what its sources give, where the compiler is the one whose bytes these are. */
class BlobTest {
    @TempDir
    private Path folder;

    private static String output(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(text).isZero();
        return text;
    }

    private void compare(String architecture, String gcc, String version) throws IOException, InterruptedException {
        String compiler;
        try {
            compiler = output(gcc, "--version").lines().findFirst().orElse("");
        } catch (IOException e) {
            compiler = "none";
        }
        assumeTrue(compiler.equals(gcc + " " + version), "the compiler " + gcc + " " + version + ", got " + compiler);
        Path built = folder.resolve("kernels.bin");
        output(Path.of("..", "scripts", "blob.sh").toString(), architecture, built.toString());
        try (InputStream in = MachineKernels.class.getResourceAsStream("kernels-" + architecture + ".bin")) {
            assertThat(Files.readAllBytes(built))
                    .isEqualTo(Objects.requireNonNull(in).readAllBytes());
        }
    }

    @Test
    void theBlobForX86IsThatOfTheSources() throws IOException, InterruptedException {
        compare("x86_64", "gcc", "(Debian 12.4.0-5) 12.4.0");
    }

    @Test
    void theBlobForAArch64IsThatOfTheSources() throws IOException, InterruptedException {
        compare("aarch64", "aarch64-linux-gnu-gcc", "(Debian 14.2.0-19) 14.2.0");
    }
}
