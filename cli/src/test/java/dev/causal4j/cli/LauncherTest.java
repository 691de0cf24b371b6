package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The search for a JDK that the launcher and the check share, on folders that only look like JDKs; and the launcher's build,
 * in a repository of a few bytes.
 */
class LauncherTest {
    @TempDir
    Path folder;

    private record Result(int status, String out) {}

    /** Runs a script after sourcing jdk.sh; both of its outputs together are what it wrote. */
    private static Result bash(Map<String, String> environment, String script, Object... arguments)
            throws IOException, InterruptedException {
        List<String> command =
                new ArrayList<>(List.of("bash", "-c", "set -euo pipefail; . scripts/jdk.sh; " + script, "bash"));
        for (Object argument : arguments) {
            command.add(argument.toString());
        }
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(Repository.root().toFile())
                .redirectErrorStream(true);
        builder.environment().putAll(environment);
        Process process = builder.start();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Result(process.waitFor(), out);
    }

    private static boolean accepted(Path jdk) throws IOException, InterruptedException {
        Result result = bash(Map.of(), "is_jdk_25 \"$1\"", jdk);
        assertThat(result.out()).isEmpty();
        return result.status() == 0;
    }

    private Path jdk(String name, String version) throws IOException {
        Path jdk = folder.resolve(name);
        executable(jdk.resolve("bin/javac"));
        executable(jdk.resolve("bin/java"));
        Files.writeString(jdk.resolve("release"), """
                IMPLEMENTOR="Somebody"
                JAVA_VERSION="%s"
                JAVA_VERSION_DATE="2025-10-21"
                MODULES="java.base"
                """.formatted(version));
        return jdk;
    }

    private static void executable(Path file) throws IOException {
        Files.createDirectories(file.getParent());
        Files.writeString(file, "#!/bin/sh\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"25.0.3", "25.0.3.1", "25.0.5.1", "25.0.10", "25.1", "25.1.0"})
    void aJdkWithTheFixIsAccepted(String version) throws Exception {
        assertThat(accepted(jdk("jdk", version))).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"1.8.0_402", "17", "17.0.9", "24.0.2", "25", "25.0.2", "25.0.2.9", "25-ea", "26", "26.0.3", ""})
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
    void javaHomeMayHaveSpacesAndComesFirst() throws Exception {
        Path home = jdk("a jdk  with spaces", "25.0.3");
        Path other = jdk("other", "25.0.4");
        assertThat(accepted(home)).isTrue();
        Result found = find(home, other.resolve("bin"));
        assertThat(found.out()).isEqualTo(home.toString());
        assertThat(found.status()).isZero();
    }

    @Test
    void anOldJavaHomeIsPassedOverForTheJavaOfThePathWhoseLinksAreFollowed() throws Exception {
        Path old = jdk("old", "17.0.9");
        Path jdk = jdk("jdk 25", "25.0.3");
        Path bin = Files.createDirectories(folder.resolve("bin"));
        Path alternatives = Files.createDirectories(folder.resolve("alternatives"));
        Files.createSymbolicLink(bin.resolve("java"), Path.of("../alternatives/java"));
        Files.createSymbolicLink(alternatives.resolve("java"), jdk.resolve("bin/java"));
        assertThat(bash(Map.of(), "home_of \"$1\"", bin.resolve("java")).out()).isEqualTo(jdk + "\n");
        assertThat(find(old, bin).out()).isEqualTo(jdk.toString());
    }

    private static Result find(Path javaHome, Path bin) throws IOException, InterruptedException {
        Map<String, String> environment =
                Map.of("JAVA_HOME", javaHome.toString(), "PATH", bin + ":" + System.getenv("PATH"));
        return bash(environment, "find_jdk; printf %s \"$JAVA_HOME\"");
    }

    @Test
    void aLockIsTakenOverFromAProcessThatIsGoneAndFromNoProcess() throws Exception {
        Path lock = folder.resolve("lock");
        Files.createDirectory(lock);
        Files.writeString(lock.resolve("owner"), "999999999"); // more than any process id
        String script = "root=.; . scripts/build.sh; lock \"$1\"; cat \"$1/owner\"; unlock \"$1\"; ls \"$1\" || true";
        assertThat(bash(Map.of(), script, lock).out()).matches("\\d+\\n.*No such file.*\\n");
        Files.createDirectory(lock);
        assertThat(bash(Map.of(), script, lock).out()).matches("\\d+\\n.*No such file.*\\n");
        Files.writeString(lock, "not even a folder");
        assertThat(bash(Map.of(), script, lock).out()).matches("\\d+\\n.*No such file.*\\n");
    }

    @Test
    void aLockIsNotTakenFromAProcessThatRuns() throws Exception {
        String script = "root=.; . scripts/build.sh; lock \"$1\"; (sleep 1; echo first; unlock \"$1\") &"
                + " (lock \"$1\"; echo second); wait";
        assertThat(bash(Map.of(), script, folder.resolve("lock")).out()).isEqualTo("first\nsecond\n");
    }

    /** The build runs the program once, and that run finds sources newer than the build it is part of. */
    @Test
    void aSourceThatChangesDuringTheBuildDoesNotHoldItUpAndIsBuiltNextTime() throws Exception {
        Path root = folder.resolve("repository");
        for (String file : List.of("causal4j", "scripts/jdk.sh", "scripts/build.sh")) {
            Files.createDirectories(root.resolve(file).getParent());
            Files.copy(Repository.root().resolve(file), root.resolve(file), StandardCopyOption.COPY_ATTRIBUTES);
        }
        Files.createFile(root.resolve("pom.xml"));
        for (String module : List.of("core", "model-austen", "cli")) {
            Files.createDirectories(root.resolve(module + "/src/main"));
            Files.createFile(root.resolve(module + "/pom.xml"));
        }
        Files.writeString(root.resolve("mvnw"), """
                mkdir -p cli/target/lib
                touch cli/target/causal4j-cli.jar cli/target/lib/library.jar
                sleep 0.1
                [ -e changed ] || touch changed core/src/main/Source.java
                """);
        Path jdk = jdk("jdk", "25.0.3");
        Files.writeString(jdk.resolve("bin/java"), "#!/bin/sh\necho run\n"); // it writes no cache of classes either
        String building = "causal4j: building (the first time this fetches dependencies and takes a minute)\n";
        String script = "timeout 30 \"$1/causal4j\" inspect";
        Map<String, String> environment = Map.of("JAVA_HOME", jdk.toString());
        assertThat(bash(environment, script, root)).isEqualTo(new Result(0, building + "run\n"));
        assertThat(bash(environment, script, root)).isEqualTo(new Result(0, building + "run\n"));
        assertThat(bash(environment, script, root)).isEqualTo(new Result(0, "run\n"));
    }

    @Test
    void aMissingHomeIsFound() throws Exception {
        Result result = bash(Map.of(), "env -u HOME bash -euc '. scripts/jdk.sh; find_jdk; echo $HOME'");
        assertThat(result.status()).isZero();
        assertThat(result.out().strip()).isEqualTo(System.getProperty("user.home"));
    }

    /** As somebody who is not root; root would get one installed. */
    @Test
    void withoutAnyOneLineSaysWhatToInstall() throws Exception {
        Result result = bash(Map.of(), "id() { echo 1000; }; install_jdk; echo not reached");
        assertThat(result.status()).isEqualTo(1);
        assertThat(result.out())
                .startsWith("causal4j: expected a JDK 25 (25.0.3 or later)")
                .contains("openjdk-25-jdk-headless")
                .containsOnlyOnce("\n");
    }
}
