package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.causal4j.FormatException;
import dev.causal4j.format.TensorView;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.node.ObjectNode;

/** The ways the files of a family may be written, and those that are refused. */
class FamilyFilesTest {
    private static final int[] TOKENS = {3, 41, 5, 92, 65, 35, 89, 7, 93, 23, 84, 62};
    private static final String HEAD = "lm_head.weight";
    private static final String EMBEDDING = "model.embed_tokens.weight";

    @TempDir
    private Path folder;

    private final LogLines log = LogLines.of(Checkpoint.class);

    @AfterEach
    void stopListening() {
        log.close();
    }

    private float[] logits(Variant variant, String name) throws IOException {
        return logits(variant.write(Files.createDirectory(folder.resolve(name))));
    }

    private static float[] logits(Path model) throws IOException {
        try (CausalLM loaded = CausalLM.load(model)) {
            return Logits.of(loaded, TOKENS);
        }
    }

    private void refused(Variant variant, String... told) throws IOException {
        variant.write(folder);
        Throwable refusal = catchThrowable(() -> CausalLM.load(folder));
        assertThat(refusal).isInstanceOf(FormatException.class);
        assertThat(refusal.getMessage())
                .startsWith(folder.toString())
                .matches("[^\\p{Cntrl}]+: expected [^\\p{Cntrl}]+, got [^\\p{Cntrl}]+; [^\\p{Cntrl}]+")
                .satisfies(message -> assertThat(List.of(told)).allMatch(message::contains));
    }

    static List<String> all() {
        return FamiliesTest.all();
    }

    static List<String> some() {
        return FamiliesTest.some();
    }

    static List<String> few() {
        return FamiliesTest.few();
    }

