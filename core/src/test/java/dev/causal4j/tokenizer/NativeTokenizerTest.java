package dev.causal4j.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import java.io.IOException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Processes of their own, because a process loads the library only once. */
class NativeTokenizerTest {
    @TempDir
    Path folder;

    /** What a process of these tests does. */
    static final class Encode {
        private Encode() {}

        public static void main(String[] args) throws IOException {
            try {
                System.out.println(Arrays.toString(Fixtures.austen().encode("Emma was")));
            } catch (java.io.UncheckedIOException e) {
                System.out.println(e.getMessage());
            }
        }
    }

    private Process start(String... options) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-XX:TieredStopAtLevel=1"));
        command.addAll(List.of(options));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Encode.class.getName()));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().keySet().removeAll(List.of("DJL_CACHE_DIR", "ENGINE_CACHE_DIR", "DJL_OFFLINE"));
        return builder.start();
    }

    private static String output(Process process) throws IOException {
        return new String(process.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8).strip();
    }

    private static List<Path> filesUnder(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(Files::isRegularFile).toList();
        }
    }

    @Test
    void processesThatStartTogetherOnAFreshCacheAllWork() throws IOException {
        List<Process> processes = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            processes.add(start("-Duser.home=" + folder));
        }
        for (Process process : processes) {
            assertThat(output(process)).isEqualTo("[1787, 304]");
        }
        assertThat(filesUnder(folder))
                .singleElement()
                .satisfies(file -> assertThat(folder.relativize(file).toString())
                        .matches("\\.djl\\.ai.causal4j.[a-z]+-[a-z0-9_]+.(lib)?tokenizers\\.(so|dylib|dll)"));
    }

    @Test
    void nothingThatCouldUseTheNetworkOrAskForCudaIsLoaded() throws IOException {
        Path classes = folder.resolve("classes.txt");

        assertThat(output(start("-DDJL_CACHE_DIR=" + folder, "-Xlog:class+load:file=" + classes + "::filecount=0")))
                .isEqualTo("[1787, 304]");

        assertThat(Files.readString(classes))
                .contains("ai.djl.huggingface.tokenizers.jni.TokenizersLibrary")
                .doesNotContain("ai.djl.util", "LibUtils", "com.sun.jna", "org.slf4j", "java.net.HttpURLConnection");
    }

    @Test
    void whereTheCacheCannotBeWrittenATemporaryFolderServes() throws IOException {
        Path file = Files.createFile(folder.resolve("file"));
        Path temporary = Files.createDirectory(folder.resolve("tmp"));

        assertThat(output(start("-Duser.home=" + file, "-Djava.io.tmpdir=" + temporary)))
                .isEqualTo("[1787, 304]");
        assertThat(output(start("-DDJL_CACHE_DIR=" + file, "-Djava.io.tmpdir=" + temporary)))
                .isEqualTo("[1787, 304]");
        assertThat(output(start("-Duser.home=?", "-Djava.io.tmpdir=" + temporary)))
                .isEqualTo("[1787, 304]");
        assertThat(filesUnder(folder)).containsExactly(file);
    }

    @Test
    void whereNothingCanBeWrittenOneLineSaysWhatToDo() throws IOException {
        Path file = Files.createFile(folder.resolve("file"));

        String output = output(start("-DDJL_CACHE_DIR=" + file, "-Djava.io.tmpdir=" + folder.resolve("none")));

        // The JVM itself warns of such a temporary folder before.
        assertThat(output.lines().toList().getLast())
                .startsWith("tokenizer library: expected a folder to unpack it in and load it from, got " + file)
                .endsWith("; set DJL_CACHE_DIR to a folder that may be written and hold programs");
        assertThat(output.lines().filter(line -> !line.startsWith("WARNING"))).hasSize(1);
    }

    @Test
    void aDamagedLibraryOfTheSameSizeIsUnpackedAgain() throws IOException {
        URL file = NativeTokenizer.files("win-x86_64").getLast();
        Path library = NativeTokenizer.unpack(file, folder);
        byte[] whole = Files.readAllBytes(library);
        byte[] damaged = whole.clone();
        damaged[1000] ^= 1;
        Files.write(library, damaged);

        assertThat(NativeTokenizer.unpack(file, folder)).isEqualTo(library);

        assertThat(Files.readAllBytes(library)).isEqualTo(whole);
        assertThat(filesUnder(folder)).containsExactly(library);
    }

    @ParameterizedTest
    @CsvSource({
        "Linux, amd64, linux-x86_64",
        "Linux, aarch64, linux-aarch64",
        "Mac OS X, aarch64, osx-aarch64",
        "Windows 11, amd64, win-x86_64"
    })
    void thePlatformsOfTheJarAreFound(String os, String arch, String platform) throws IOException {
        assertThat(NativeTokenizer.platform(os, arch)).isEqualTo(platform);
        assertThat(NativeTokenizer.files(platform).getLast().getPath()).contains("tokenizers.");
    }

    @Test
    void anotherPlatformIsNamed() {
        assertThatIOException()
                .isThrownBy(() -> NativeTokenizer.files(NativeTokenizer.platform("Mac OS X", "x86_64")))
                .withMessage("tokenizer library: expected linux-x86_64, linux-aarch64, osx-aarch64 or win-x86_64, got"
                        + " osx-x86_64; give token ids instead of text");
    }
}
