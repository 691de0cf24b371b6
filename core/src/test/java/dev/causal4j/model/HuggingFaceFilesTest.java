package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.FormatException;
import dev.causal4j.format.TensorStore;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/** A model written in Hugging Face layout is the same model. */
class HuggingFaceFilesTest {
    static final int[] TOKENS = {5, 80, 3, 41, 2, 64, 7};
    private static final Path GGUF = Golden.folder("gguf");
    private static final LoadOptions F32 = LoadOptions.DEFAULT.withDtype(DType.F32);

    @TempDir
    Path folder;

    private Path written(Path model, LoadOptions options, long most) throws IOException {
        Path out = folder.resolve("out");
        Conversion.of(model)
                .withOptions(options)
                .withShardBytes(most)
                .withOverwrite(true)
                .toHuggingFace(out);
        return out;
    }

    private static float[] logits(Path model) throws IOException {
        try (CausalLM loaded = CausalLM.load(model)) {
            return Logits.of(loaded, TOKENS);
        }
    }

    private static JsonNode json(Path file) throws IOException {
        return new ObjectMapper().readTree(Files.readAllBytes(file));
    }

    static List<String> fixtures() {
        return Stream.concat(Stream.of("gpt2-tied", "gpt2-untied", "gpt2-odd"), FamiliesTest.all().stream())
                .toList();
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void everyFamilysLogitsHaveTheBitsOfTheOriginal(String name) throws IOException {
        Path original = Golden.folder(name);
        try (CausalLM expected = CausalLM.load(original, DType.F32);
                CausalLM actual = CausalLM.load(written(original, F32, Long.MAX_VALUE))) {
            assertThat(actual.config().sameArchitecture(expected.config())).isTrue();
            assertThat(actual.eos()).isEqualTo(expected.eos());
            assertThat(Arrays.equals(Logits.of(actual, TOKENS), Logits.of(expected, TOKENS)))
                    .isTrue();
        }
    }

    /** Every architecture, scaling and tokenizer; blocks of two types. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "gpt2",
                "gpt2-untied",
                "gemma2",
                "gemma3",
                "llama-bias",
                "llama-linear",
                "llama-rope3",
                "llama-q4_k",
                "llama-mxfp4",
                "phi3",
                "phi3-longrope",
                "phi3-partial",
                "qwen2-yarn",
                "qwen3-untied-q8_0",
                "qwen3moe",
                "gpt-oss"
            })
    void aFolderOfAGgufFileIsTheFileLoadedInF32(String name) throws IOException {
        Path file = GGUF.resolve(name + ".gguf");
        Path out = written(file, F32, Long.MAX_VALUE);
        try (CausalLM expected = CausalLM.load(file, DType.F32);
                CausalLM actual = CausalLM.load(out)) {
            assertThat(actual.config().sameArchitecture(expected.config())).isTrue();
            float most = name.startsWith("gemma") ? 1e-5f : 0; // those gains are not an f32 plus one
            float[] logits = Logits.of(expected, TOKENS);
            float[] again = Logits.of(actual, TOKENS);
            assertThat(IntStream.range(0, logits.length).allMatch(i -> Math.abs(logits[i] - again[i]) <= most))
                    .isTrue();
            assertThat(actual.bos()).isEqualTo(expected.bos());
            assertThat(actual.eos()).isEqualTo(expected.eos());
            assertThat(actual.generationDefaults()).isEqualTo(expected.generationDefaults());
            assertThat(actual.requireTokenizer().toJson())
                    .isEqualTo(expected.requireTokenizer().toJson());
        }
        assertThat(Checkpoint.readTemplates(out).templates())
                .isEqualTo(Checkpoint.readTemplates(file).templates());
    }

    @ParameterizedTest
    @ValueSource(strings = {"gemma2", "gemma3", "llama-untied", "qwen3-tied", "gpt2-untied"})
    void aModelComesBackFromGgufWithTheSameBytes(String name) throws IOException {
        Variant variant = Variant.of(name);
        if (name.startsWith("gemma")) { // GGUF has no key for its scale
            variant.config().set("query_pre_attn_scalar", variant.config().get("head_dim"));
        }
        Path original = variant.write(Files.createDirectory(folder.resolve("original")));
        Path file = folder.resolve("model.gguf");
        Conversion.of(original).toGguf(file, GgufType.F32);
        byte[] expected =
                Files.readAllBytes(written(original, F32, Long.MAX_VALUE).resolve(TensorStore.SINGLE));
        assertThat(written(file, F32, Long.MAX_VALUE).resolve(TensorStore.SINGLE))
                .hasBinaryContent(expected);
    }

    /** Numbers are rounded as in a saved model, and never through another dtype. */
    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16", "F16"})
    void weightsHaveTheBytesOfASavedModel(DType dtype) throws IOException {
        for (String name : List.of("gpt2-tied", "gemma2", "gpt_oss", "gguf/phi3.gguf", "gguf/llama-q4_k.gguf")) {
            Path original = Golden.folder(name);
            Path saved = Files.createDirectories(folder.resolve("saved"));
            try (CausalLM model = CausalLM.load(original, DType.F32)) {
                model.save(saved, dtype);
            }
            Path out = written(original, LoadOptions.DEFAULT.withDtype(dtype), Long.MAX_VALUE);
            for (String file : List.of(TensorStore.SINGLE, "config.json")) {
                assertThat(out.resolve(file)).as(name).hasSameBinaryContentAs(saved.resolve(file));
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16", "F16"})
    void aConvertedFolderIsTurnedBack(DType dtype) throws IOException {
        Path original = Golden.folder("gpt2-untied");
        Path panels = folder.resolve("panels");
        LoadOptions options = LoadOptions.DEFAULT.withDtype(dtype);
        Conversion.of(original).withOptions(options).toPanels(panels);
        Path back = folder.resolve("back");
        Conversion.of(panels).toHuggingFace(back);
        assertThat(back.resolve(TensorStore.SINGLE))
                .hasSameBinaryContentAs(
                        written(original, options, Long.MAX_VALUE).resolve(TensorStore.SINGLE));
    }

    @Test
    void theIndexNamesTheFileOfEachTensor() throws IOException {
        long most = 20_000;
        Path original = Golden.folder("gpt_oss"); // its experts share tensors
        Path out = written(original, F32, most);
        JsonNode index = json(out.resolve(TensorStore.INDEX));
        List<String> shards = index.get("weight_map")
                .valueStream()
                .map(JsonNode::stringValue)
                .distinct()
                .sorted()
                .toList();
        int count = shards.size();
        assertThat(count).isGreaterThan(2);
        long total = 0;
        try (Arena arena = Arena.ofConfined()) {
            TensorStore store = TensorStore.open(out, arena);
            for (String name : store.names()) {
                total += store.tensor(name).data().byteSize();
            }
        }
        assertThat(index.get("metadata").get("total_size").longValue()).isEqualTo(total);
        for (int i = 1; i <= count; i++) {
            assertThat(shards.get(i - 1)).isEqualTo("model-%05d-of-%05d.safetensors", i, count);
            assertThat(Files.size(out.resolve(shards.get(i - 1)))).isLessThan(most + 2_000);
        }
        float[] logits = logits(out);
        written(original, F32, Long.MAX_VALUE); // replaces them all
        assertThat(Arrays.equals(logits(out), logits)).isTrue();
        try (Stream<Path> files = Files.list(out)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder("config.json", TensorStore.SINGLE);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "gpt2, gpt2, GPT2LMHeadModel",
        "gemma2, gemma2, Gemma2ForCausalLM",
        "gemma3, gemma3_text, Gemma3ForCausalLM",
        "qwen3moe, qwen3_moe, Qwen3MoeForCausalLM",
        "gpt-oss, gpt_oss, GptOssForCausalLM",
        "phi3, phi3, Phi3ForCausalLM"
    })
    void theConfigurationSaysWhatOtherProgramsChooseBy(String name, String type, String architecture)
            throws IOException {
        Path file = GGUF.resolve(name + ".gguf");
        Path out = written(file, LoadOptions.DEFAULT.withDtype(DType.F16), Long.MAX_VALUE);
        JsonNode config = json(out.resolve("config.json"));
        assertThat(config.get("model_type").stringValue()).isEqualTo(type);
        assertThat(config.get("architectures").get(0).stringValue()).isEqualTo(architecture);
        assertThat(config.get("torch_dtype").stringValue()).isEqualTo("float16");
        JsonNode tokenizer = json(out.resolve("tokenizer_config.json"));
        assertThat(tokenizer.get("tokenizer_class").stringValue()).isEqualTo("PreTrainedTokenizerFast");
    }

    /** Hugging Face's library refuses a fourth key, and computes the gain by the same formula. */
    @Test
    void phi3HasTheThreeKeysOfItsScaling() throws IOException {
        Variant variant = Variant.of("phi3");
        variant.config().putNull("sliding_window");
        Path file = folder.resolve("phi3.gguf");
        Path original = variant.write(Files.createDirectory(folder.resolve("original")));
        Conversion.of(original).toGguf(file, GgufType.F32);
        Path out = written(file, F32, Long.MAX_VALUE);
        JsonNode config = json(out.resolve("config.json"));
        assertThat(config.get("rope_scaling").propertyNames())
                .containsExactlyInAnyOrder("type", "short_factor", "long_factor");
        assertThat(config.get("original_max_position_embeddings").intValue()).isEqualTo(16);
        assertThat(Arrays.equals(logits(out), logits(file))).isTrue();
    }

    @Test
    void theKeyOfNewerFilesDoesNotContradict() throws IOException {
        Variant variant = Variant.of("llama-untied");
        variant.config().put("dtype", "bfloat16").remove("architectures");
        Path original = variant.write(Files.createDirectory(folder.resolve("original")));
        JsonNode config = json(written(original, F32, Long.MAX_VALUE).resolve("config.json"));
        assertThat(config.has("dtype")).isFalse();
        assertThat(config.get("torch_dtype").stringValue()).isEqualTo("float32");
        assertThat(config.get("architectures").get(0).stringValue()).isEqualTo("LlamaForCausalLM");
    }

    @Test
    void progressEndsAtTheTotalOfAllFiles() throws IOException {
        LongStream.Builder seen = LongStream.builder();
        Path original = Golden.folder("llama-untied");
        Conversion.of(original)
                .withOptions(F32.withProgress((bytes, total) -> {
                    assertThat(bytes).isLessThanOrEqualTo(total);
                    seen.add(bytes == total ? 1 : 0);
                }))
                .withShardBytes(20_000)
                .toHuggingFace(folder.resolve("out"));
        assertThat(seen.build().sum()).isOne();
    }

    // ---- refusals

    @Test
    void quantisedWeightsNeedADtypeAndALargeNumberFitsNoF16() throws IOException {
        Path file = GGUF.resolve("llama-q4_k.gguf");
        assertThatThrownBy(() -> written(file, LoadOptions.DEFAULT, Long.MAX_VALUE))
                .isInstanceOf(FormatException.class)
                .hasMessage(file + ": expected a dtype for quantised weights, got none; choose one with --dtype");
        assertThatThrownBy(() -> written(file, LoadOptions.DEFAULT.withDtype(DType.INT8), Long.MAX_VALUE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("expected f32, bf16 or f16, got int8");
        Variant variant = Variant.of("llama-untied");
        float[] gains = variant.tensor("model.norm.weight").toArray();
        gains[0] = 1e6f;
        variant.with("model.norm.weight", DType.F32, List.of((long) gains.length), MemorySegment.ofArray(gains));
        Path large = variant.write(Files.createDirectory(folder.resolve("large")));
        assertThatThrownBy(() -> written(large, LoadOptions.DEFAULT.withDtype(DType.F16), Long.MAX_VALUE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("model.norm.weight: expected numbers that f16 holds, got 1000000.0; choose bf16");
        assertThat(folder).isDirectoryNotContaining(each -> !each.equals(large));
    }

    @Test
    void whatIsCancelledLeavesWhatWasThere() throws IOException {
        Path out = written(Golden.folder("gpt2-tied"), F32, Long.MAX_VALUE);
        assertThatThrownBy(() -> Conversion.of(Golden.folder("gpt2-odd"))
                        .withOptions(F32.withProgress((_, _) -> {
                            throw new CancellationException();
                        }))
                        .withShardBytes(1_000)
                        .withOverwrite(true)
                        .toHuggingFace(out))
                .isInstanceOf(CancellationException.class);
        assertThatThrownBy(() -> Conversion.of(Golden.folder("gpt2-odd"))
                        .withOptions(F32)
                        .withShardBytes(1_000)
                        .toHuggingFace(out))
                .hasMessageContaining("a new or empty folder");
        try (Checkpoint kept = Checkpoint.open(out)) {
            assertThat(kept.config().tied()).isTrue();
        }
        assertThat(folder).isDirectoryNotContaining(each -> !each.equals(out));
    }
}
