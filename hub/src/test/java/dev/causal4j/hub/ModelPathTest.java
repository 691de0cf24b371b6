package dev.causal4j.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.FormatException;
import dev.causal4j.austen.AustenModel;
import dev.causal4j.model.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelPathTest {
    private static final String COMMIT = "1".repeat(40);

    @TempDir
    Path folder;

    private static ModelPath of(Path given) throws IOException {
        return ModelPath.of(given, name -> "fetch " + name);
    }

    @Test
    void aPathIsItsFolderOrFile() throws Exception {
        Path file = Files.createFile(folder.resolve("a-q8_0.gguf"));
        assertThat(of(file)).isEqualTo(of(folder)).extracting(ModelPath::path).isEqualTo(file);
        Files.createFile(folder.resolve("b.gguf"));
        assertThatThrownBy(() -> of(folder))
                .isInstanceOf(FormatException.class)
                .hasMessage(folder + ": expected one GGUF file, got a-q8_0.gguf, b.gguf; choose one: FOLDER/FILE");
        Files.createFile(folder.resolve("model.safetensors"));
        assertThat(of(folder).path()).isEqualTo(folder);
        Path none = folder.resolve("none");
        assertThat(of(none).path()).isEqualTo(none); // which the checkpoint refuses
    }

    @Test
    void aNameIsAModelInTheCache() throws Exception {
        Hub hub = Hub.of(Map.of("HF_HUB_CACHE", folder.toString()));
        Path name = Path.of("jane", "austen");
        assertThat(ModelPath.local(name)).isEmpty();
        assertThatThrownBy(() -> ModelPath.cached(name, hub, each -> "fetch " + each))
                .isInstanceOf(IOException.class)
                .hasMessage(name + ": expected a folder, a GGUF file, or a model that is whole in the cache, got none;"
                        + " fetch jane/austen");
        Path model = folder.resolve("models--jane--austen");
        Path snapshot = Files.createDirectories(model.resolve("snapshots").resolve(COMMIT));
        AustenModel.export(snapshot);
        Files.writeString(Files.createDirectories(model.resolve("refs")).resolve("main"), COMMIT);
        ModelPath found = ModelPath.cached(name, hub, each -> each);
        assertThat(found.path()).isEqualTo(snapshot);
        try (Checkpoint opened = found.open()) {
            assertThat(opened.name()).isEqualTo("jane/austen");
        }
    }

    @Test
    void aNameThatOthersUseIsExplained() {
        assertThatThrownBy(() -> of(Path.of("distilgpt2"))).hasMessageEndingWith("; fetch distilbert/distilgpt2");
        assertThatThrownBy(() -> of(Path.of("nowhere"))).hasMessageEndingWith("; fetch org/name");
    }
}
