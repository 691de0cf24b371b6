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
import java.nio.charset.StandardCharsets;
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
        refused("qwen3moe.expert_count", "expert_count", 0);
        refused("qwen3moe.expert_used_count", "expert_count", 4);
        refused("gpt-oss.attention.sliding_window", "expert_count", 4);
        refused("granite.rope.scaling.finetuned", "rope.scaling.finetuned", false);
        refused("granite.expert_count", "expert_count", 4);
        refused("olmo2.attention.key_length", "block_count", 2); // 4 where heads of D have 8
        refused("gemma3.attention.sliding_window_pattern", "attention.sliding_window_pattern", List.of(true));
    }

    private static void refused(String key, String name, Object value) {
        String architecture = key.substring(0, key.indexOf('.'));
        assertThatThrownBy(() -> config(architecture, name, value))
                .isInstanceOf(FormatException.class)
                .hasMessageStartingWith("x.gguf, key \"" + key + "\": expected ");
    }

    /** Parameters are listed for each, so a file has to have them. */
    @Test
    void expertsThatAreNotInTheFileAreRefused() {
        assertThatThrownBy(() -> config("qwen3moe", "expert_count", 1024, "expert_used_count", 2))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining("blk.0.ffn_gate_inp.weight");
    }

    /** A number, or one for each layer. */
    @Test
    void aPatternSaysWhichLayersHaveWindows() throws FormatException {
        Object[] window = {"attention.sliding_window", 3, "attention.key_length", 8, "attention.value_length", 8};
        assertThat(windows(config("olmo2", window))).containsExactly(3, 3);
        assertThat(windows(config("olmo2", with(window, 1)))).containsExactly(0, 0);
        assertThat(windows(config("olmo2", with(window, List.of(false, true))))).containsExactly(0, 3);
    }

    private static Object[] with(Object[] keys, Object pattern) {
        return Stream.concat(Stream.of(keys), Stream.of("attention.sliding_window_pattern", pattern))
                .toArray();
    }

    private static List<Integer> windows(ModelConfig config) {
        return config.decoder().blocks().stream()
                .map(block -> block.attention().window())
                .toList();
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
        "phi3, attention_bias, blk.0.attn_qkv.bias",
        "qwen3_moe, attention_bias, blk.0.attn_q.bias",
        "smollm3, attention_bias, blk.0.attn_q.bias",
        "smollm3, mlp_bias, blk.0.ffn_gate.bias",
        "olmo2, attention_bias, blk.0.attn_q.bias",
        "mixtral, mlp_bias, blk.0.ffn_gate_exps.bias"
    })
    void biasesThatLlamaCppHasNotAreRefused(String name, String key, String tensor) throws IOException {
        Object[] sayable = {"no_rope_layers", Json.NULL, "mlp_only_layers", Json.NULL};
        ModelConfig config = ModelConfig.of(golden(name, key, true).with(new Json("", Json.object(sayable))));
        assertThatThrownBy(() -> GgufFamily.of("x", config))
                .isInstanceOf(UnsupportedModelException.class)
                .hasMessageStartingWith(
                        "x, tensor " + tensor + ": expected none, since llama.cpp has no such bias in ");
        assertThat(GgufFamily.of("x", ModelConfig.of(golden(name, sayable))).type())
                .isEqualTo(name.replace("-tied", ""));
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

    /** llama.cpp has no keys for these, and other values in its program. */
    @ParameterizedTest
    @CsvSource({
        "olmo2, tie_word_embeddings, true, 'key \"tie_word_embeddings\": expected false of olmo2'",
        "gpt_neox, tie_word_embeddings, true, 'key \"tie_word_embeddings\": expected false of gptneox'",
        "gpt_oss, tie_word_embeddings, true, 'key \"tie_word_embeddings\": expected false of gpt-oss'",
        "gpt_neox, attention_bias, false, 'key \"attention_bias\": expected true of gptneox'",
        "gpt_oss, attention_bias, false, 'key \"attention_bias\": expected true of gpt-oss'",
        "gpt_neox, hidden_act, '\"gelu_new\"', 'blocks[0].feedForward.activation: expected GELU'",
        "qwen3_moe, norm_topk_prob, false, 'blocks[0].feedForward.routing: expected SOFTMAX_OF_CHOSEN'",
        "mixtral, sliding_window, 9, 'blocks[0].attention.window: expected 0'",
        "gpt_oss, layer_types, '[\"full_attention\", \"sliding_attention\"]', 'blocks[0].attention.window: expected 9'",
        "granite, rope_scaling, '{\"rope_type\": \"llama3\", \"factor\": 8.0}', 'blocks[0].attention.rope.frequencies['",
        "olmo2, head_dim, 12, 'key \"olmo2.attention.key_length\": expected embedding_length /'"
    })
    void whatLlamaCppDoesAnotherWayIsRefused(String name, String key, String value, String told) throws IOException {
        Json values = Json.parse("", ("{\"" + key + "\": " + value + "}").getBytes(StandardCharsets.UTF_8));
        Json sayable =
                golden(name, "mlp_only_layers", Json.NULL, "sliding_window", name.equals("gpt_oss") ? 9 : Json.NULL);
        assertThat(GgufFamily.of("x", ModelConfig.of(sayable)).type()).isEqualTo(name);
        ModelConfig config = ModelConfig.of(sayable.with(values));
        assertThatThrownBy(() -> GgufFamily.of("x", config))
                .isInstanceOf(UnsupportedModelException.class)
                .hasMessageStartingWith("x, " + told);
    }
}
