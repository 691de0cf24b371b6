package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The launcher as users start it, its build in a repository of a few bytes, and its search for a JDK on folders that only look like one. */
class LauncherTest {
    private static final String INCUBATOR = "WARNING: Using incubator modules: jdk.incubator.vector\n";

    @TempDir
    Path folder;

    private record Result(int status, String out) {}

    /** Runs a script after sourcing the launcher's; both of its outputs together are what it wrote. */
    private static Result bash(Map<String, String> environment, String script, Object... arguments)
            throws IOException, InterruptedException {
        String start = "set -euo pipefail; root=.; for each in jdk build memory; do . scripts/$each.sh; done; ";
        List<String> command = Launcher.shell(
                start + script, Stream.of(arguments).map(Object::toString).toArray(String[]::new));
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(Repository.root().toFile())
                .redirectErrorStream(true);
        builder.environment().putAll(environment);
        Process process = builder.start();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Result(process.waitFor(), out);
    }

    @Test
    void messagesNameTheProgramAsItWasCalled() throws Exception {
        Launcher.BRIEF.runInShell("./causal4j translate").refused(2, "; see ./causal4j --help");
        Launcher.BRIEF.run("generate", "--quiet").refused(2, "; see causal4j generate --help");
    }

    @Test
    void onWindowsTheSameCommandsLoadTheVectorModule() throws Exception {
        Path root = Repository.root();
        List<String> commands = Pattern.compile("\n *(generate .*)\\)\n")
                .matcher(Files.readString(root.resolve("scripts/start.sh")))
                .results()
                .flatMap(each -> Stream.of(each.group(1).split(" \\| ")))
                .toList();
        assertThat(commands).hasSize(14);
        assertThat(Files.readString(root.resolve("cli/src/assembly/bin/causal4j.bat")))
                .contains(" in (" + String.join(" ", commands) + ") do ");
    }

    @Test
    void itRunsEachKindOfCommand() throws Exception {
        Launcher launcher = Launcher.PLAIN;
        String[] generate = {"generate", "Emma was", "--temperature", "0", "--max-new-tokens", "5"};
        assertThat(launcher.runInShell("\"$@\" 2>&1", generate).out()).isEqualTo(INCUBATOR + " not to be a very\n");
        assertThat(launcher.run("score", "Emma was", "--json").json())
                .isEqualTo(Program.run("score", "Emma was", "--json").json());
        assertThat(launcher.run("--version").done().out())
                .matches("(?s).*\nkernels (machine-[a-z0-9]+\\+)?vector\\d+, \\d+ threads\n");
        assertThat(launcher.run("--help").done().out()).startsWith("Usage: causal4j ");
        launcher.run().refused(2, "command: expected generate, ");
        launcher.run("score", "Emma was", "--model", "nowhere").refused(1, "nowhere: expected ");
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void itTrains() throws Exception {
        Launcher launcher = Launcher.PLAIN;
        Path data = Files.writeString(folder.resolve("text"), "It is a truth universally acknowledged. ".repeat(5));
        String tokenizer = folder.resolve("tokenizer").toString();
        launcher.run("tokenizer", "train", "--data", data.toString(), "--vocabulary-size", "260", "--out", tokenizer)
                .done();
        String config = "{\"model_type\": \"gpt2\", \"vocab_size\": 260, \"n_positions\": 32, \"n_embd\": 16,"
                + " \"n_layer\": 1, \"n_head\": 2}";
        String file = Files.writeString(folder.resolve("config.json"), config).toString();
        String out = folder.resolve("model").toString();
        String train = "train --steps 1 --context-length 4 --batch-size 1 --data";
        String[] paths = {data.toString(), "--config", file, "--tokenizer", tokenizer, "--out", out};
        String[] all =
                Stream.of(train.split(" ", -1), paths).flatMap(Stream::of).toArray(String[]::new);
        assertThat(launcher.run(all).done().out()).contains("done after step 1");
    }

    @ParameterizedTest
    @CsvSource({
        "generate|Emma|--max-new-tokens|1, true",
        "generate|Emma asks for --help or -h here|--max-new-tokens|1, true",
        "--debug|generate|Emma|--max-new-tokens|1, true",
        "--debug|inspect, false",
        "generate|--help, false",
        "inspect|train, false",
        "pull|org/name|--convert, true",
        "pull|org/name, false",
        "tokenizer|train, false"
    })
    void onlyCommandsThatComputeLoadTheVectorModule(String command, boolean computes) throws Exception {
        Path java = jdk("jdk", "25.0.3").resolve("bin/java");
        Files.writeString(java, "#!/bin/sh\necho \"$@\"\n");
        Map<String, String> environment =
                Map.of("JAVA_HOME", folder.resolve("jdk").toString());
        String flags = bash(environment, ". scripts/start.sh; start app \"$@\"", (Object[]) command.split("\\|"))
                .out();
        assertThat(flags).endsWith("-jar app/causal4j-cli.jar " + command.replace('|', ' ') + "\n");
        assertThat(flags.contains(" --add-modules=jdk.incubator.vector ")).isEqualTo(computes);
    }

    @Test
    void memoryIsThatOfTheMachineOrOfTheContainer() throws Exception {
        assertThat(bash(Map.of(), "memory \"$1\"", folder))
                .as("unknown")
                .isEqualTo(new Result(0, (1L << 40) / 8 * 7 + "\n"));
        Files.writeString(
                Files.createDirectory(folder.resolve("proc")).resolve("meminfo"),
                "MemTotal:        8000 kB\nMemFree: 1 kB\n");
        assertThat(bash(Map.of(), "memory \"$1\"", folder)).isEqualTo(new Result(0, "7168000\n"));
        Path limit = Files.createDirectories(folder.resolve("sys/fs/cgroup")).resolve("memory.max");
        Files.writeString(limit, "max\n");
        assertThat(bash(Map.of(), "memory \"$1\"", folder)).isEqualTo(new Result(0, "7168000\n"));
        Files.writeString(limit, "80000\n");
        assertThat(bash(Map.of(), "memory \"$1\"", folder)).isEqualTo(new Result(0, "70000\n"));
        assertThat(bash(Map.of(), "memory").status()).isZero();
    }

    private Path jdk(String name, String version) throws IOException {
        Path jdk = folder.resolve(name);
        for (String each : List.of("bin/javac", "bin/java")) {
            Path file = jdk.resolve(each);
            Files.createDirectories(file.getParent());
            Files.writeString(file, "#!/bin/sh\necho run\n");
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
        }
        Files.writeString(jdk.resolve("release"), """
                IMPLEMENTOR="Somebody"
                JAVA_VERSION="%s"
                JAVA_VERSION_DATE="2025-10-21"
                """.formatted(version));
        return jdk;
    }

    private static boolean accepted(Path jdk) throws IOException, InterruptedException {
        Result result = bash(Map.of(), "is_jdk \"$1\"", jdk);
        assertThat(result.out()).isEmpty();
        return result.status() == 0;
    }

    @ParameterizedTest
    @ValueSource(strings = {"25.0.3", "25.0.3.1", "25.0.10", "25.1", "26", "26-ea", "27.0.1"})
    void aJdkWithTheFixIsAccepted(String version) throws Exception {
        assertThat(accepted(jdk("jdk", version))).isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"1.8.0_402", "17.0.9", "24.0.2", "25", "25.0.2", "25.0.2.9", "25-ea", ""})
    void anyOtherJdkIsNot(String version) throws Exception {
        assertThat(accepted(jdk("jdk", version))).isFalse();
    }