    @ParameterizedTest
    @MethodSource("all")
    void shardsAndBf16GiveTheBitsOfTheSameNumbersInOneF32File(String fixture) throws IOException {
        Variant rounded = Variant.of(fixture).stored(DType.BF16, tensor -> true);
        Path shards = rounded.writeSharded(Files.createDirectory(folder.resolve("shards")));
        try (Checkpoint opened = Checkpoint.open(shards)) {
            assertThat(opened.dtype(LoadOptions.DEFAULT)).isEqualTo(DType.BF16);
        }
        assertThat(logits(shards)).isEqualTo(logits(rounded.widened(), "whole"));
        assertThat(log.lines()).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("all")
    void theRootOfNamesMakesNoDifference(String fixture) throws IOException {
        Variant variant = Variant.of(fixture);
        float[] expected = logits(variant, "rooted");
        variant.renamed(
                name -> name.replaceFirst("^(language_model\\.model|model\\.language_model|model|gpt_neox)\\.", ""));
        assertThat(logits(variant, "bare")).isEqualTo(expected);
        assertThat(log.lines()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama-llama3", "qwen2-tied", "gemma", "gemma2", "gemma3", "smollm3", "granite"})
    void aCopyOfTheEmbeddingAsHeadIsTiedAndADifferentOneIsNot(String fixture) throws IOException {
        float[] tied = logits(Variant.of(fixture), "tied");
        Variant copied = Variant.of(fixture).copy(EMBEDDING, HEAD);
        assertThat(logits(copied, "copied")).isEqualTo(tied);
        try (CausalLM model = CausalLM.load(folder.resolve("copied"))) {
            assertThat(model.head().tied()).isTrue();
        }
        assertThat(log.lines()).isEmpty();
        assertThat(logits(copied.without(EMBEDDING), "alone")).isEqualTo(tied);
        assertThat(log.lines()).isEmpty();

        TensorView embedding = Variant.of(fixture).tensor(EMBEDDING);
        float[] numbers = embedding.toArray();
        numbers[5] += 1;
        Variant other = Variant.of(fixture).with(HEAD, DType.F32, embedding.shape(), MemorySegment.ofArray(numbers));
        try (CausalLM model = CausalLM.load(other.write(Files.createDirectory(folder.resolve("other"))))) {
            assertThat(model.head().tied()).isFalse();
        }
        assertThat(log.lines()).singleElement().asString().contains("the head is not tied");
    }

    @Test
    void qwensCopyOfItsEmbeddingIsTied() throws IOException {
        assertThat(Variant.of("qwen3-tied").tensors()).containsKey(HEAD);
        try (CausalLM model = CausalLM.load(Golden.folder("qwen3-tied"))) {
            assertThat(model.head().tied()).isTrue();
            model.save(folder, DType.F32);
        }
        try (Checkpoint saved = Checkpoint.open(folder)) {
            assertThat(saved.config().tied()).isTrue();
        }
        assertThat(log.lines()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "llama-untied, lm_head.weight",
        "mistral, lm_head.weight",
        "phi3, lm_head.weight",
        "olmo2, lm_head.weight",
        "gpt_neox, embed_out.weight",
        "mixtral, lm_head.weight",
        "qwen3_moe, lm_head.weight",
        "gpt_oss, lm_head.weight"
    })
    void anUntiedModelNeedsItsHead(String fixture, String head) throws IOException {
        refused(Variant.of(fixture).without(head), head, "tie_word_embeddings is false");
    }

    @Test
    void theTowerThatLooksAtImagesIsLeftOutAndAMisspeltNameIsNot() throws IOException {
        String fixture = "gemma3-multimodal";
        float[] expected = logits(Variant.of(fixture), "whole");
        assertThat(Variant.of(fixture).tensors().keySet()).anyMatch(name -> name.startsWith("vision_tower."));
        Variant text = Variant.of(fixture);
        List.copyOf(text.tensors().keySet()).stream()
                .filter(name -> !name.startsWith("language_model."))
                .forEach(text::without);
        assertThat(logits(text, "text")).isEqualTo(expected);
        text.withZeros("model.vision_tower.embeddings.weight", 2, 2).withZeros("multi_modal_projector.norm", 2);
        assertThat(logits(text, "tower")).isEqualTo(expected);
        assertThat(log.lines()).isEmpty();
        for (String misspelt : List.of("vision_towel.weight", "multi_modal_projectors.norm", "language_model.norm")) {
            refused(Variant.of(fixture).withZeros(misspelt, 2, 2), '"' + misspelt + '"');
        }
    }

    @Test
    void mistralsWrapperHasNamesAndTensorsOfItsOwn() throws IOException {
        float[] expected = logits(Variant.of("ministral3"), "text");
        Variant wrapped = Variant.of("ministral3")
                .renamed(name -> "language_model." + name)
                .withZeros("vision_tower.ln_pre.weight", 2)
                .withZeros("multi_modal_projector.linear_1.weight", 2, 2);
        ObjectNode text = wrapped.config().deepCopy();
        wrapped.config().removeAll();
        wrapped.config().put("model_type", "mistral3").set("text_config", text);
        assertThat(logits(wrapped, "wrapped")).isEqualTo(expected);
    }

    @ParameterizedTest
    @MethodSource("some")
    void anUnknownTensorIsRefusedAndStoredFrequenciesAreNot(String fixture) throws IOException {
        String root = fixture.startsWith("gpt_neox") ? "gpt_neox." : "model.";
        if (!fixture.equals("gemma3-multimodal")) {
            Variant old = Variant.of(fixture)
                    .withZeros(root + "layers.0.self_attn.rotary_emb.inv_freq", 4)
                    .withZeros(root + "rotary_emb.inv_freq", 4);
            assertThat(logits(old, "old")).isEqualTo(logits(Variant.of(fixture), "plain"));
        }
        refused(Variant.of(fixture).withZeros("score.weight", 2, 2), "\"score.weight\"");
        refused(Variant.of(fixture).withZeros(root + "layers.1.extra.weight", 2), "layers.1.extra.weight");
    }

    @ParameterizedTest
    @MethodSource("few")
    void eachTensorMustBeThereInItsShape(String fixture) throws IOException {
        List<String> names = Variant.of(fixture).tensors().keySet().stream()
                .filter(name -> !name.matches(".*(vision|visual|audio|mtp\\.|projector).*") && !name.equals(HEAD))
                .filter(name -> !name.equals(EMBEDDING) || !fixture.equals("qwen3-tied")) // there the head replaces it
                .filter(name -> !name.equals("model.language_model.embed_tokens.weight")) // it gives the root
                .filter(name -> !name.matches(".*layers\\.[2-9].*|.*experts\\.[2-9].*"))
                .toList();
        for (String name : names) {
            refused(Variant.of(fixture).without(name), name);
            refused(Variant.of(fixture).withZeros(name, 3, 5, 7), name, "got [3, 5, 7]");
        }
    }

    @Test
    void quantisedExpertsAreMissed() throws IOException {
        String name = "model.layers.0.mlp.experts.gate_up_proj";
        Variant variant = Variant.of("gpt_oss").without(name);
        byte[] data = new byte[4 * 40 * 2 * 16];
        variant.writeWithForeign(folder, name + "_blocks", "U8", "[4, 40, 2, 16]", data);
        Throwable refusal = catchThrowable(() -> CausalLM.load(folder));
        assertThat(refusal).isInstanceOf(FormatException.class).hasMessageContaining('"' + name + '"');
    }

    @Test
    void theVocabularyOfTheTensorIsThatOfTheConfiguration() throws IOException {
        Variant variant = Variant.of("qwen2-tied");
        variant.config().put("vocab_size", 104);
        refused(variant, EMBEDDING, "shape [104, 40]", "got [103, 40]");
    }

    @Test
    void aTokenizerThatIsNotSupportedLeavesTheModelItsTokenIds() throws IOException {
        Variant.of("llama-llama3").write(folder);
        Files.writeString(folder.resolve("tokenizer.json"), """
                {"version": "1.0", "added_tokens": [], "normalizer": {"type": "Lowercase"}, "pre_tokenizer": null,
                 "post_processor": null, "decoder": null, "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}
                """);
        try (CausalLM model = CausalLM.load(folder)) {
            assertThat(model.tokenizer()).isEmpty();
            assertThat(Logits.of(model, TOKENS)).isEqualTo(logits(Golden.folder("llama-llama3")));
        }
        assertThat(log.lines())
                .singleElement()
                .asString()
                .startsWith("WARNING " + folder)
                .contains("tokenizer.json")
                .endsWith("; the model takes token ids alone");
        Files.writeString(folder.resolve("tokenizer.json"), "{");
        assertThat(catchThrowable(() -> CausalLM.load(folder))).isInstanceOf(FormatException.class);
    }
}
