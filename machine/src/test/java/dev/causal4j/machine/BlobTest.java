package dev.causal4j.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The code that is checked in is what its sources give, and computes what plain arithmetic does. {@code .ci/run} installs the
 * compilers whose bytes these are, and an emulator; in {@code ./check} a compiler runs the code of this processor alone, on fewer
 * rows.
 */
class BlobTest {
    private static final String WHOLE = "causal4j.whole";
    private static final boolean HAS_COMPILERS = Boolean.getBoolean(WHOLE);
    private static final Path SOURCES = Path.of("src/main/c");
    private static final Path CHECK = Path.of("src/test/c/check.c");

    @TempDir
    private Path folder;

    /** The compiler of each blob, and the program that runs its code on other processors. */
    enum Blob {
        X86_64("x86_64-linux-gnu-gcc-12", "(Debian 12.4.0-5) 12.4.0", "qemu-x86_64"),
        AARCH64("aarch64-linux-gnu-gcc-14", "(Debian 14.2.0-19) 14.2.0", "qemu-aarch64");

        final String architecture = name().toLowerCase(Locale.ROOT);
        final String gcc;
        final String version;
        final String emulator;

        Blob(String gcc, String version, String emulator) {
            this.gcc = gcc;
            this.version = version;
            this.emulator = emulator;
        }

        String file() {
            return "kernels-" + architecture + ".bin";
        }

        boolean isOfThisProcessor() {
            return architecture.equals(MachineCode.ARCHITECTURE);
        }
    }

    private static String output(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(text).isZero();
        return text;
    }

    /** The first line that a program says of its version, or {@code none} if it is missing. */
    private static String version(String program) throws InterruptedException {
        try {
            return output(program, "--version").lines().findFirst().orElse("");
        } catch (IOException e) {
            return "none";
        }
    }

    private static byte[] checkedIn(Blob blob) throws IOException {
        try (InputStream in = MachineKernels.class.getResourceAsStream(blob.file())) {
            return Objects.requireNonNull(in).readAllBytes();
        }
    }

    @ParameterizedTest
    @EnumSource
    void theClassHasTheDigestOfTheBlob(Blob blob) throws IOException {
        CRC32 digest = new CRC32();
        digest.update(checkedIn(blob));
        assertThat(MachineCode.DIGESTS).containsEntry(blob.architecture, digest.getValue());
    }

    @ParameterizedTest
    @EnumSource
    @EnabledIfSystemProperty(named = WHOLE, matches = "true")
    void theBlobIsThatOfTheSources(Blob blob) throws IOException, InterruptedException {
        assertThat(version(blob.gcc)).isEqualTo(blob.gcc + " " + blob.version);
        Path built = folder.resolve("kernels.bin");
        output(Path.of("..", "scripts", "blob.sh").toString(), blob.architecture, built.toString());
        assertThat(Files.readAllBytes(built)).isEqualTo(checkedIn(blob));
    }

    @ParameterizedTest
    @EnumSource
    void theBlobHasTheBitsOfPlainArithmeticAndStaysInsideItsArrays(Blob blob) throws IOException, InterruptedException {
        boolean isNative = blob.isOfThisProcessor();
        assumeTrue(HAS_COMPILERS || isNative, "this processor, got another");
        assumeTrue(HAS_COMPILERS || !"none".equals(version(blob.gcc)), "a compiler, got none");
        assumeTrue(isNative || !"none".equals(version(blob.emulator)), "a processor or an emulator, got none");
        Path code = folder.resolve(blob.file());
        Files.write(code, checkedIn(blob));
        List<String> run = new ArrayList<>(isNative ? List.of() : List.of(blob.emulator));
        run.add(compiled(blob, "-static", "-DBLOB=\"" + code + "\""));
        run.add(isNative && HAS_COMPILERS ? "50" : "20"); // a tile, and all that it leaves to a loop
        assertThat(output(run.toArray(String[]::new))).startsWith("sets ").endsWith("types 13\nequal bits\n");
    }

    /** Where a processor has no such instructions: AVX-VNNI in the encoding of AVX-512, tiles in plain C. */
    @Test
    @EnabledIfSystemProperty(named = WHOLE, matches = "true")
    void theLoopsOfOtherProcessorsHaveTheBitsOfPlainArithmetic() throws IOException, InterruptedException {
        assumeTrue(Blob.X86_64.isOfThisProcessor(), "x86-64, got another processor");
        String program = compiled(
                Blob.X86_64,
                "-DEMULATED_TILES=\"" + CHECK.resolveSibling("tiles.h").toAbsolutePath() + "\"",
                "-DWITHOUT_AVXVNNI",
                "-Wno-psabi",
                "-ffp-contract=off",
                SOURCES.resolve("kernels.c").toString());
        assertThat(output(program)).endsWith("types 13\nequal bits\n");
    }

    private String compiled(Blob blob, String... more) throws IOException, InterruptedException {
        String program = folder.resolve("check").toString();
        List<String> command = new ArrayList<>(List.of(blob.gcc, "-std=gnu17", "-O2", "-pthread"));
        command.addAll(List.of(CHECK.toString(), "-o", program));
        command.addAll(Arrays.asList(more));
        command.add("-lm");
        output(command.toArray(String[]::new));
        return program;
    }
}
