package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.json.Sha256;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelDigestsTest {
    private static final LoadOptions ASKED = LoadOptions.DEFAULT.withDigests(true);

    @TempDir
    private Path temporary;

    @Test
    void aModelKnowsTheFilesThatItWasLoadedFrom() throws IOException {
        Path folder = Golden.folder("gpt2-odd");
        try (CausalLM model = CausalLM.load(folder, ASKED);
                CausalLM plain = CausalLM.load(folder);
                CausalLM changed = model.with(model)) {
            assertThat(model.digests().orElseThrow())
                    .isEqualTo(new ModelDigests(
                            List.of(digest(folder, "config.json"), digest(folder, "model.safetensors")),
                            Optional.empty(),
                            List.of(),
                            false,
                            Optional.empty()));
            assertThat(plain.digests()).isEmpty();
            assertThat(changed.digests()).isEmpty();
        }
    }

    @Test
    void theDtypeIsThereIfWeightsWereRounded() throws IOException {
        Path file = Golden.folder("gguf").resolve("llama-mix-q4_k_m.gguf");
        for (DType dtype : DType.values()) {
            try (CausalLM rounded = CausalLM.load(file, ASKED.withDtype(dtype))) {
                ModelDigests digests = rounded.digests().orElseThrow();
                assertThat(digests.dtype()).contains(dtype);
                assertThat(digests.files()).containsExactly(digest(Golden.folder("gguf"), "" + file.getFileName()));
            }
        }
        try (CausalLM stored = CausalLM.load(file, ASKED);
                CausalLM same = CausalLM.load(Golden.folder("gpt2-odd"), ASKED.withDtype(DType.F32))) {
            assertThat(stored.digests().orElseThrow().dtype()).isEmpty();
            assertThat(same.digests().orElseThrow().dtype()).isEmpty();
        }
    }

    @Test
    void aFileThatIsReplacedAfterLoadingIsNotNamed() throws IOException {
        Path folder = temporary.resolve("model");
        Conversion.of(Golden.folder("gpt2-odd")).toHuggingFace(folder);
        ModelDigests.File config = digest(folder, "config.json");
        ModelDigests.File weights = digest(folder, "model.safetensors");
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            for (String name : List.of("config.json", "model.safetensors")) {
                Path other = Files.write(temporary.resolve(name), new byte[100]);
                Files.move(other, folder.resolve(name), StandardCopyOption.REPLACE_EXISTING);
            }
            try (CausalLM model = checkpoint.load(ASKED)) {
                assertThat(model.digests().orElseThrow().files()).containsExactly(config, weights);
            }
        }
    }

    @Test
    void filesOfShardsAndOfConvertedFoldersAreAllNamed() throws IOException {
        Path shards = temporary.resolve("shards");
        Conversion.of(Golden.folder("gpt2-odd")).withShardBytes(20_000).toHuggingFace(shards);
        Path panels = temporary.resolve("panels");
        Conversion.of(Golden.folder("gpt2-odd")).toPanels(panels);
        for (Path folder : List.of(shards, panels)) {
            try (CausalLM model = CausalLM.load(folder, ASKED)) {
                List<ModelDigests.File> files = model.digests().orElseThrow().files();
                assertThat(files).hasSizeGreaterThan(folder.equals(shards) ? 3 : 1);
                for (ModelDigests.File file : files) {
                    assertThat(file).isEqualTo(digest(folder, file.name()));
                }
            }
        }
    }

    private static ModelDigests.File digest(Path folder, String name) throws IOException {
        byte[] bytes = Files.readAllBytes(folder.resolve(name));
        return new ModelDigests.File(name, bytes.length, Sha256.hex(bytes));
    }
}