    @Test
    void aFolderWithoutCompilerOrReleaseIsNoJdk() throws Exception {
        Path runtime = jdk("runtime", "25.0.3");
        Files.delete(runtime.resolve("bin/javac"));
        assertThat(accepted(runtime)).isFalse();
        Path unknown = jdk("unknown", "25.0.3");
        Files.delete(unknown.resolve("release"));
        assertThat(accepted(unknown)).isFalse();
        assertThat(accepted(folder.resolve("nowhere"))).isFalse();
    }

    @Test
    void whoBuildsNothingNeedsNoCompiler() throws Exception {
        Path runtime = jdk("runtime", "25.0.3");
        Files.delete(runtime.resolve("bin/javac"));
        assertThat(bash(Map.of(), "needs=java; is_jdk \"$1\"", runtime).status())
                .isZero();
    }

    @Test
    void javaHomeMayHaveSpacesAndComesFirst() throws Exception {
        Path home = jdk("a jdk  with spaces", "25.0.3");
        assertThat(find(home, jdk("other", "25.0.4").resolve("bin"))).isEqualTo(new Result(0, home.toString()));
    }

    @Test
    void anOldJavaHomeIsPassedOverForTheJavaOfThePathWhoseLinksAreFollowed() throws Exception {
        Path old = jdk("old", "17.0.9");
        Path jdk = jdk("jdk 25", "25.0.3");
        Path bin = Files.createDirectories(folder.resolve("bin"));
        Path alternatives = Files.createDirectories(folder.resolve("alternatives"));
        Files.createSymbolicLink(bin.resolve("java"), Path.of("../alternatives/java"));
        Files.createSymbolicLink(alternatives.resolve("java"), jdk.resolve("bin/java"));
        assertThat(find(old, bin)).isEqualTo(new Result(0, jdk.toString()));
    }

    private static Result find(Path javaHome, Path bin) throws IOException, InterruptedException {
        Map<String, String> environment =
                Map.of("JAVA_HOME", javaHome.toString(), "PATH", bin + ":" + System.getenv("PATH"));
        return bash(environment, "find_jdk; printf %s \"$JAVA_HOME\"");
    }

