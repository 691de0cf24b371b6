package dev.causal4j.format;

import static dev.causal4j.json.Refusal.refused;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TensorStoreTest {
    @TempDir
    Path folder;

    @Test
    void singleFileIsTakenBeforeTheIndex() throws IOException {
        Files.writeString(folder.resolve("model.safetensors.index.json"), "not even JSON");
        SafeTensors.write(
                folder.resolve("model.safetensors"), List.of(SafeTensorsWritingTest.floats("a", 1)), Map.of());
        assertThat(TensorStore.open(folder, Arena.ofAuto()).names()).containsExactly("a");
    }

    @Test
    void indexIsTakenWithoutASingleFile() throws IOException {
        Files.writeString(folder.resolve("model.safetensors.index.json"), "{\"weight_map\":{}}");
        assertThat(TensorStore.open(folder, Arena.ofAuto()).names()).isEmpty();
    }

    @Test
    void folderWithoutWeightsIsNamedWithBothFiles() {
        refused(
                () -> TensorStore.open(folder, Arena.ofAuto()),
                folder + ": ",
                "model.safetensors or model.safetensors.index.json",
                "a folder with neither");
    }

    @Test
    void weightsInOtherFormatsAreNamedWithWhatToDo() throws IOException {
        for (String file : List.of("pytorch_model.bin", "model.onnx", "config.json")) {
            Files.createFile(folder.resolve(file));
        }
        refused(
                () -> TensorStore.open(folder, Arena.ofAuto()),
                folder + ": ",
                "got model.onnx, pytorch_model.bin; ",
                "convert them to safetensors",
                "pull");
    }
}
