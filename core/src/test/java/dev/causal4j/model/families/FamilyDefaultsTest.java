package dev.causal4j.model.families;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ActivationFunction;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Experts;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Routing;
import dev.causal4j.decoder.BlockConfig.MixerConfig.ShortConv;
import dev.causal4j.decoder.BlockConfig.Residual;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.json.Json;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.model.SmallModels;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Each family has its own defaults for keys that are absent or null. */
class FamilyDefaultsTest {
    /** The keys without which there is no model. */
    private static ObjectNode keys(String family) {
        ObjectNode keys = JsonMapper.shared()
                .createObjectNode()
                .put("model_type", family)
                .put("vocab_size", 64)
                .put("hidden_size", 1024)
                .put("num_hidden_layers", 6)
                .put("num_attention_heads", 32)
                .put("intermediate_size", 48);
        if (family.equals("qwen3_moe")) {
            keys.put("num_experts", 8).put("moe_intermediate_size", 20);
        }
        if (family.equals("lfm2_moe")) {
            keys.put("moe_intermediate_size", 20);
        }
        return keys;
    }

    private static ModelConfig read(ObjectNode keys) throws FormatException {
        return SmallModels.config(Json.parse("config.json", keys.toString().getBytes(StandardCharsets.UTF_8)));
    }

    private static ModelConfig read(String family, String key, String value) throws FormatException {
        ObjectNode keys = keys(family);
        keys.set(key, JsonMapper.shared().readTree(value));
        return read(keys);
    }

    private static AttentionConfig attention(ModelConfig config, int layer) {
        return config.decoder().attentions().get(layer);
    }

    private static List<Integer> windows(ModelConfig config) {
        return config.decoder().attentions().stream()
                .map(AttentionConfig::window)
                .toList();
    }

    @ParameterizedTest
    @CsvSource({
        "llama,       32,  32,  10000, 1e-6, false,    0,    0",
        "mistral,      8,  32,  10000, 1e-6, false, 4096, 4096",
        "ministral,    8,  32,  10000, 1e-6, false, 4096, 4096",
        "qwen2,       32,  32,  10000, 1e-6, false,    0,    0",
        "qwen3,       32, 128,  10000, 1e-6, false,    0,    0",
        "gemma,       16, 256,  10000, 1e-6, true,     0,    0",
        "gemma2,       4, 256,  10000, 1e-6, true,  4096,    0",
        "gemma3_text,  4, 256,    1e6, 1e-6, true,  4096,    0",
        "phi3,        32,  32,  10000, 1e-5, false,    0,    0",
        "smollm3,      4,  32,    2e6, 1e-6, true,     0,    0",
        "olmo2,       32,  32,  10000, 1e-5, false,    0,    0",
        "olmo3,       32,  32,  10000, 1e-5, false, 4096, 4096",
        "granite,     32,  32,  10000, 1e-6, false,    0,    0",
        "gpt_neox,    32,  32,  10000, 1e-5, false,    0,    0",
        "mixtral,      8,  32,    1e6, 1e-5, false,    0,    0",
        "qwen3_moe,    4,  32,  10000, 1e-6, false,    0,    0",
        "gpt_oss,      8,  64, 150000, 1e-5, false,  128,    0",
        "lfm2,         8,  32,    1e6, 1e-5, true,     0,    0",
        "lfm2_moe,     8,  32,    1e6, 1e-5, true,     0,    0",
        "ministral3,   8, 128,    1e6, 1e-5, false,    0,    0"
    })
    void whatIsAbsentHasTheDefaultOfItsFamily(
            String family, int kvHeads, int headSize, double theta, float epsilon, boolean tied, int even, int last)
            throws FormatException {
        ModelConfig config = read(keys(family));
        DecoderConfig decoder = config.decoder();
        AttentionConfig attention = attention(config, 5);
        assertThat(attention.kvHeads()).isEqualTo(kvHeads);
        assertThat(attention.headSize()).isEqualTo(headSize);
        RopeConfig rope = Objects.requireNonNull(attention.rope());
        double second = StrictMath.pow(theta, -2.0 / rope.width());
        assertThat(rope.frequencies().get(1)).isCloseTo(second, within(1e-12));
        assertThat(decoder.lastNorm().epsilon()).isEqualTo(epsilon);
        assertThat(decoder.blocks()).allMatch(block -> block.norm().epsilon() == epsilon);
        assertThat(config.tied()).isEqualTo(tied);
        assertThat(attention(config, 0).window()).isEqualTo(even);
        assertThat(attention.window()).isEqualTo(last);
    }

