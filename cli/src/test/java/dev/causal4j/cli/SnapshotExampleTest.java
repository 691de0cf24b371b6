package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.EngineOptions;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.Generator;
import dev.causal4j.generation.PrefixStore;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.LoadOptions;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The example of the guide "Snapshots". */
class SnapshotExampleTest {
    private static void storing(Path folder) throws IOException {
        // example: begin: Path folder = Path.of("store");
        PrefixStore store = PrefixStore.open(folder, PrefixStore.DEFAULT_BYTES);
        try (CausalLM model = AustenModel.load(LoadOptions.DEFAULT.withDigests(true)); // or CausalLM.load(path, ...)
                Engine engine = new Engine(model, EngineOptions.DEFAULT.withPrefixStore(store))) {
            Generator generator = new Generator(engine);
            System.out.println(
                    generator.generate("Emma was", GenerationOptions.DEFAULT).text());
        }
        // example: end
    }

    @Test
    void aStoreChangesNoText(@TempDir Path folder) throws Exception {
        try (CausalLM model = AustenModel.load()) {
            String text = new Generator(model)
                    .generate("Emma was", GenerationOptions.DEFAULT)
                    .text();
            assertThat(String.join("\n", ReadmeExamplesTest.printed(() -> storing(folder.resolve("store")))))
                    .isEqualTo(text);
        }
    }
}
