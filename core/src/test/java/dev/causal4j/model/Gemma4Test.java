package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.Values;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.format.TensorView;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The rules of Gemma 4 alone; {@link FamiliesTest} compares the arithmetic. */
class Gemma4Test {
    private static final String LEAST = """
            {"model_type": "%s", "vocab_size": 64, "hidden_size": 48, "num_hidden_layers": 7,
             "num_attention_heads": 8, "intermediate_size": 20, "vocab_size_per_layer_input": 64%s}""";

    @TempDir
    private Path folder;

    private static ModelConfig config(String type, String more) throws FormatException {
        return ModelConfig.parse(LEAST.formatted(type, more));
    }

    private static AttentionConfig attention(ModelConfig config, int layer) {
        return config.decoder().attentions().get(layer);
    }

    @Test
    void absentKeysHaveTheFamilysDefaults() throws FormatException {
        ModelConfig config = config("gemma4_text", "");
        AttentionConfig local = attention(config, 0);
        AttentionConfig full = attention(config, 5);
        assertThat(local.window()).isEqualTo(512);
        assertThat(full.window()).isZero();
        assertThat(local.headSize()).isEqualTo(256);
        assertThat(full.headSize()).isEqualTo(512);
        assertThat(List.of(local.kvHeads(), full.kvHeads())).containsExactly(4, 4);
        assertThat(List.of(local.scale(), full.scale())).containsExactly(1f, 1f);
        assertThat(List.of(local.values(), full.values())).containsExactly(Values.NORMED, Values.NORMED);
        assertThat(Objects.requireNonNull(config.decoder().perLayer()).width()).isEqualTo(256);
        assertThat(config.tied()).isTrue();
        assertThat(config.logitCap()).isZero();
    }

    @Test
    void theUnifiedModelHasNoInputsOfEachLayersOwn() throws FormatException {
        assertThat(config("gemma4_unified_text", "").decoder().perLayer()).isNull();
    }

    @Test
    void theLastLayerIsFullWhateverTheListSays() throws FormatException {
        String kinds = "\"sliding_attention\", ".repeat(6) + "\"sliding_attention\"";
        List<Integer> windows =
                config("gemma4_text", ", \"layer_types\": [" + kinds + "]").decoder().attentions().stream()
                        .map(AttentionConfig::window)
                        .toList();
        assertThat(windows).containsExactly(512, 512, 512, 512, 512, 512, 0);
    }

    /** The exponents are divided by the size of the whole head. */
    @Test
    void fullLayersTurnTheFirstPairsOfTheWholeHead() throws FormatException {
        List<Double> frequencies = Objects.requireNonNull(
                        attention(config("gemma4_text", ""), 5).rope())
                .frequencies();
        assertThat(frequencies).hasSize(256);
        assertThat(frequencies.get(63)).isEqualTo(StrictMath.pow(1e6, -126.0 / 512));
        assertThat(frequencies.subList(64, 256)).containsOnly(0.0);
    }

    @Test
    void layersOfOneKindShareTheirFrequenciesAndAllTogetherAreBounded() throws FormatException {
        ModelConfig config = config("gemma4_text", "");
        assertThat(attention(config, 1).rope()).isSameAs(attention(config, 0).rope());
        config("gemma4_text", ", \"head_dim\": 524288, \"global_head_dim\": 524288");
        assertThatThrownBy(() -> config("gemma4_text", ", \"head_dim\": 524288, \"global_head_dim\": 524290"))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining("expected sizes of heads with a sum of at most 1048576");
    }

    @Test
    void layersReadTheKeysOfTheLastOfTheirKind() throws FormatException {
        String kinds = """
                , "layer_types": ["full_attention", "sliding_attention", "full_attention", "sliding_attention",
                "sliding_attention", "sliding_attention", "full_attention"], "num_kv_shared_layers": 2,
                "use_double_wide_mlp": true""";
        ModelConfig config = config("gemma4_text", kinds);
        assertThat(config.decoder().attentions().stream().map(AttentionConfig::keysOf))
                .containsExactly(-1, -1, -1, -1, -1, 4, 2);
        assertThat(config.decoder().blocks().stream()
                        .map(block -> block.feedForward().each().innerSize()))
                .containsExactly(20, 20, 20, 20, 20, 40, 40);
        long each = 8L * 4;
        assertThat(config.cacheBytes(1)).isEqualTo(each * (3 * 256 + 2 * 512));
        assertThatThrownBy(() -> config("gemma4_text", kinds.replace("layers\": 2", "layers\": 6")))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining("\"num_kv_shared_layers\": expected a layer of kind sliding_attention before");
    }