    @ParameterizedTest
    @CsvSource({
        "llama, 32",
        "mistral, 32",
        "ministral, 32",
        "qwen2, 32",
        "qwen3, 32",
        "gemma, 32",
        "gemma2, 32",
        "gemma3_text, 32",
        "phi3, 32",
        "smollm3, 32",
        "olmo2, 32",
        "olmo3, 32",
        "granite, 32",
        "mixtral, 32",
        "qwen3_moe, 32",
        "gpt_oss, 32",
        "lfm2, 32",
        "ministral3, 32"
    })
    void nullKeyHeadsAreAsManyAsHeads(String family, int heads) throws FormatException {
        assertThat(attention(read(family, "num_key_value_heads", "null"), 0).kvHeads())
                .isEqualTo(heads);
        assertThat(attention(read(family, "num_key_value_heads", "2"), 0).kvHeads())
                .isEqualTo(2);
    }

    @ParameterizedTest
    @CsvSource({"llama", "qwen3", "gemma", "gemma2", "gemma3_text", "gpt_oss", "phi3", "qwen2"})
    void aNullHeadSizeIsTheHiddenSizeDividedByHeads(String family) throws FormatException {
        assertThat(attention(read(family, "head_dim", "null"), 0).headSize()).isEqualTo(32);
        assertThat(attention(read(family, "head_dim", "48"), 0).headSize()).isEqualTo(48);
    }

    @Test
    void neoxHasNoHeadSizeOfItsOwnAndTurnsAQuarter() throws FormatException {
        AttentionConfig attention = attention(read("gpt_neox", "head_dim", "48"), 0);
        assertThat(attention.headSize()).isEqualTo(32);
        assertThat(Objects.requireNonNull(attention.rope()).width()).isEqualTo(8);
        BlockConfig block = read(keys("gpt_neox")).decoder().blocks().getFirst();
        assertThat(block.residual()).isEqualTo(Residual.PARALLEL);
        assertThat(block.feedForward().each().activation()).isEqualTo(ActivationFunction.GELU);
    }

    @Test
    void aNullWindowIsNone() throws FormatException {
        for (String family :
                List.of("mistral", "ministral", "gemma2", "gemma3_text", "olmo3", "gpt_oss", "mixtral", "phi3")) {
            assertThat(windows(read(family, "sliding_window", "null")))
                    .as(family)
                    .containsOnly(0);
        }
    }

