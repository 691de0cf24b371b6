package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.causal4j.FormatException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Checkpoints that do not fit their configuration, or no GPT-2 at all. */
class CheckpointRefusalTest {
    @TempDir
    Path folder;

    /** The checkpoint is refused in one line that names the folder and everything in {@code told}. */
    private void refused(Variant variant, String... told) throws IOException {
        variant.write(folder);
        refused(folder, told);
    }

    private static void refused(Path model, String... told) {
        Throwable refusal = catchThrowable(() -> CausalLM.load(model));
        assertThat(refusal).isExactlyInstanceOf(FormatException.class);
        assertThat(refusal.getMessage())
                .startsWith(model.toString())
                .matches("[^\\p{Cntrl}]+: expected [^\\p{Cntrl}]+, got [^\\p{Cntrl}]+; [^\\p{Cntrl}]+")
                .satisfies(message -> assertThat(List.of(told)).allMatch(message::contains));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void eachTensorMustBeThere(boolean prefixed) throws IOException {
        for (String name : Variant.of("gpt2-untied").tensors().keySet()) {
            Variant variant = Variant.of("gpt2-untied").without(name);
            String full = prefixed && !name.equals(Variant.HEAD) ? "transformer." + name : name;
            refused(prefixed ? variant.prefixed() : variant, full);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "wte.weight, 96, 24",
        "wte.weight, 98, 24",
        "lm_head.weight, 24, 97",
        "wpe.weight, 31, 24",
        "h.0.attn.c_attn.weight, 72, 24",
        "h.1.attn.c_proj.weight, 24, 23",
        "h.1.mlp.c_fc.weight, 24, 72",
        "h.1.mlp.c_proj.weight, 24, 96"
    })
    void aMatrixOfAnotherShapeIsNamedWithBothShapes(String name, long rows, long cols) throws IOException {
        String expected = Variant.of("gpt2-untied").tensor(name).shape().toString();
        refused(
                Variant.of("gpt2-untied").withZeros(name, rows, cols),
                "tensor " + name + ":",
                "shape " + expected,
                "got [" + rows + ", " + cols + "]");
    }

    @ParameterizedTest
    @ValueSource(strings = {"ln_f.weight", "h.0.ln_1.bias", "h.1.attn.c_attn.bias", "h.1.mlp.c_proj.bias"})
    void aVectorOfAnotherLengthOrDimensionIsNamed(String name) throws IOException {
        long size = Variant.of("gpt2-untied").tensor(name).elements();
        String expected = "shape [" + size + "]";
        refused(Variant.of("gpt2-untied").withZeros(name, size + 1), name, expected, "got [" + (size + 1) + "]");
        refused(Variant.of("gpt2-untied").withZeros(name, 1, size), name, expected, "got [1, " + size + "]");
        refused(Variant.of("gpt2-untied").withZeros(name), name, expected, "got []");
        refused(Variant.of("gpt2-untied").withZeros(name, 0), name, expected, "got [0]");
    }

    @ParameterizedTest
    @CsvSource({"wte.weight, I32, 4", "h.1.mlp.c_fc.weight, I8, 1", "ln_f.weight, F64, 8", "wpe.weight, F8_E4M3, 1"})
    void aWeightOfAnotherDtypeIsNamed(String name, String dtype, int bytes) throws IOException {
        Variant variant = Variant.of("gpt2-tied");
        String shape = variant.tensor(name).shape().toString();
        byte[] data = new byte[Math.toIntExact(variant.tensor(name).elements()) * bytes];
        refused(variant.without(name).writeWithForeign(folder, name, dtype, shape, data), name, dtype, "BF16");
    }

    @Test
    void anUntiedModelNeedsItsHead() throws IOException {
        Variant variant = Variant.of("gpt2-tied");
        variant.config().put("tie_word_embeddings", false);
        refused(variant, "lm_head.weight", "tie_word_embeddings is false", "no such tensor");
    }

    @Test
    void anUntiedModelNeedsItsEmbedding() throws IOException {
        refused(Variant.of("gpt2-untied").without(Variant.EMBEDDING), '"' + Variant.EMBEDDING + '"');
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "h.9.ln_1.weight",
                "h.2.attn.c_attn.bias",
                "h.0.attn.c_attn.lora_A",
                "h.0.crossattention.c_attn.weight",
                "h.1.attn.bias.extra"
            })
    void anExtraTensorInABlockWouldChangeTheModel(String name) throws IOException {
        refused(Variant.of("gpt2-tied").withZeros(name, 24), name, "blocks 0 to 1");
        refused(Variant.of("gpt2-tied").withZeros(name, 24).prefixed(), "transformer." + name, "blocks 0 to 1");
    }

    @Test
    void anInnerSizeOtherThanTheConfigurationsIsRefused() throws IOException {
        Variant variant = Variant.of("gpt2-odd");
        variant.config().putNull("n_inner");
        refused(variant, "h.0.mlp.c_fc.weight", "shape [35, 140]", "got [35, 50]");
    }

    @Test
    void hugeSizesInTheConfigurationAreRefusedBeforeAnythingIsAllocated() throws IOException {
        Variant variant = Variant.of("gpt2-tied");
        variant.config().put("n_layer", 16_777_216);
        refused(variant, "n_layer", "from 1 to 16384");
        variant.config().put("n_layer", 16_384);
        refused(variant, "h.2.");
        variant.config().put("n_layer", 2).put("n_positions", 16_777_216);
        refused(variant, "wpe.weight", "shape [16777216, 24]");
        variant.config().put("vocab_size", 16_777_216).put("n_embd", 4_194_304).put("n_head", 1);
        refused(variant, "wte.weight", "shape [16777216, 4194304]");
    }

    @Test
    void aFolderOfSomethingElseIsRefused() throws IOException {
        refused(folder.resolve("nowhere"), "no such folder");
        Path file = Files.writeString(folder.resolve("file"), "text");
        refused(file, "GGUF");
        refused(folder, "config.json", "no such file");
        Files.createDirectory(folder.resolve("config.json"));
        refused(folder, "config.json", "a folder");
    }

    @Test
    void aConfigurationWithoutWeightsIsRefused() throws IOException {
        Variant.of("gpt2-tied").write(folder);
        Files.delete(folder.resolve("model.safetensors"));
        refused(folder, "model.safetensors or model.safetensors.index.json", "neither");
    }

    @Test
    void aTokenizerLargerThanTheVocabularyIsRefused() throws IOException {
        Variant.of("gpt2-tied").write(folder);
        try (var json = getClass().getResourceAsStream("/dev/causal4j/tokenizer/tokenizer.json")) {
            Files.copy(json, folder.resolve("tokenizer.json"));
        }
        refused(folder, "at most vocab_size = 97 entries", "got 2048 entries");
    }
}
