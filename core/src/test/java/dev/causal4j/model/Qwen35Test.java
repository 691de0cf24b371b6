package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.MixerConfig.GatedDelta;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.format.BlockType;
import dev.causal4j.format.Gguf;
import dev.causal4j.format.GgufWriter;
import dev.causal4j.format.TensorView;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.node.ObjectNode;

/** Qwen 3.5's own rules; {@link FamiliesTest} compares the arithmetic. */
class Qwen35Test {
    private static final int[] TOKENS = {5, 80, 3, 41, 2, 64, 7, 9, 30, 31, 32};
    private static final String SIZES = """
            {"model_type": "qwen3_5_text", "vocab_size": 99, "hidden_size": 64, "num_hidden_layers": 8,
             "num_attention_heads": 4, "intermediate_size": 60""";

    @TempDir
    private Path folder;

    private static ModelConfig config(String more) throws FormatException {
        return ModelConfig.parse(SIZES + more + "}");
    }

    @Test
    void absentKeysHaveTheValuesOfTheLibrary() throws FormatException {
        List<BlockConfig> blocks = config("").decoder().blocks();
        assertThat(blocks.getFirst().mixer()).isEqualTo(new GatedDelta(16, 32, 128, 128, 4, false));
        for (int layer = 0; layer < 8; layer++) {
            assertThat(blocks.get(layer).mixer() instanceof AttentionConfig).isEqualTo(layer % 4 == 3);
        }
        AttentionConfig attention = (AttentionConfig) blocks.get(3).mixer();
        assertThat(attention.headSize()).isEqualTo(256);
        assertThat(attention.kvHeads()).isEqualTo(4);
        assertThat(attention.gated()).isTrue();
        assertThat(Objects.requireNonNull(attention.rope()).width()).isEqualTo(64);
        assertThat(config("").tied()).isFalse();
        assertThat(config("").stateBytes()).isEqualTo(6 * 4 * (3 * 8192 + 32 * 128 * 128));
    }