    @Test
    void windowsLieWhereTheFamilyHasThem() throws FormatException {
        assertThat(windows(read("mistral", "sliding_window", "7"))).containsOnly(7);
        assertThat(windows(read("ministral", "sliding_window", "7"))).containsOnly(7);
        assertThat(windows(read("mixtral", "sliding_window", "7"))).containsOnly(7);
        assertThat(windows(read("phi3", "sliding_window", "7"))).containsOnly(7);
        assertThat(windows(read("gemma2", "sliding_window", "7"))).containsExactly(7, 0, 7, 0, 7, 0);
        assertThat(windows(read("gpt_oss", "sliding_window", "7"))).containsExactly(7, 0, 7, 0, 7, 0);
        assertThat(windows(read("gemma3_text", "sliding_window", "7"))).containsExactly(7, 7, 7, 7, 7, 0);
        assertThat(windows(read("olmo3", "sliding_window", "7"))).containsExactly(7, 7, 7, 0, 7, 7);
        for (String family : List.of("qwen2", "qwen3", "qwen3_moe", "smollm3")) {
            assertThat(windows(read(family, "sliding_window", "7"))).as(family).containsOnly(0);
        }
        ObjectNode used = keys("qwen2").put("use_sliding_window", true).put("sliding_window", 7);
        assertThat(windows(read(used))).as("max_window_layers is 28").containsOnly(0);
        used.put("max_window_layers", 2);
        assertThat(windows(read(used))).containsExactly(0, 0, 7, 7, 7, 7);
        assertThat(windows(read(used.put("model_type", "qwen3")))).containsExactly(0, 0, 7, 7, 7, 7);
        ObjectNode experts = keys("qwen3_moe").put("use_sliding_window", true).put("sliding_window", 7);
        assertThat(windows(read(experts))).containsOnly(7);
        ObjectNode smol = keys("smollm3").put("use_sliding_window", true).put("sliding_window", 7);
        assertThat(windows(read(smol))).containsExactly(0, 0, 0, 7, 0, 0);
    }

    @Test
    void theListOfLayerTypesDecides() throws FormatException {
        String types = "[%1$s, %2$s, %2$s, %1$s, %1$s, %2$s]".formatted("\"full_attention\"", "\"sliding_attention\"");
        for (String family :
                List.of("ministral", "qwen2", "qwen3", "gemma2", "gemma3_text", "smollm3", "olmo3", "gpt_oss")) {
            ObjectNode keys = keys(family).put("use_sliding_window", true).put("sliding_window", 7);
            keys.set("layer_types", JsonMapper.shared().readTree(types));
            assertThat(windows(read(keys))).as(family).containsExactly(0, 7, 7, 0, 0, 7);
        }
    }

    @Test
    void smolLmTurnsAllButEachFourthLayerAndOneMeansThatItTurns() throws FormatException {
        List<AttentionConfig> absent = read(keys("smollm3")).decoder().attentions();
        assertThat(absent.stream().map(attention -> attention.rope() != null))
                .containsExactly(true, true, true, false, true, true);
        List<AttentionConfig> given = read("smollm3", "no_rope_layers", "[1, 0, 0, 1, 1, 0]")
                .decoder()
                .attentions();
        assertThat(given.stream().map(attention -> attention.rope() != null))
                .containsExactly(true, false, false, true, true, false);
    }

    @Test
    void granitesMultipliersAreOne() throws FormatException {
        ModelConfig config = read(keys("granite"));
        assertThat(attention(config, 0).scale()).isEqualTo(1);
        assertThat(config.decoder().embeddingScale()).isEqualTo(1);
        assertThat(config.decoder().hiddenScale()).isEqualTo(1);
        assertThat(config.decoder().blocks().getFirst().residualScale()).isEqualTo(1);
        assertThat(read("granite", "logits_scaling", "8").decoder().hiddenScale())
                .isEqualTo(0.125f);
    }

    @Test
    void gemmaCapsScoresAndLogitsUnlessToldNotTo() throws FormatException {
        ModelConfig absent = read(keys("gemma2"));
        assertThat(attention(absent, 0).softCap()).isEqualTo(50);
        assertThat(absent.logitCap()).isEqualTo(30);
        assertThat(attention(read("gemma2", "attn_logit_softcapping", "null"), 0)
                        .softCap())
                .isZero();
        assertThat(read("gemma2", "final_logit_softcapping", "null").logitCap()).isZero();
        assertThat(read(keys("gemma3_text")).logitCap()).isZero();
        assertThat(attention(read(keys("gemma3_text")), 0).softCap()).isZero();
        assertThat(attention(absent, 0).scale()).isEqualTo(1 / 16f);
        assertThat(absent.decoder().embeddingScale()).isEqualTo(32);
    }

