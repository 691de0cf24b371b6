package dev.causal4j.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

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