    @Test
    void aListOfLayersReplacesBothKeysOfFullOnes() throws FormatException {
        String listed = """
                , "global_head_dim": 40, "num_global_key_value_heads": 2, "attention_k_eq_v": true,
                "per_layer_config": {"5": {"head_dim": 24, "num_key_value_heads": 1}, "1": {"head_dim": 8}}""";
        ModelConfig config = config("gemma4_text", listed);
        assertThat(config.decoder().attentions().stream().map(AttentionConfig::headSize))
                .containsExactly(256, 8, 256, 256, 256, 24, 256);
        assertThat(config.decoder().attentions().stream().map(AttentionConfig::kvHeads))
                .containsExactly(4, 4, 4, 4, 4, 1, 4);
        assertThat(attention(config, 5).values()).isEqualTo(Values.KEYS);
        assertThat(attention(config, 5).projected()).containsExactly(8 * 24, 24);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"use_bidirectional_attention\": \"all\"",
                "\"hidden_activation\": \"mish\"",
                "\"quantization_config\": {\"quant_method\": \"fp8\"}",
                "\"vocab_size_per_layer_input\": 63",
                "\"rope_parameters\": {\"full_attention\": {\"rope_type\": \"yarn\"}}"
            })
    void whatCannotRunIsRefusedByName(String key) {
        assertThatThrownBy(() -> config("gemma4_text", ", " + key))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining(key.substring(1, key.indexOf('"', 1)).replace("rope_parameters", "rope_type"));
    }

    @Test
    void visionIsNoReasonToRefuseText() throws FormatException {
        assertThat(config("gemma4_text", ", \"use_bidirectional_attention\": \"vision\"")
                        .sameArchitecture(config("gemma4_text", "")))
                .isTrue();
    }

    private static float[] logits(Path model) throws IOException {
        int[] tokens = {5, 60, 3, 41, 2, 63, 7, 9, 30, 31, 32};
        try (CausalLM loaded = CausalLM.load(model)) {
            return Logits.of(loaded, tokens);
        }
    }

    @Test
    void expertsMayLieInATensorEach() throws IOException {
        Variant variant = Variant.of("gemma4-moe");
        for (TensorView all : List.copyOf(variant.tensors().values())) {
            if (all.name().contains("experts.")) {
                separate(variant, all);
            }
        }
        Path single = variant.write(Files.createDirectory(folder.resolve("single")));
        assertThat(logits(single)).isEqualTo(logits(Golden.folder("gemma4-moe")));
    }

    private static void separate(Variant variant, TensorView all) {
        int count = all.shape().get(0).intValue();
        int rows = all.shape().get(1).intValue();
        int cols = all.shape().get(2).intValue();
        float[] numbers = all.toArray();
        boolean up = all.name().endsWith("gate_up_proj");
        List<String> names = up ? List.of("gate_proj", "up_proj") : List.of("down_proj");
        int each = rows / names.size();
        for (int i = 0; i < count * names.size(); i++) {
            String expert = i / names.size() + "." + names.get(i % names.size()) + ".weight";
            float[] own = Arrays.copyOfRange(numbers, i * each * cols, (i + 1) * each * cols);
            List<Long> shape = List.of((long) each, (long) cols);
            String name = all.name().replaceAll("[a-z_]+$", expert);
            variant.with(name, DType.F32, shape, MemorySegment.ofArray(own));
        }
        variant.without(all.name());
    }

    @Test
    void keysThatAreNeverReadAreSkippedAndOthersAreNot() throws IOException {
        String prefix = "model.language_model.layers.4.self_attn.";
        Variant variant = Variant.of("gemma4-multimodal");
        assertThat(variant.tensors()).containsKey(prefix + "k_proj.weight");
        for (String name : List.of("k_proj", "v_proj", "k_norm")) {
            variant.without(prefix + name + ".weight");
        }
        Path without = variant.write(Files.createDirectory(folder.resolve("without")));
        assertThat(logits(without)).isEqualTo(logits(Golden.folder("gemma4-multimodal")));
        for (String name : List.of(prefix + "v_norm.weight", prefix.replace('4', '3') + "k_bias.weight")) {
            Path more =
                    Variant.of("gemma4-multimodal").withZeros(name, 2).write(Files.createTempDirectory(folder, "more"));
            assertThatThrownBy(() -> Checkpoint.open(more).close())
                    .isInstanceOf(FormatException.class)
                    .hasMessageContaining(name);
        }
    }

    /** The scale is not a parameter: it is neither counted nor trained. */
    @Test
    void theLayersScaleMultipliesTheStream() throws IOException {
        Variant variant = Variant.of("gemma4");
        String last = "model.layers.5.layer_scalar";
        float scalar = variant.tensor(last).toArray()[0];
        variant.with(last, DType.F32, List.of(1L), MemorySegment.ofArray(new float[] {4 * scalar}));
        variant.config().put("rms_norm_eps", 0).remove("final_logit_softcapping");
        Path scaled = variant.write(Files.createDirectory(folder.resolve("scaled")));
        Variant plain = Variant.of("gemma4");
        plain.config().put("rms_norm_eps", 0).remove("final_logit_softcapping");
        Path unscaled = plain.write(Files.createDirectory(folder.resolve("unscaled")));
        assertThat(logits(scaled)).isEqualTo(logits(unscaled)); // the last norm divides it away, exactly
        ModelConfig config = ModelConfig.read(Golden.folder("gemma4").resolve("config.json"));
        long buffers = config.specs().stream()
                .filter(spec -> spec.role() == Role.BUFFER)
                .count();
        assertThat(buffers).isEqualTo(6);
        assertThat(config.specs().stream().mapToLong(spec -> spec.size()).sum() - config.parameters())
                .isEqualTo(6);
    }

    @Test
    void theTableStaysInItsFileWhateverTheDtype() throws IOException {
        try (CausalLM model = CausalLM.load(Golden.folder("gemma4-e2b"), DType.BF16);
                CausalLM whole = CausalLM.load(Golden.folder("gemma4-e2b"))) {
            var table = SmallModels.spec(model, "per_layer_embedding.weight");
            float[] row = new float[table.cols()];
            float[] same = new float[table.cols()];
            Objects.requireNonNull(model.stored(table)).row(7, row);
            Objects.requireNonNull(whole.stored(table)).row(7, same);
            assertThat(row).isEqualTo(same);
            assertThat(model.config().lookedUpParameters()).isEqualTo(103L * 8 * 6);
        }
    }

    /** In a converted folder the table's rows are the decoded numbers of the blocks. */
    @Test
    void aTableInBlocksIsDequantisedByTheRow() throws IOException {
        ModelConfig config = SmallModels.config("""
                {"model_type": "gemma4_text", "vocab_size": 64, "vocab_size_per_layer_input": 64, "hidden_size": 32,
                 "num_hidden_layers": 4, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16,
                 "global_head_dim": 16, "hidden_size_per_layer_input": 8, "intermediate_size": 32}""");
        Path original = Files.createDirectory(folder.resolve("original"));
        Path file = folder.resolve("blocks.gguf");
        Path panels = folder.resolve("panels");
        try (CausalLM model = CausalLM.create(config, 5, DType.F32)) {
            model.save(original, DType.F32);
        }
        Conversion.of(original).toGguf(file, GgufType.Q8_0);
        Conversion.of(file)
                .withOptions(LoadOptions.DEFAULT.withDtype(DType.INT8))
                .toPanels(panels);
        float[] whole = row(original);
        float[] blocks = row(file);
        assertThat(blocks).isNotEqualTo(whole);
        assertThat(blocks).containsExactly(whole, within(1e-3f));
        assertThat(row(panels)).isEqualTo(blocks);
    }

    private static float[] row(Path path) throws IOException {
        try (CausalLM model = CausalLM.load(path)) {
            var table = SmallModels.spec(model, "per_layer_embedding.weight");
            float[] row = new float[table.cols()];
            Objects.requireNonNull(model.stored(table)).row(41, row);
            return row;
        }
    }

    @Test
    void layersThatReadOthersKeysTakeNoPages() throws IOException {
        try (CausalLM model = CausalLM.load(Golden.folder("gemma4-e2b"));
                CausalLM own = CausalLM.create(own(model.config()), 1, DType.F32)) {
            PagePool pool = model.decoder().pool();
            assertThat(pool.pageBytes()).isEqualTo(PagePool.POSITIONS * 8L * (4 * 10 + 16));
            assertThat(own.decoder().pool().pageBytes()).isEqualTo(PagePool.POSITIONS * 8L * (5 * 10 + 3 * 16));
            try (KVCache cache = model.newCache()) {
                assertThat(cache.reserve(9)).isTrue();
            }
        }
    }

    private static ModelConfig own(ModelConfig config) throws FormatException {
        var json = new java.util.LinkedHashMap<String, Object>(config.toJson());
        json.put("num_kv_shared_layers", 0);
        return SmallModels.config(new dev.causal4j.json.Json("config.json", json));
    }
}