    @Test
    void gemmaIgnoresTheOldKeyOfItsActivation() throws FormatException {
        for (String family : List.of("gemma", "gemma2", "gemma3_text")) {
            BlockConfig block =
                    read(family, "hidden_act", "\"gelu\"").decoder().blocks().getFirst();
            assertThat(block.feedForward().each().activation()).isEqualTo(ActivationFunction.GELU_TANH);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "silu, SILU",
        "swish, SILU",
        "gelu, GELU",
        "gelu_new, GELU_TANH",
        "gelu_pytorch_tanh, GELU_TANH",
        "gelu_fast, GELU_TANH",
        "relu, RELU",
        "relu2, RELU_SQUARED"
    })
    void activationsHaveSeveralNames(String name, ActivationFunction activation) throws FormatException {
        BlockConfig block =
                read("llama", "hidden_act", '"' + name + '"').decoder().blocks().getFirst();
        assertThat(block.feedForward().each().activation()).isEqualTo(activation);
    }

    @Test
    void biasesAreWhereTheFamilyHasThem() throws FormatException {
        AttentionConfig qwen2 = attention(read(keys("qwen2")), 0);
        assertThat(qwen2.qkvBias()).isTrue();
        assertThat(qwen2.outBias()).isFalse();
        AttentionConfig llama = attention(read("llama", "attention_bias", "true"), 0);
        assertThat(llama.qkvBias()).isTrue();
        assertThat(llama.outBias()).isTrue();
        assertThat(attention(read(keys("llama")), 0).qkvBias()).isFalse();
        AttentionConfig oss = attention(read(keys("gpt_oss")), 0);
        assertThat(oss.qkvBias() && oss.outBias() && oss.sinks()).isTrue();
    }

    @Test
    void expertsAreNotMadeToSumToOneUnlessToldSo() throws FormatException {
        Experts absent =
                (Experts) read(keys("qwen3_moe")).decoder().blocks().getFirst().feedForward();
        assertThat(absent.routing()).isEqualTo(Routing.SOFTMAX_OF_ALL);
        assertThat(absent.chosen()).isEqualTo(8);
        Experts given = (Experts) read("qwen3_moe", "norm_topk_prob", "true")
                .decoder()
                .blocks()
                .getFirst()
                .feedForward();
        assertThat(given.routing()).isEqualTo(Routing.SOFTMAX_OF_CHOSEN);
        Experts mixtral =
                (Experts) read(keys("mixtral")).decoder().blocks().getFirst().feedForward();
        assertThat(mixtral.routing()).isEqualTo(Routing.SOFTMAX_OF_CHOSEN);
        assertThat(List.of(mixtral.count(), mixtral.chosen())).containsExactly(8, 2);
    }

    @Test
    void someLayersAmongExpertsAreDense() throws FormatException {
        ObjectNode keys = keys("qwen3_moe").put("decoder_sparse_step", 2);
        keys.putArray("mlp_only_layers").add(1);
        assertThat(read(keys).decoder().blocks().stream().map(block -> block.feedForward() instanceof Dense))
                .containsExactly(true, true, true, false, true, false);
    }

    @Test
    void ossIsScaledByYarnUnlessToldOtherwise() throws FormatException {
        RopeConfig rope =
                Objects.requireNonNull(attention(read(keys("gpt_oss")), 0).rope());
        assertThat(rope.gain()).isEqualTo((float) (0.1 * StrictMath.log(32) + 1));
        assertThat(rope.frequencies().getLast()).isCloseTo(StrictMath.pow(150000, -62.0 / 64) / 32, within(1e-12));
    }

