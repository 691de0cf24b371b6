package dev.causal4j.model.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import dev.causal4j.decoder.ActivationFunction;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorStore.Stored;
import dev.causal4j.json.Json;
import dev.causal4j.model.families.Architecture;
import dev.causal4j.model.families.Families;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Keys that no golden file has. */
class GgufFamilyTest {
    private static final int LAYERS = 62;

    private static final Object[] WIDE = {"attention.key_length", 8, "attention.value_length", 8};

    private static final Object[] YARN = {
        "rope.scaling.type", "yarn", "rope.scaling.factor", 4.0, "rope.scaling.original_context_length", 16
    };

    private static Stored tensor(Integer... shape) {
        List<Long> sizes = Stream.of(shape).map(Integer::longValue).toList();
        int count = Stream.of(shape).reduce(1, Math::multiplyExact);
        float[] numbers = new float[count];
        Arrays.fill(numbers, 1);
        return new Stored("x.gguf", "F32", sizes, MemorySegment.ofArray(numbers));
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

    private static Architecture config(String architecture, Object... more) throws FormatException {
        return config(Map.of(), architecture, more);
    }

    /** The architecture of a file with these tensors, besides the tensors that each layer has. */
    private static Architecture config(Map<String, Stored> tensors, String architecture, Object... more)
            throws FormatException {
        return family(tensors, architecture, more).read();
    }

    private static GgufFamily family(Map<String, Stored> tensors, String architecture, Object... more)
            throws FormatException {
        Map<String, Object> keys = keys(architecture, more);
        int heads = keys.get(architecture + ".attention.head_count") instanceof Integer count ? count : 2;
        int headSize = (int) keys.getOrDefault(architecture + ".attention.key_length", 4);
        Map<String, Stored> all = new HashMap<>(Map.of("token_embd.weight", tensor(8, 16)));
        for (int layer = 0; layer < LAYERS; layer++) {
            all.put("blk." + layer + ".attn_q.weight", tensor(heads * headSize, 1));
        }
        all.putAll(tensors);
        return new GgufFamily(new Json("x.gguf", keys), new TensorStore("x.gguf", all, Map.of()));
    }

    private static void same(Architecture one, Architecture other) {
        assertThat(one.decoder()).isEqualTo(other.decoder());
    }

    @Test
    void aFactorWithoutTypeIsLinear() throws FormatException {
        Architecture linear = config("llama", "rope.scaling.type", "linear", "rope.scaling.factor", 4.0);
        same(config("llama", "rope.scaling.factor", 4.0), linear);
        same(config("llama", "rope.scale_linear", 4.0), linear);
        Architecture none = config("llama");
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

    /** Their scores are divided by the root of a number for which there is no key. */
    @Test
    void theLargestGemmasScaleByTheWidthOfTheirHeads() throws FormatException {
        Map<String, Integer> largest = Map.of("gemma2", 46, "gemma3", 62);
        for (Map.Entry<String, Integer> each : largest.entrySet()) {
            String wide = each.getKey();
            assertThat(scale(config(wide))).isEqualTo(1 / 2f);
            assertThat(scale(config(wide, "block_count", each.getValue()))).isEqualTo((float) (1 / Math.sqrt(8)));
        }
    }

    private static float scale(Architecture config) {
        return config.decoder().attentions().getFirst().scale();
    }

    @Test
    void aContextWithoutBoundIsAsLongAsAnyCanBe() throws FormatException {
        assertThat(config("llama", "context_length", 0xffff_ffffL).decoder().contextLength())
                .isEqualTo(Architecture.MOST);
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
        refused("gptneox.attention.key_length", "block_count", 2);
        refused("gpt2.attention.key_length", "block_count", 2);
        refused("gemma3.attention.sliding_window_pattern", "attention.sliding_window_pattern", List.of(true));
        refused("qwen3moe.expert_group_count", "expert_group_count", 2);
        refused("gemma2.rope.freq_base_swa", "rope.freq_base_swa", 5e3);
        refused("gpt-oss.rope.freq_base_swa", "rope.freq_base_swa", 5e3);
        refused("llama.rope.scaling.attn_factor", "rope.scaling.attn_factor", 1.5);
        refused("llama.rope.scaling.attn_factor", "rope.scaling.attn_factor", 1.5, "rope.scaling.factor", 2.0);
        refused("qwen2.rope.scaling.yarn_ext_factor", with(YARN, "rope.scaling.yarn_ext_factor", 0.5));
        refused("qwen2.rope.scaling.yarn_attn_factor", with(YARN, "rope.scaling.yarn_attn_factor", 2.0));
    }

    private static void refused(String key, Object... more) {
        refused(Map.of(), key, more);
    }

    private static void refused(Map<String, Stored> tensors, String key, Object... more) {
        String architecture = key.substring(0, key.indexOf('.'));
        assertThatThrownBy(() -> config(tensors, architecture, more))
                .isInstanceOf(FormatException.class)
                .hasMessageStartingWith("x.gguf, key \"" + key + "\": expected ");
    }

    /** Parameters are listed for each expert, so the file must have them. */
    @Test
    void expertsThatAreNotInTheFileAreRefused() {
        assertThatThrownBy(() -> config("qwen3moe", "expert_count", 1024, "expert_used_count", 2))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining("blk.0.ffn_gate_inp.weight");
    }

    /** Each head has parts of its own, so the file must have them. */
    @Test
    void headsThatAreNotInTheFileAreRefused() {
        refused(Map.of("blk.1.attn_q.weight", tensor(16, 1)), "llama.attention.head_count");
        refused(Map.of("blk.0.attn_qkv.weight", tensor(8, 1)), "llama.attention.head_count");
    }

    @Test
    void gatesAndUpsOfExpertsMayLieInOneTensor() throws FormatException {
        String fused = "blk.0.ffn_gate_up_exps.weight";
        assertThat(family(Map.of(fused, tensor(4, 16, 16)), "qwen3moe").names().modules())
                .containsEntry("expert_gate_up", "ffn_gate_up_exps");
        assertThat(family(Map.of(), "qwen3moe").names().modules()).doesNotContainKey("expert_gate_up");
    }

    @Test
    void routersAreComparedByTheirRows() throws FormatException {
        Object[] experts = {"expert_count", 4, "expert_used_count", 2, "expert_feed_forward_length", 8};
        Map<String, Stored> routers =
                Map.of("blk.0.ffn_gate_inp.weight", tensor(4, 3), "blk.1.ffn_gate_inp.weight", tensor(4, 3));
        assertThat(config(routers, "qwen3moe", experts).decoder().blocks()).hasSize(2);
        refused(Map.of("blk.0.ffn_gate_inp.weight", tensor(3, 16)), "qwen3moe.expert_count", experts);
    }

    @Test
    void anArchitectureThatIsNeverTiedHasAHead() throws FormatException {
        assertThat(config("llama").tied()).isTrue();
        assertThat(config(Map.of("output.weight", tensor(8, 16)), "llama").tied())
                .isFalse();
        assertThat(config("olmo2", WIDE).tied()).isFalse();
        assertThat(config("gptneox", with(WIDE, "attention.layer_norm_epsilon", 1e-5))
                        .tied())
                .isFalse();
    }

    @Test
    void withoutAWindowAllLayersHaveTheSamePositions() throws FormatException {
        Object[] theta = {"block_count", 7, "rope.freq_base", 1e6, "rope.scaling.factor", 8.0};
        assertThat(config("gemma3", with(theta, "attention.sliding_window", 3)).decoder().blocks().stream()
                        .distinct())
                .hasSize(2);
        Architecture none = config("gemma3", theta);
        assertThat(none.decoder().blocks().stream().distinct()).hasSize(1);
        assertThat(rope(none).frequencies().getLast()).isCloseTo(1e-3 / 8, within(1e-12));
        same(config("gemma3", with(theta, "attention.sliding_window", 0)), none);
    }

    private static RopeConfig rope(Architecture config) {
        return Objects.requireNonNull(config.decoder().attentions().getFirst().rope());
    }

    @Test
    void theBaseOfLayersWithWindowsMayBeSaidTwice() throws FormatException {
        same(config("gemma2", "rope.freq_base_swa", 1e4), config("gemma2"));
    }

    @Test
    void yarnHasTheBandOfTheFile() throws FormatException {
        Architecture plain = config("qwen2", YARN);
        Object[] defaults = {
            "rope.scaling.yarn_beta_fast", 32.0,
            "rope.scaling.yarn_beta_slow", 1.0,
            "rope.scaling.yarn_ext_factor", 1.0,
            "rope.scaling.yarn_attn_factor", (float) (0.1 * Math.log(4) + 1)
        };
        same(config("qwen2", with(YARN, defaults)), plain);
        Object[] band = {"rope.freq_base", 100.0, "rope.scaling.yarn_beta_fast", 2.0, "rope.scaling.yarn_beta_slow", 0.1
        };
        Map<String, Object> scaling = Json.object(
                "rope_type", "yarn",
                "factor", 4.0,
                "original_max_position_embeddings", 16,
                "beta_fast", 2.0,
                "beta_slow", 0.1);
        Map<String, Object> same = Json.object(
                "model_type", "qwen2",
                "vocab_size", 8,
                "hidden_size", 16,
                "num_attention_heads", 2,
                "num_key_value_heads", 2,
                "head_dim", 4,
                "num_hidden_layers", 2,
                "intermediate_size", 8,
                "max_position_embeddings", 64,
                "rope_theta", 100.0,
                "rope_scaling", scaling);
        Architecture read = config("qwen2", with(YARN, band));
        assertThat(rope(read)).isEqualTo(rope(Families.read(new Json("", same))));
        assertThat(rope(read)).isNotEqualTo(rope(config("qwen2", with(YARN, "rope.freq_base", 100.0))));
    }

    /** 30 / 44 times 44 is less in floating point. */
    @Test
    void partialRotationHasTheWidthOfTheFile() throws FormatException {
        for (int width : new int[] {2, 30, 42, 44}) {
            Object[] partial = {"attention.key_length", 44, "attention.value_length", 44, "rope.dimension_count", width
            };
            assertThat(rope(config("phi3", partial)).width()).isEqualTo(width);
        }
    }

    /** GPT-NeoX-20B, by its size. */
    @Test
    void theLargestGptNeoxHasTheTanhFormOfGelu() throws FormatException {
        Object[] large = {
            "embedding_length", 6144,
            "attention.head_count", 64,
            "attention.key_length", 96,
            "attention.value_length", 96,
            "attention.layer_norm_epsilon", 1e-5
        };
        assertThat(activation(config("gptneox", with(large, "block_count", 44))))
                .isEqualTo(ActivationFunction.GELU_TANH);
        assertThat(activation(config("gptneox", with(large, "block_count", 43))))
                .isEqualTo(ActivationFunction.GELU);
    }

    private static ActivationFunction activation(Architecture config) {
        return config.decoder().blocks().getFirst().feedForward().each().activation();
    }

    // ---- factors of frequencies

    private static final String FACTORS = "rope_freqs.weight";
    private static final String SHORT = "rope_factors_short.weight";
    private static final String LONG = "rope_factors_long.weight";

    private static List<String> buffers(String architecture) throws FormatException {
        GgufFamily family = family(Map.of(), architecture);
        var decoder = config("llama").decoder();
        return Stream.of(FACTORS, SHORT, LONG, "rope_frozen")
                .filter(name -> family.isBuffer(decoder, name))
                .toList();
    }

    /** In other architectures these tensors are not read. */
    @Test
    void factorsAreBuffersWhereTheyAreRead() throws FormatException {
        assertThat(buffers("llama")).containsExactly(FACTORS);
        assertThat(buffers("phi3")).containsExactly(SHORT, LONG);
        assertThat(buffers("granite")).isEmpty();
        same(config(Map.of(LONG, tensor(2)), "qwen2"), config("qwen2"));
    }

    @Test
    void factorsHaveNoOtherScalingBesideThem() throws FormatException {
        Map<String, Stored> factors = Map.of(FACTORS, tensor(2));
        assertThat(rope(config(factors, "llama", "rope.scaling.type", "none", "rope.scaling.factor", 8.0)))
                .isEqualTo(rope(config("llama")));
        refused(factors, "llama.rope.scaling.factor", "rope.scaling.factor", 8.0);
        refused(factors, "llama.rope.scaling.factor", YARN);
        refused(factors, "llama.rope.scaling.attn_factor", "rope.scaling.attn_factor", 1.5);
        Map<String, Stored> both = Map.of(SHORT, tensor(2), LONG, tensor(2));
        assertThat(rope(config(both, "phi3", "rope.scaling.attn_factor", 1.5)).gain())
                .isEqualTo(1.5f);
        refused(both, "phi3.rope.scaling.factor", "rope.scaling.factor", 8.0);
    }

    @Test
    void factorsOfShortTextsAloneAreRefused() {
        assertThatThrownBy(() -> config(Map.of(SHORT, tensor(2)), "phi3"))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining(LONG);
    }

    /** A number, or one for each layer. */
    @Test
    void aPatternSaysWhichLayersHaveWindows() throws FormatException {
        Object[] window = with(WIDE, "attention.sliding_window", 3);
        String pattern = "attention.sliding_window_pattern";
        assertThat(windows(config("olmo2", window))).containsExactly(3, 3);
        assertThat(windows(config("olmo2", with(window, pattern, 1)))).containsExactly(0, 0);
        assertThat(windows(config("olmo2", with(window, pattern, List.of(false, true)))))
                .containsExactly(0, 3);
    }

    private static Object[] with(Object[] keys, Object... more) {
        return Stream.concat(Stream.of(keys), Stream.of(more)).toArray();
    }

    private static List<Integer> windows(Architecture config) {
        return config.decoder().attentions().stream()
                .map(AttentionConfig::window)
                .toList();
    }

    // ---- writing

    private static final Path GOLDEN = Path.of("src/test/resources/dev/causal4j/golden");

    private static Json golden(String name, Object... more) throws IOException {
        Map<String, Object> windowless = Json.object("sliding_window", Json.NULL);
        return Json.read(GOLDEN.resolve(name + "/config.json")).with(windowless).with(Json.object(more));
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
        Architecture config = Families.read(golden(name, key, true).with(Json.object(sayable)));
        assertThatThrownBy(() -> GgufFamily.of("x", config))
                .isInstanceOf(UnsupportedModelException.class)
                .hasMessageStartingWith(
                        "x, tensor " + tensor + ": expected none, since llama.cpp has no such bias in ");
        assertThat(GgufFamily.of("x", Families.read(golden(name, sayable))).type())
                .isEqualTo(name.replace("-tied", ""));
    }

    @Test
    void factorsOfOthersThanLlamaAreRefusedByTheFrequencies() throws IOException {
        Map<String, Object> scaling =
                Json.object("rope_type", "llama3", "factor", 8.0, "original_max_position_embeddings", 16);
        Architecture config = Families.read(golden("qwen3-tied", "rope_scaling", scaling));
        assertThatThrownBy(() -> GgufFamily.of("x", config))
                .isInstanceOf(UnsupportedModelException.class)
                .hasMessageStartingWith("x, blocks[0].mixer.rope.frequencies[");
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
        "qwen3_moe, norm_topk_prob, false, 'blocks[0].feedForward.routing.sumsToOne: expected true'",
        "mixtral, sliding_window, 9, 'blocks[0].mixer.window: expected 0'",
        "lfm2_moe, norm_topk_prob, false, 'blocks[1].feedForward.routing.sumsToOne: expected true'",
        "lfm2_moe, routed_scaling_factor, 1.5, 'blocks[1].feedForward.routing.factor: expected 1.0'",
        "lfm2, conv_bias, true, 'tensor blk.0.shortconv.in_proj.bias: expected none'",
        "ministral3, sliding_window, 9, 'blocks[0].mixer.window: expected 0'",
        "gpt_oss, layer_types, '[\"full_attention\", \"sliding_attention\"]', 'blocks[0].mixer.window: expected 9'",
        "granite, rope_scaling, '{\"rope_type\": \"llama3\", \"factor\": 8.0}', 'blocks[0].mixer.rope.frequencies['",
        "olmo2, head_dim, 12, 'key \"olmo2.attention.key_length\": expected embedding_length /'"
    })
    void whatLlamaCppDoesAnotherWayIsRefused(String name, String key, String value, String told) throws IOException {
        Json values = Json.parse("", ("{\"" + key + "\": " + value + "}").getBytes(StandardCharsets.UTF_8));
        Json sayable =
                golden(name, "mlp_only_layers", Json.NULL, "sliding_window", name.equals("gpt_oss") ? 9 : Json.NULL);
        assertThat(GgufFamily.of("x", Families.read(sayable)).type()).isEqualTo(name);
        Architecture config = Families.read(sayable.with(values.root()));
        assertThatThrownBy(() -> GgufFamily.of("x", config))
                .isInstanceOf(UnsupportedModelException.class)
                .hasMessageStartingWith("x, " + told);
    }
}
