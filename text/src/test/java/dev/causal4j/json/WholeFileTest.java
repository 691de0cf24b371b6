package dev.causal4j.json;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class WholeFileTest {
    @TempDir
    Path parent;

    private Path target;

    @BeforeEach
    void writeOnce() throws IOException {
        target = parent.resolve("model");
        WholeFile.writeFolder(target, folder -> {
            Files.createDirectory(folder.resolve("inner"));
            Files.writeString(folder.resolve("inner/old"), "old");
        });
    }

    @Test
    void theNewFolderReplacesAllOfTheOld() throws IOException {
        WholeFile.writeFolder(target, folder -> Files.writeString(folder.resolve("new"), "new"));
        assertThat(target)
                .isDirectoryContaining(file -> file.endsWith("new"))
                .isDirectoryNotContaining("glob:**/inner");
        assertThat(parent).isDirectoryNotContaining("glob:**/.causal4j-*");
    }

    @Test
    void aFailureLeavesTheOldFolder() {
        assertThatThrownBy(() -> WholeFile.writeFolder(target, folder -> {
                    Files.writeString(folder.resolve("new"), "new");
                    throw new IOException("full");
                }))
                .hasMessage("full");
        assertThat(target.resolve("inner/old")).hasContent("old");
        assertThat(parent).isDirectoryNotContaining("glob:**/.causal4j-*");
    }

    /** Each state that {@link WholeFile#writeFolder} passes through, as an ended process leaves it. */
    @ParameterizedTest
    @CsvSource({
        // target, aside, temporary, what a reader finds
        "old, , part, old",
        "old, , new, old",
        ", old, new, old",
        "new, old, , new",
        "new, part, , new",
    })
    void whereverTheProcessEndsAFolderIsFoundAndTheNextWritePutsItRight(
            @Nullable String inPlace, @Nullable String aside, @Nullable String temporary, String found)
            throws IOException {
        Path replaced = aside(target);
        WholeFile.delete(target);
        make(target, inPlace);
        make(replaced, aside);
        make(parent.resolve(".causal4j-" + UUID.randomUUID() + ".tmp"), temporary);
        assertThat(WholeFile.found(target).resolve("content")).hasContent(found);
        WholeFile.deleteUnfinished(parent);
        assertThat(WholeFile.found(target).resolve("content")).hasContent(found);
        assertThatThrownBy(() -> WholeFile.writeFolder(target, folder -> {
                    assertThat(target.resolve("content")).hasContent(found);
                    throw new IOException("full");
                }))
                .hasMessage("full");
        assertThat(target.resolve("content")).hasContent(found);
        WholeFile.writeFolder(target, folder -> Files.writeString(folder.resolve("content"), "last"));
        assertThat(target.resolve("content")).hasContent("last");
        assertThat(parent.toFile().listFiles()).containsExactly(target.toFile());
    }

    @Test
    void theNextWriteDeletesWhatAKilledProcessLeftOfTheSameFolder() throws Exception {
        Process ended = new ProcessBuilder("true").start();
        ended.waitFor();
        String name = ".causal4j-" + UUID.nameUUIDFromBytes("model".getBytes(StandardCharsets.UTF_8)) + "-";
        Path left = Files.createDirectories(parent.resolve(name + ended.pid() + ".tmp/inner"));
        Path earlier = Files.createDirectory(
                parent.resolve(name + ProcessHandle.current().pid() + ".tmp"));
        Path container = Files.createDirectory(parent.resolve(name + ended.pid() + "-" + UUID.randomUUID() + ".tmp"));
        Process writes = new ProcessBuilder("sleep", "60").start();
        Path running = Files.createDirectory(parent.resolve(name + writes.pid() + ".tmp"));
        Path other = Files.createDirectory(parent.resolve(".causal4j-" + UUID.randomUUID() + ".tmp"));
        WholeFile.writeFolder(target, folder -> Files.writeString(folder.resolve("new"), "new"));
        writes.destroyForcibly();
        assertThat(left).doesNotExist();
        assertThat(container).doesNotExist();
        assertThat(earlier).doesNotExist();
        assertThat(running).exists();
        assertThat(other).exists();
    }

    private static void make(Path folder, @Nullable String content) throws IOException {
        if (content != null) {
            Files.writeString(Files.createDirectory(folder).resolve("content"), content);
        }
    }

    /** Where the old folder lies in the middle of a replacement: its only name that no random number is in. */
    private static Path aside(Path target) {
        UUID name = UUID.nameUUIDFromBytes(target.getFileName().toString().getBytes(StandardCharsets.UTF_8));
        return target.resolveSibling(".causal4j-" + name + ".old");
    }

    @Test
    void deletesTreesAndWhatAnEndedProcessLeft() throws IOException {
        WholeFile.delete(target);
        Files.createDirectories(parent.resolve(".causal4j-1.tmp/inner"));
        Path mine = Files.writeString(parent.resolve(".mine.tmp"), "");
        WholeFile.deleteUnfinished(parent);
        WholeFile.delete(parent.resolve("absent"));
        assertThat(parent.toFile().listFiles()).containsExactly(mine.toFile());
    }
}