    /** Every spelling: of transformers 4, of the first release 5, and of later ones. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'rope_theta': 4000, 'rope_scaling': {'rope_type': 'linear', 'factor': 2}}",
                "{'rope_parameters': {'rope_theta': 4000, 'rope_type': 'linear', 'factor': 2}}",
                "{'rope_parameters': {'full_attention': {'rope_theta': 4000, 'rope_type': 'linear', 'factor': 2},"
                        + " 'sliding_attention': {'rope_theta': 4000, 'rope_type': 'default'}}}"
            })
    void olmoScalesThePositionsOfLayersWithoutWindowsAlone(String given) throws FormatException {
        ObjectNode keys = keys("olmo3");
        keys.setAll((ObjectNode) JsonMapper.shared().readTree(given.replace('\'', '"')));
        ModelConfig config = read(keys);
        double second = StrictMath.pow(4000, -2.0 / 32);
        assertThat(Objects.requireNonNull(attention(config, 3).rope())
                        .frequencies()
                        .get(1))
                .isCloseTo(second / 2, within(1e-12));
        for (int layer : new int[] {0, 1, 2, 4, 5}) {
            RopeConfig rope = Objects.requireNonNull(attention(config, layer).rope());
            assertThat(rope.frequencies().get(1)).isCloseTo(second, within(1e-12));
        }
        assertThat(config.toJson()).doesNotContainKey("rope_local_base_freq");
    }

    @Test
    void aMultimodalGemmaLeavesNearlyEverythingOut() throws FormatException {
        ObjectNode keys = JsonMapper.shared().createObjectNode().put("model_type", "gemma3");
        keys.putArray("eos_token_id").add(1).add(106);
        keys.putObject("text_config")
                .put("model_type", "gemma3_text")
                .put("hidden_size", 2560)
                .put("intermediate_size", 10240)
                .put("num_hidden_layers", 34)
                .put("sliding_window", 1024)
                .putObject("rope_scaling")
                .put("factor", 8.0)
                .put("rope_type", "linear");
        ModelConfig config = read(keys);
        AttentionConfig global = attention(config, 5);
        AttentionConfig local = attention(config, 0);
        assertThat(List.of(global.heads(), global.kvHeads(), global.headSize())).containsExactly(8, 4, 256);
        assertThat(config.vocabularySize()).isEqualTo(262208);
        assertThat(config.tied()).isTrue();
        assertThat(config.eos()).containsExactlyInAnyOrder(1, 106);
        assertThat(windows(config).subList(0, 7)).containsExactly(1024, 1024, 1024, 1024, 1024, 0, 1024);
        assertThat(Objects.requireNonNull(global.rope()).frequencies().get(1))
                .isCloseTo(StrictMath.pow(1e6, -2.0 / 256) / 8, within(1e-12));
        assertThat(Objects.requireNonNull(local.rope()).frequencies().get(1))
                .isCloseTo(StrictMath.pow(1e4, -2.0 / 256), within(1e-12));
        assertThat(read(keys.put("tie_word_embeddings", false)).tied()).isFalse();
    }

    @Test
    void severalTokensMayEndATextAndTheBaseMayBeAnInteger() throws FormatException {
        assertThat(read("llama", "eos_token_id", "[5, 9, 11]").eos()).containsExactlyInAnyOrder(5, 9, 11);
        RopeConfig rope = Objects.requireNonNull(
                attention(read("llama", "rope_theta", "1000000"), 0).rope());
        assertThat(rope.frequencies().get(1)).isCloseTo(StrictMath.pow(1e6, -2.0 / 32), within(1e-12));
        assertThat(read("llama", "rope_scaling", "null").decoder())
                .isEqualTo(read(keys("llama")).decoder());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "lfm2     | {} | 256", // two thirds of 48, in multiples of 256
                "lfm2     | {'block_ff_dim': 12288} | 8192",
                "lfm2     | {'block_ff_dim': 12288, 'block_auto_adjust_ff_dim': false} | 12288",
                "lfm2     | {'block_ff_dim': 12289, 'block_ffn_dim_multiplier': null} | 8192",
                "lfm2     | {'block_ff_dim': 12288, 'block_ffn_dim_multiplier': 1.3} | 10752",
                "lfm2     | {'block_ff_dim': 90, 'block_multiple_of': 8} | 64",
                "lfm2     | {'intermediate_size': 12288} | 8192",
                "lfm2_moe | {'block_ff_dim': 90} | 90",
                "lfm2_moe | {} | 48"
            })
    void theInnerSizeOfLfmIsTwoThirdsOfItsOldKey(String family, String changes, int expected) throws FormatException {
        assertThat(changed(family, changes)
                        .decoder()
                        .blocks()
                        .getFirst()
                        .feedForward()
                        .each()
                        .innerSize())
                .isEqualTo(expected);
    }

    private static ModelConfig changed(String family, String changes) throws FormatException {
        ObjectNode keys = keys(family);
        keys.setAll((ObjectNode) JsonMapper.shared().readTree(changes.replace('\'', '"')));
        return read(keys);
    }

    @Test
    void lfmHasAttentionWhereItIsListed() throws FormatException {
        for (String changes : List.of(
                "{'full_attn_idxs': [2, 5], 'conv_L_cache': 4, 'conv_bias': true}",
                "{'layer_types': ['conv', 'conv', 'full_attention', 'conv', 'conv', 'full_attention'],"
                        + " 'full_attn_idxs': [1], 'conv_L_cache': 4, 'conv_bias': true}")) {
            List<BlockConfig> blocks = changed("lfm2", changes).decoder().blocks();
            assertThat(blocks.stream().map(block -> block.mixer() instanceof AttentionConfig))
                    .containsExactly(false, false, true, false, false, true);
            assertThat(blocks.getFirst().mixer()).isEqualTo(new ShortConv(1024, 4, true));
            assertThat(blocks.getFirst().mixer().stateSize()).isEqualTo(3 * 1024);
        }
        assertThat(changed("lfm2", "{'tie_embedding': false, 'tie_word_embeddings': true}")
                        .tied())
                .isFalse();
    }

    @Test
    void sigmoidsOfLfmSumToOneAndAreChosenByABiasUnlessToldOtherwise() throws FormatException {
        List<BlockConfig> blocks = read(keys("lfm2_moe")).decoder().blocks();
        assertThat(blocks.stream().map(block -> block.feedForward() instanceof Experts))
                .containsExactly(false, false, true, true, true, true);
        Experts absent = (Experts) blocks.getLast().feedForward();
        assertThat(absent.routing()).isEqualTo(new Routing(true, true, true, 1));
        assertThat(List.of(absent.count(), absent.chosen())).containsExactly(32, 4);
        ModelConfig given = changed(
                "lfm2_moe", "{'norm_topk_prob': false, 'use_expert_bias': false, 'routed_scaling_factor': 1.5}");
        assertThat(((Experts) given.decoder().blocks().getLast().feedForward()).routing())
                .isEqualTo(new Routing(true, false, false, 1.5f));
    }

    @Test
    void queriesOfMinistralGrowFromTheLengthOfPretrainingOn() throws FormatException {
        RopeConfig absent =
                Objects.requireNonNull(attention(read(keys("ministral3")), 0).rope());
        assertThat(List.of(absent.growth(), absent.gain())).containsExactly(0.1f, 1f);
        assertThat(absent.original()).isEqualTo(16384);
        ModelConfig given = changed("ministral3", "{'rope_parameters': {'rope_type': 'default', 'rope_theta': 1e6}}");
        assertThat(Objects.requireNonNull(attention(given, 0).rope()).growth()).isZero();
    }

    @Test
    void mistralsWrapperHoldsOneOfTwoTexts() throws FormatException {
        for (String type : List.of("ministral3", "mistral")) {
            ObjectNode text = keys(type).put("tie_word_embeddings", false);
            ObjectNode outer = JsonMapper.shared().createObjectNode().put("model_type", "mistral3");
            outer.put("tie_word_embeddings", true).set("text_config", text);
            ModelConfig read = read(outer);
            assertThat(read.type()).isEqualTo(type);
            assertThat(read.tied()).isTrue();
            outer.putObject("quantization_config").put("quant_method", "fp8");
            assertThatThrownBy(() -> read(outer)).hasMessageContaining("quantization_config");
        }
    }
}