    /** Sections of positions in pictures and films; in a text all three positions are equal. */
    @Test
    void sectionsOfPositionsChangeNothing() throws FormatException {
        String sections = ", \"rope_parameters\": {\"rope_type\": \"default\", \"mrope_interleaved\": true,"
                + " \"mrope_section\": [11, 11, 10], \"rope_theta\": 10000}";
        assertThat(config(sections).sameArchitecture(config(""))).isTrue();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"attn_output_gate\": false | attn_output_gate",
                "\"hidden_act\": \"gelu\" | hidden_act",
                "\"linear_num_value_heads\": 24 | linear_num_value_heads",
                "\"linear_num_value_heads\": 16384, \"linear_value_head_dim\": 16384 | linear_num_value_heads",
                "\"linear_conv_kernel_dim\": 0 | linear_conv_kernel_dim",
                "\"layer_types\": [\"linear_attention\"] | layer_types",
                "\"rope_parameters\": {\"rope_type\": \"mrope\"} | rope_type",
                "\"quantization_config\": {\"quant_method\": \"fp8\"} | quantization_config"
            })
    void whatWouldChangeTheArithmeticIsRefusedByName(String more, String key) {
        assertThatThrownBy(() -> config(", " + more))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining('"' + key + '"');
    }

    @Test
    void theOuterWordOnTyingCounts() throws IOException {
        Variant variant = Variant.of("qwen3_5-multimodal");
        ObjectNode text = (ObjectNode) variant.config().get("text_config");
        variant.config().put("tie_word_embeddings", true);
        text.put("tie_word_embeddings", false);
        assertThat(ModelConfig.parse(variant.config().toString()).tied()).isTrue();
        variant.config().remove("tie_word_embeddings");
        text.put("tie_word_embeddings", true);
        assertThat(ModelConfig.parse(variant.config().toString()).tied()).isTrue();
    }

    @Test
    void tensorsOfPicturesAreSkippedAndOthersAreNot() throws IOException {
        Variant variant = Variant.of("qwen3_5-multimodal");
        assertThat(variant.tensors().keySet())
                .anyMatch(name -> name.startsWith("model.visual."))
                .anyMatch(name -> name.startsWith("mtp."));
        variant.withZeros("model.language_model.layers.0.linear_attn.in_proj_x.weight", 3, 3);
        Path model = variant.write(folder);
        assertThatThrownBy(() -> Checkpoint.open(model).close())
                .isInstanceOf(FormatException.class)
                .hasMessageContaining("linear_attn.in_proj_x.weight");
    }

    @Test
    void expertsInOneTensorOrEachInItsOwnAreTheSameModel() throws IOException {
        Variant variant = Variant.of("qwen3_5_moe");
        for (TensorView fused : List.copyOf(variant.tensors().values())) {
            if (!fused.name().contains(".mlp.experts.")) {
                continue;
            }
            boolean up = fused.name().endsWith("gate_up_proj");
            String prefix = fused.name().replaceAll("(gate_up|down)_proj$", "");
            int experts = fused.shape().getFirst().intValue();
            long rows = fused.shape().get(1);
            long cols = fused.shape().get(2);
            long bytes = rows * cols * 4;
            for (int e = 0; e < experts; e++) {
                var own = fused.data().asSlice(e * bytes, bytes);
                if (up) {
                    List<Long> half = List.of(rows / 2, cols);
                    variant.with(prefix + e + ".gate_proj.weight", DType.F32, half, own.asSlice(0, bytes / 2));
                    variant.with(prefix + e + ".up_proj.weight", DType.F32, half, own.asSlice(bytes / 2));
                } else {
                    variant.with(prefix + e + ".down_proj.weight", DType.F32, List.of(rows, cols), own);
                }
            }
            variant.without(fused.name());
        }
        try (CausalLM fused = CausalLM.load(Golden.folder("qwen3_5_moe"));
                CausalLM single = CausalLM.load(variant.write(folder))) {
            assertThat(Logits.of(single, TOKENS)).isEqualTo(Logits.of(fused, TOKENS));
        }
    }

    @Test
    void aNewSequenceBeginsWithZerosInMemoryThatAnotherUsed() throws IOException {
        try (CausalLM model = CausalLM.load(Golden.folder("qwen3_5"))) {
            float[] expected = Logits.of(model, TOKENS);
            Logits.of(model, 9, 8, 7, 6, 5, 4, 3, 2, 1);
            assertThat(Logits.of(model, TOKENS)).isEqualTo(expected);
            try (KVCache cache = model.newCache()) {
                Activations activations = new Activations();
                model.forward(Batch.of(cache, 1, 2, 3), activations);
                cache.truncate(0);
                var hidden = model.forward(Batch.last(cache, TOKENS), activations);
                float[] logits = model.head().logits(hidden, 0);
                float[] last = new float[logits.length];
                System.arraycopy(expected, expected.length - last.length, last, 0, last.length);
                assertThat(logits).isEqualTo(last);
            }
        }
    }

    @Test
    void aCopyGoesOnByItself() throws IOException {
        try (CausalLM model = CausalLM.load(Golden.folder("qwen3_5"));
                KVCache cache = model.newCache()) {
            Activations activations = new Activations();
            model.forward(Batch.of(cache, 1, 2, 3), activations);
            try (KVCache copy = cache.copy()) {
                float[] expected = last(model, cache, activations, 4, 5);
                last(model, cache, activations, 6, 7);
                assertThat(last(model, copy, activations, 4, 5)).isEqualTo(expected);
            }
            assertThatThrownBy(() -> cache.truncate(4)).hasMessageContaining("recurrent layers");
        }
    }

    private static float[] last(CausalLM model, KVCache cache, Activations activations, int... tokens) {
        return model.head().logits(model.forward(Batch.last(cache, tokens), activations), 0);
    }

    /** GGUF has the value heads, and so the terms of a sum, in another order; both orders are the same model. */
    @ParameterizedTest
    @ValueSource(strings = {"qwen3_5-long", "qwen3_5_moe"})
    void aFileIsTheModelItWasWrittenFrom(String name) throws IOException {
        Path file = folder.resolve(name + ".gguf");
        Conversion.of(Golden.folder(name)).toGguf(file, GgufType.F32);
        Path back = folder.resolve("back");
        LoadOptions f32 = LoadOptions.DEFAULT.withDtype(DType.F32);
        Conversion.of(file).withOptions(f32).toHuggingFace(back);
        Path panels = folder.resolve("panels");
        Conversion.of(file).withOptions(f32).toPanels(panels);
        Path again = folder.resolve("again.gguf");
        Conversion.of(file).toGguf(again, GgufType.F32);
        try (CausalLM expected = CausalLM.load(Golden.folder(name));
                CausalLM gguf = CausalLM.load(file);
                CausalLM converted = CausalLM.load(panels);
                CausalLM rewritten = CausalLM.load(again);
                CausalLM saved = CausalLM.load(back)) {
            float[] logits = Logits.of(expected, TOKENS);
            assertThat(saved.config().sameArchitecture(expected.config())).isTrue();
            assertThat(Logits.of(saved, TOKENS)).isEqualTo(logits);
            float[] other = Logits.of(gguf, TOKENS);
            for (int i = 0; i < logits.length; i++) {
                assertThat(other[i]).isCloseTo(logits[i], Offset.offset(2e-4f));
            }
            assertThat(Logits.of(converted, TOKENS)).isEqualTo(other);
            assertThat(Logits.of(rewritten, TOKENS)).isEqualTo(other);
        }
    }

    /** The folder's configuration declares GGUF's order. */
    @Test
    void aFolderIsReadInTheOrderThatItsConfigurationSays() throws IOException {
        Variant variant = Variant.of("qwen3_5-long");
        variant.config().put("linear_value_heads_interleaved", true);
        try (CausalLM expected = CausalLM.load(Golden.folder("gguf").resolve("qwen3_5-long.gguf"));
                CausalLM actual = CausalLM.load(variant.write(folder))) {
            float[] logits = Logits.of(expected, TOKENS);
            float[] other = Logits.of(actual, TOKENS);
            for (int i = 0; i < logits.length; i++) {
                assertThat(other[i]).isCloseTo(logits[i], Offset.offset(1e-4f));
            }
        }
    }

    @Test
    void anEpsilonThatLlamaCppWouldAlsoNormQueriesWithIsRefused() {
        assertThatThrownBy(() -> Conversion.of(Golden.folder("qwen3_5")).toGguf(folder.resolve("x.gguf"), GgufType.F32))
                .isInstanceOf(UnsupportedModelException.class)
                .hasMessageContaining("qwen35.attention.layer_norm_rms_epsilon");
    }

    /** Multimodal files have a further block, which guesses the token after the next. */
    @Test
    void blocksThatGuessAreSkipped() throws IOException {
        Path twin = Golden.folder("gguf").resolve("qwen3_5-long.gguf");
        Path file = folder.resolve("x.gguf");
        try (Arena arena = Arena.ofConfined()) {
            Gguf gguf = Gguf.open(twin, arena);
            Map<String, Object> metadata = new LinkedHashMap<>();
            gguf.metadata()
                    .root()
                    .forEach((key, value) ->
                            metadata.put((String) key, value instanceof Double number ? number.floatValue() : value));
            int layers = (int) Objects.requireNonNull(metadata.get("qwen35.block_count"));
            metadata.put("qwen35.block_count", layers + 1);
            metadata.put("qwen35.nextn_predict_layers", 1);
            List<GgufWriter.Source> tensors = new ArrayList<>();
            for (String name : gguf.tensors().names()) {
                TensorView tensor = gguf.tensors().tensor(name);
                tensors.add(source(tensor, name));
                if (name.startsWith("blk.0.")) {
                    tensors.add(source(tensor, name.replace("blk.0.", "blk." + layers + ".")));
                }
            }
            GgufWriter.write(file, metadata, tensors, _ -> {});
        }
        try (CausalLM expected = CausalLM.load(twin);
                CausalLM actual = CausalLM.load(file)) {
            assertThat(Logits.of(actual, TOKENS)).isEqualTo(Logits.of(expected, TOKENS));
        }
    }

    private static GgufWriter.Source source(TensorView tensor, String name) {
        return new GgufWriter.Source(name, BlockType.F32, tensor.shape(), data -> data.copyFrom(tensor.data()));
    }
}
