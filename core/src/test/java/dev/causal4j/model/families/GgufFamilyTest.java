package dev.causal4j.model.families;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import dev.causal4j.format.Json;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorStore.Stored;
import dev.causal4j.model.ModelConfig;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Keys that no golden file has. */
class GgufFamilyTest {
    private static final int LAYERS = 62;

    private static final TensorStore TENSORS = new TensorStore(
            "x.gguf",
            Stream.concat(
                            Stream.of("token_embd.weight"),
                            IntStream.range(0, LAYERS).mapToObj(i -> "blk." + i + ".attn_norm.weight"))
                    .collect(Collectors.toMap(name -> name, _ -> tensor())),
            Map.of());

    private static Stored tensor() {
        return new Stored("x.gguf", "F32", List.of(8L, 16L), MemorySegment.ofArray(new float[128]));
    }

    private static Map<String, Object> keys(String architecture, Object... more) {
        Map<String, Object> keys = new HashMap<>();
        Json.object(
                        "context_length", 64,
                        "embedding_length", 16,
                        "block_count", 2,
                        "feed_forward_length", 8,
                        "attention.head_count", 2,
                        "attention.key_length", 4,
                        "attention.value_length", 4,
                        "attention.layer_norm_rms_epsilon", 1e-5)
                .forEach((key, value) -> keys.put(architecture + "." + key, value));
        Json.object(more).forEach((key, value) -> keys.put(architecture + "." + key, value));
        keys.put("general.architecture", architecture);
        return keys;
    }

    private static ModelConfig config(String architecture, Object... more) throws FormatException {
        Json metadata = new Json("x.gguf", keys(architecture, more));
        return new GgufFamily(metadata, TENSORS).read(metadata);
    }

    private static void same(ModelConfig one, ModelConfig other) {
        assertThat(one.decoder()).isEqualTo(other.decoder());
    }

    @Test
    void aFactorWithoutTypeIsLinear() throws FormatException {
        ModelConfig linear = config("llama", "rope.scaling.type", "linear", "rope.scaling.factor", 4.0);
        same(config("llama", "rope.scaling.factor", 4.0), linear);
        same(config("llama", "rope.scale_linear", 4.0), linear);
        ModelConfig none = config("llama");
        assertThat(none.decoder()).isNotEqualTo(linear.decoder());
        same(config("llama", "rope.scaling.type", "none", "rope.scaling.factor", 4.0), none);
    }

    @Test
    void numbersForEachLayerMustBeEqual() throws FormatException {
        same(
                config("llama", "attention.head_count", List.of(2, 2), "feed_forward_length", List.of(8, 8)),
                config("llama"));
        assertThatThrownBy(() -> config("llama", "feed_forward_length", List.of(8, 16)))
                .isInstanceOf(UnsupportedModelException.class)
                .hasMessageContaining("llama.feed_forward_length");
        assertThatThrownBy(() -> config("llama", "attention.head_count_kv", List.of(2)))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining("2 layers");
    }

    /** Their scores are divided by the root of a number that no key tells. */
    @Test
    void theLargestGemmasScaleByTheWidthOfTheirHeads() throws FormatException {
        Map<String, Integer> largest = Map.of("gemma2", 46, "gemma3", 62);
        for (Map.Entry<String, Integer> each : largest.entrySet()) {
            String wide = each.getKey();
            assertThat(scale(config(wide))).isEqualTo(1 / 2f);
            assertThat(scale(config(wide, "block_count", each.getValue()))).isEqualTo((float) (1 / Math.sqrt(8)));
        }
    }

    private static float scale(ModelConfig config) {
        return config.decoder().blocks().getFirst().attention().scale();
    }

    @Test
    void aContextWithoutBoundIsAsLongAsAnyCanBe() throws FormatException {
        assertThat(config("llama", "context_length", 0xffff_ffffL).decoder().contextLength())
                .isEqualTo(ModelConfig.MOST);
    }

    @Test
    void whatIsNotReadIsRefused() {
        refused("llama.expert_count", "expert_count", 8);
        refused("llama.attention.causal", "attention.causal", false);
        refused("llama.rope.dimension_count", "rope.dimension_count", 2);
        refused("llama.rope.scaling.type", "rope.scaling.type", "ntk");
        refused("llama.block_count", "block_count", 64);
        refused("llama.attention.value_length", "attention.value_length", 8);
    }

    private static void refused(String key, String name, Object value) {
        assertThatThrownBy(() -> config("llama", name, value))
                .isInstanceOf(FormatException.class)
                .hasMessageStartingWith("x.gguf, key \"" + key + "\": expected ");
    }

    // ---- what is written

    private static final Path GOLDEN = Path.of("src/test/resources/dev/causal4j/golden");

    private static Json golden(String name, Object... more) throws IOException {
        Json windowless = new Json("", Json.object("sliding_window", Json.NULL));
        return Json.read(GOLDEN.resolve(name + "/config.json")).with(windowless).with(new Json("", Json.object(more)));
    }

    /** llama.cpp has no tensors for these. */
    @ParameterizedTest
    @CsvSource({
        "qwen3-tied, attention_bias, blk.0.attn_q.bias",
        "qwen3-tied, mlp_bias, blk.0.ffn_gate.bias",
        "qwen2-tied, mlp_bias, blk.0.ffn_gate.bias",
        "phi3, attention_bias, blk.0.attn_qkv.bias"
    })
    void biasesThatLlamaCppHasNotAreRefused(String name, String key, String tensor) throws IOException {
        ModelConfig config = ModelConfig.of(golden(name, key, true));
        assertThatThrownBy(() -> GgufFamily.of("x", config))
                .isInstanceOf(UnsupportedModelException.class)
                .hasMessageStartingWith(
                        "x, tensor " + tensor + ": expected none, since llama.cpp has no such bias in ");
        assertThat(GgufFamily.of("x", ModelConfig.of(golden(name))).type()).isEqualTo(name.replace("-tied", ""));
    }

    @Test
    void factorsOfOthersThanLlamaAreRefusedByTheFrequencies() throws IOException {
        Map<String, Object> scaling =
                Json.object("rope_type", "llama3", "factor", 8.0, "original_max_position_embeddings", 16);
        ModelConfig config = ModelConfig.of(golden("qwen3-tied", "rope_scaling", scaling));
        assertThatThrownBy(() -> GgufFamily.of("x", config))
                .isInstanceOf(UnsupportedModelException.class)
                .hasMessageStartingWith("x, blocks[0].attention.rope.frequencies[");
    }
}