    @Test
    void withoutAnyOneLineSaysWhatToInstall() throws Exception {
        Result result = bash(Map.of(), "look_for_jdk() { return 1; }; find_jdk; echo not reached");
        assertThat(result.status()).isEqualTo(1);
        assertThat(result.out())
                .startsWith("JDK: expected 25.0.3 or later in ")
                .contains("openjdk-25-jdk-headless")
                .containsOnlyOnce("\n");
    }

    @Test
    void aMissingHomeIsFound() throws Exception {
        Result result = bash(Map.of(), "env -u HOME bash -euc '. scripts/jdk.sh; echo $HOME'");
        assertThat(result).isEqualTo(new Result(0, System.getProperty("user.home") + "\n"));
    }

    @Test
    void aLockIsTakenOverFromAProcessThatIsGoneAndFromNoProcess() throws Exception {
        Path gone = Files.createDirectory(folder.resolve("gone"));
        Files.writeString(gone.resolve("owner"), "999999999"); // more than any process id
        Path none = Files.createDirectory(folder.resolve("none"));
        String script = "(lock \"$1\"; cat \"$1/owner\") & (lock \"$2\"; cat \"$2/owner\") & wait;"
                + " unlock \"$1\"; unlock \"$2\"; ls -d \"$1\" \"$2\" || true";
        assertThat(bash(Map.of(), script, gone, none).out()).matches("(\\d+\\n){2}(.*No such file.*\\n){2}");
    }

    @Test
    void aLockIsNotTakenFromAProcessThatRuns() throws Exception {
        String script = "lock \"$1\"; (sleep 1; echo first; unlock \"$1\") & (lock \"$1\"; echo second); wait";
        assertThat(bash(Map.of(), script, folder.resolve("lock")).out()).isEqualTo("first\nsecond\n");
    }

    /** The interrupt comes while the shell waits for grep, which ends by itself. */
    @Test
    void whoseClassesAreKeptEndsWithAnInterruptedBuild() throws Exception {
        Launcher.assumeInterrupts();
        Path java = jdk("jdk", "25.0.3").resolve("bin/java");
        Files.writeString(java, "#!/bin/sh\necho $$ >'" + folder + "/pid'\nexec sleep 60\n");
        Path grep = Files.copy(java, folder.resolve("grep"), StandardCopyOption.COPY_ATTRIBUTES);
        Files.writeString(grep, "#!/bin/sh\ntrap '' INT\n: >'" + folder + "/waits'\nsleep 0.3\nexit 1\n");
        Map<String, String> environment = Map.of("PATH", folder + ":" + System.getenv("PATH"));
        String script = "app=$1 JAVA_HOME=$1/jdk; set -m; keep_classes_of server serve & "
                + "for i in {1..200}; do if [ -s \"$1/pid\" ] && [ -e \"$1/waits\" ]; then break; fi; sleep 0.1; done; "
                + "kill -INT -- -$!; wait $! || echo $?; kill -0 \"$(cat \"$1/pid\")\" 2>/dev/null || echo gone";
        assertThat(bash(environment, script, folder)).isEqualTo(new Result(0, "130\ngone\n"));
    }

    @Test
    void aSourceThatChangesDuringTheBuildIsBuiltNextTime() throws Exception {
        Path root = folder.resolve("repository");
        for (String file :
                List.of("causal4j", "scripts/jdk.sh", "scripts/build.sh", "scripts/memory.sh", "scripts/start.sh")) {
            Files.createDirectories(root.resolve(file).getParent());
            Files.copy(Repository.root().resolve(file), root.resolve(file), StandardCopyOption.COPY_ATTRIBUTES);
        }
        Files.createFile(root.resolve("pom.xml"));
        for (String module : List.of("text", "core", "machine", "model-austen", "server", "cli")) {
            Files.createDirectories(root.resolve(module + "/src/main"));
            Files.createFile(root.resolve(module + "/pom.xml"));
        }
        Files.writeString(root.resolve("mvnw"), """
                mkdir -p cli/target/lib
                touch cli/target/causal4j-cli.jar cli/target/lib/library.jar
                sleep 0.1
                [ -e changed ] || touch changed core/src/main/Source.java
                """);
        String building = "causal4j: building (the first time this fetches dependencies and takes a minute)\n";
        String script = "timeout 30 \"$1/causal4j\" inspect";
        Map<String, String> environment =
                Map.of("JAVA_HOME", jdk("jdk", "25.0.3").toString());
        assertThat(bash(environment, script, root)).isEqualTo(new Result(0, building + "run\n"));
        assertThat(bash(environment, script, root)).isEqualTo(new Result(0, building + "run\n"));
        assertThat(bash(environment, script, root)).isEqualTo(new Result(0, "run\n"));
    }
}
