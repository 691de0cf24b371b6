package dev.causal4j.model.families;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import dev.causal4j.json.Json;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Keys that change the arithmetic in a way that is not supported, or do not fit each other: one line names them. */
class FamilyRefusalTest {
    private static ObjectNode config(String fixture) throws IOException {
        String name = "/dev/causal4j/golden/" + fixture + "/config.json";
        try (InputStream json = Objects.requireNonNull(FamilyRefusalTest.class.getResourceAsStream(name))) {
            return (ObjectNode) JsonMapper.shared().readTree(json);
        }
    }

    private static Throwable refusal(ObjectNode keys) {
        byte[] json = keys.toString().getBytes(StandardCharsets.UTF_8);
        Throwable refusal = catchThrowable(() -> Families.read(Json.parse("config.json", json)));
        assertThat(refusal).as("%s", keys).isInstanceOf(FormatException.class);
        assertThat(refusal.getMessage())
                .startsWith("config.json, key ")
                .matches("[^\\p{Cntrl}]+: expected [^\\p{Cntrl}]+, got [^\\p{Cntrl}]+; [^\\p{Cntrl}]+");
        return refusal;
    }

    /** Without the key the number is the family's default. */
    @ParameterizedTest
    @ValueSource(strings = {"qwen3_5_moe", "qwen3_moe", "gpt_oss"})
    void fewerExpertsThanATokenGoesToAreRefusedByName(String fixture) throws IOException {
        ObjectNode keys = config(fixture);
        ObjectNode text = keys.get("text_config") instanceof ObjectNode inner ? inner : keys;
        text.put("num_experts", 3).put("num_local_experts", 3).remove("num_experts_per_tok");
        assertThat(refusal(keys)).hasMessageContaining("num_experts_per_tok").hasMessageContaining("from 1 to 3");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "llama-llama3 | rope_scaling | {\"rope_type\": \"mrope\", \"factor\": 2}                  | \"mrope\"",
                "qwen3-tied   | rope_scaling | {\"type\": \"su\"}                                         | \"su\"",
                "phi3         | rope_scaling | {\"rope_type\": \"linear\", \"factor\": 2}                 | \"linear\"",
                "llama-linear | rope_scaling | {\"rope_type\": \"linear\", \"type\": \"dynamic\", \"factor\": 2} | \"dynamic\"",
                "phi3         | rope_scaling | {\"rope_type\": \"longrope\", \"type\": \"su\"}            | \"su\"",
                "gemma2       | use_bidirectional_attention | true                                        | got true",
                "llama-untied | is_causal    | false                                                      | got false",
                "qwen2-tied   | layer_types  | [\"full_attention\", \"sliding_attention\"]                | use_sliding_window",
                "qwen3-tied   | layer_types  | [\"full_attention\", \"sliding_attention\", \"full_attention\"] | use_sliding_window",
                "gemma3       | attn_logit_softcapping | 50.0                                             | got 50.0",
                "llama-untied | partial_rotary_factor | 0.5                                               | got 0.5",
                "olmo2        | rope_parameters | {\"partial_rotary_factor\": 0.4}                        | partial_rotary",
                "llama-linear | rope_scaling | {\"type\": \"linear\", \"factor\": 2, \"partial_rotary_factor\": 0.5} | partial_rotary",
                "gpt_oss      | swiglu_limit | 6.0                                                        | got 6.0",
                "qwen3-tied   | layer_types  | [\"chunked_attention\", \"full_attention\", \"full_attention\"] | full_attention",
                "mistral      | layer_types  | [\"full_attention\", \"sliding_attention\"]                | layer_types",
                "llama-linear | layer_types  | [\"full_attention\", \"linear_attention\"]                 | layer_types",
                "gemma        | layer_types  | [\"full_attention\", \"sliding_attention\"]                | layer_types",
                "ministral    | layer_types  | [\"chunked_attention\", \"full_attention\", \"full_attention\"] | full_attention",
                "olmo3        | rope_scaling | {\"rope_type\": \"mrope\", \"factor\": 2}                  | \"mrope\"",
                "gemma        | hidden_act   | \"gelu_10\"                                                | \"gelu_10\"",
                "gemma        | hidden_act   | \"silu\"                                                   | \"silu\"",
                "granite      | layer_types  | [\"full_attention\", \"sliding_attention\"]                | layer_types",
                "llama-linear | hidden_act   | \"quick_gelu\"                                             | \"quick_gelu\"",
                "gemma2       | hidden_activation | \"gelu_10\"                                           | \"gelu_10\"",
                "gpt_neox     | hidden_act   | \"mish\"                                                   | \"mish\"",
                "llama-untied | model_type   | \"llama4\"                                                 | \"llama4\""
            })
    void whatIsNotSupportedIsRefusedByName(String fixture, String key, String value, String told) throws IOException {
        ObjectNode keys = config(fixture);
        keys.set(key, JsonMapper.shared().readTree(value));
        assertThat(refusal(keys)).isInstanceOf(UnsupportedModelException.class).hasMessageContaining(told);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "gpt2-tied",
                "llama-llama3",
                "mistral",
                "ministral",
                "qwen2-tied",
                "qwen3-tied",
                "gemma",
                "gemma2",
                "gemma3",
                "phi3",
                "smollm3",
                "olmo2",
                "olmo3",
                "granite",
                "gpt_neox",
                "mixtral",
                "qwen3_moe",
                "gpt_oss"
            })
    void quantisedModelsAndMissingSizesAreRefused(String fixture) throws IOException {
        ObjectNode keys = config(fixture);
        keys.putObject("quantization_config").put("quant_method", "mxfp4");
        assertThat(refusal(keys))
                .isInstanceOf(UnsupportedModelException.class)
                .hasMessageContaining("\"quantization_config\"");
        String inner = fixture.equals("qwen3_moe") ? "moe_intermediate_size" : "intermediate_size";
        List<String> sizes = fixture.startsWith("gpt2")
                ? List.of("vocab_size", "n_positions", "n_embd", "n_layer", "n_head")
                : List.of("vocab_size", "hidden_size", "num_hidden_layers", inner);
        for (String size : sizes) {
            ObjectNode lacking = config(fixture);
            lacking.remove(size);
            assertThat(refusal(lacking)).hasMessageContaining('"' + size + '"').hasMessageContaining("got nothing");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "llama-llama3 | num_key_value_heads | 3                    | a multiple of num_key_value_heads = 3",
                "gemma2       | num_key_value_heads | 8                    | a multiple of num_key_value_heads = 8",
                "llama-untied | head_dim            | 15                   | an even number of rotated coordinates",
                "gpt_neox     | rotary_pct          | 0.5                  | an even number of rotated coordinates",
                "smollm3      | no_rope_layers      | [1, 0]               | 4 values",
                "gemma2       | layer_types         | [\"full_attention\"] | 4 values",
                "phi3         | rope_scaling        | {\"type\": \"longrope\", \"short_factor\": [1.0], \"long_factor\": [2.0]} | 6 numbers",
                "llama-linear | rope_scaling        | {\"type\": \"linear\"} | a number",
                "llama-linear | rope_scaling        | 7                    | an object",
                "mixtral      | num_experts_per_tok | 5                    | from 1 to 4",
                "qwen3_moe    | num_experts         | 0                    | from 1 to",
                "qwen3_moe    | num_hidden_layers   | 16384                | at most 65536 experts in all layers",
                "llama-llama3 | hidden_size         | 16777217             | from 1 to",
                "llama-llama3 | num_hidden_layers   | 1000000              | from 1 to",
                "llama-llama3 | rms_norm_eps        | -1                   | a number from",
                "qwen3-tied   | sliding_window      | \"all\"              | an integer"
            })
    void whatDoesNotFitIsRefused(String fixture, String key, String value, String told) throws IOException {
        ObjectNode keys = config(fixture);
        keys.set(key, JsonMapper.shared().readTree(value));
        if (key.equals("sliding_window")) {
            keys.put("use_sliding_window", true);
        }
        assertThat(refusal(keys)).hasMessageContaining(told);
    }
}
