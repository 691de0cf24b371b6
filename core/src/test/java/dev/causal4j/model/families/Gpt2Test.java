package dev.causal4j.model.families;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.json.Json;
import dev.causal4j.model.GenerationDefaults;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.model.SmallModels;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class Gpt2Test {
    /** GPT-2 small with nothing optional. */
    private final Map<String, String> json = new LinkedHashMap<>(Map.of(
            "model_type", "\"gpt2\"",
            "n_positions", "1024",
            "n_embd", "768",
            "n_layer", "12",
            "n_head", "12",
            "vocab_size", "50257"));

    private ModelConfig read() throws FormatException {
        String text = json.entrySet().stream()
                .map(entry -> "\"" + entry.getKey() + "\": " + entry.getValue())
                .collect(Collectors.joining(", ", "{", "}"));
        Json config = Json.parse("config.json", text.getBytes(StandardCharsets.UTF_8));
        return SmallModels.config(config);
    }

    private ModelConfig read(String key, String value) throws FormatException {
        json.put(key, value);
        return read();
    }

    /** The file is refused in one line that names it, the key and everything in {@code told}. */
    private void refused(String key, String... told) {
        Throwable refusal = catchThrowable(this::read);
        assertThat(refusal).isInstanceOf(FormatException.class);
        assertThat(refusal.getMessage())
                .startsWith("config.json, key \"" + key + "\": expected ")
                .matches("[^\\p{Cntrl}]+, got [^\\p{Cntrl}]+; [^\\p{Cntrl}]+")
                .satisfies(message -> assertThat(List.of(told)).allMatch(message::contains));
    }

    @Test
    void whatIsAbsentHasGpt2sDefaults() throws FormatException {
        ModelConfig config = read();
        DecoderConfig decoder = config.decoder();
        assertThat(decoder.contextLength()).isEqualTo(1024);
        assertThat(decoder.hiddenSize()).isEqualTo(768);
        assertThat(decoder.blocks()).hasSize(12);
        assertThat(decoder.lastNorm().epsilon()).isEqualTo(1e-5f);
        AttentionConfig attention = decoder.attentions().getLast();
        assertThat(attention.heads()).isEqualTo(12);
        assertThat(attention.scale()).isEqualTo(0.125f);
        assertThat(innerSize(config)).isEqualTo(3072);
        assertThat(config)
                .isEqualTo(new ModelConfig(
                        config.type(),
                        config.source(),
                        decoder,
                        Map.of(),
                        50257,
                        0,
                        true,
                        OptionalInt.empty(),
                        Set.of(),
                        GenerationDefaults.NONE));
    }

    private static int innerSize(ModelConfig config) {
        return ((Dense) config.decoder().blocks().getFirst().feedForward()).innerSize();
    }

    @Test
    void aConfigOfTheHubIsRead() throws FormatException {
        DecoderConfig small = read().decoder();
        json.putAll(Map.of(
                "architectures", "[\"GPT2LMHeadModel\"]",
                "bos_token_id", "50256",
                "eos_token_id", "50256",
                "n_ctx", "1024",
                "resid_pdrop", "0.1",
                "initializer_range", "0.02",
                "task_specific_params", "{\"text-generation\": {\"do_sample\": true, \"max_length\": 50}}",
                "transformers_version", "\"4.52.0\""));
        ModelConfig config = read();
        assertThat(config.decoder()).isEqualTo(small);
        assertThat(config.bos()).hasValue(50256);
        assertThat(config.eos()).containsExactly(50256);
    }

    @ParameterizedTest
    @ValueSource(strings = {"n_positions", "n_embd", "n_layer", "n_head", "vocab_size"})
    void eachSizeMustBeThere(String key) {
        json.remove(key);
        refused(key, "an integer from 1 to ", "got nothing");
        json.put(key, "null");
        refused(key, "an integer from 1 to ", "got nothing");
    }

    @ParameterizedTest
    @CsvSource({
        "n_positions, 0",
        "n_positions, 16777217",
        "n_embd, -768",
        "n_embd, 4194305",
        "n_embd, 768.0",
        "n_layer, 12.5",
        "n_layer, 16777217",
        "n_layer, 16385",
        "n_head, true",
        "n_head, 4294967297",
        "vocab_size, 9223372036854775808",
        "n_inner, 0",
        "n_inner, 16777217"
    })
    void aSizeOutOfRangeOrOfAnotherKindIsNamedWithItsKey(String key, String value) {
        json.put(key, value);
        refused(key, "an integer from 1 to ", value);
    }

    @Test
    void aListIsNoSize() {
        json.put("vocab_size", "[50257]");
        refused("vocab_size", "an integer from 1 to ", "got a list of 1;");
    }

    @Test
    void theLargestSizesNeitherOverflowNorAllocate() throws FormatException {
        json.putAll(Map.of(
                "n_positions", "16777216",
                "n_embd", "4194304",
                "n_layer", "16384",
                "n_head", "4194304",
                "vocab_size", "16777216"));
        ModelConfig config = read();
        assertThat(innerSize(config)).isEqualTo(16_777_216);
        assertThat(config.decoder().attentions().getFirst().headSize()).isEqualTo(1);
        assertThat(config.specs()).allMatch(spec -> spec.rows() > 0 && spec.cols() > 0);
        assertThat(config.parameters()).isPositive();
    }

    @Test
    void theInnerSizeIsGivenOrFourTimesTheHiddenSize() throws FormatException {
        assertThat(innerSize(read("n_inner", "null"))).isEqualTo(3072);
        assertThat(innerSize(read("n_inner", "100"))).isEqualTo(100);
    }

    @ParameterizedTest
    @CsvSource({"768, 13", "768, 1000", "1, 2"})
    void headsMustDivideTheHiddenSize(String hiddenSize, String heads) {
        json.put("n_embd", hiddenSize);
        json.put("n_head", heads);
        refused("n_embd", "a multiple of n_head = " + heads, "got " + hiddenSize);
    }

    @ParameterizedTest
    @ValueSource(strings = {"gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate"})
    void theTanhFormOfGeluGoesByManyNames(String name) throws FormatException {
        assertSame(read("activation_function", '"' + name + '"'), read("activation_function", "null"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"gelu", "gelu_python", "gelu_10", "quick_gelu", "relu", "silu", "GELU_NEW", ""})
    void anotherActivationIsNamed(String name) {
        json.put("activation_function", '"' + name + '"');
        refused("activation_function", "gelu_new", '"' + name + '"');
    }

    @Test
    void aNameThatWouldBreakTheLineIsEscaped() {
        json.put("activation_function", "\"\\n\\u001b[2J\"");
        refused("activation_function", "\\u000a\\u001b[2J");
    }

    @Test
    void crossAttentionAndQuantizationAreRefused() throws FormatException {
        assertThat(read("add_cross_attention", "false").vocabularySize()).isEqualTo(50257);
        json.put("add_cross_attention", "true");
        refused("add_cross_attention", "false");
        json.remove("add_cross_attention");
        assertThat(read("quantization_config", "null").vocabularySize()).isEqualTo(50257);
        json.put("quantization_config", "{\"quant_method\": \"gptq\"}");
        refused("quantization_config", "no quantization");
    }

    @Test
    void scoresAreScaledAsTheFlagsSay() throws FormatException {
        assertThat(scales(read("scale_attn_weights", "false"))).containsOnly(1f);
        ModelConfig byLayer = read("scale_attn_by_inverse_layer_idx", "true");
        assertThat(scales(byLayer)).startsWith(1f, 1f / 2, 1f / 3);
        assertSame(read("reorder_and_upcast_attn", "true"), byLayer);
        assertThat(scales(read("scale_attn_weights", "true"))).startsWith(1f / 8, 1f / 16, 1f / 24);
    }

    /** Equal except for the spelling. */
    private static void assertSame(ModelConfig actual, ModelConfig expected) {
        assertThat(actual)
                .usingRecursiveComparison()
                .ignoringFields("source", "family")
                .isEqualTo(expected);
    }

    private static List<Float> scales(ModelConfig config) {
        return config.decoder().attentions().stream()
                .map(AttentionConfig::scale)
                .toList();
    }

    @Test
    void whatIsWrittenIsReadAgain() throws FormatException {
        json.putAll(Map.of(
                "n_inner", "100",
                "layer_norm_epsilon", "1e-6",
                "bos_token_id", "7",
                "eos_token_id", "[3, 9]",
                "tie_word_embeddings", "false"));
        for (String scaled : List.of("true", "false")) {
            for (String byLayer : List.of("true", "false")) {
                json.put("scale_attn_weights", scaled);
                ModelConfig config = read("scale_attn_by_inverse_layer_idx", byLayer);
                Map<String, Object> written = config.toJson();
                assertThat(written)
                        .containsEntry("scale_attn_weights", Boolean.valueOf(scaled))
                        .containsEntry("scale_attn_by_inverse_layer_idx", Boolean.valueOf(byLayer));
                Json again = Json.parse("config.json", Json.write(written));
                assertSame(SmallModels.config(again), config);
            }
        }
    }

    @Test
    void theEpsilonOfLayerNormIsReadAsFloat() throws FormatException {
        assertThat(read("layer_norm_epsilon", "1e-6").decoder().lastNorm().epsilon())
                .isEqualTo(1e-6f);
        assertThat(read("layer_norm_epsilon", "0").decoder().lastNorm().epsilon())
                .isZero();
    }

    @ParameterizedTest
    @CsvSource({
        "layer_norm_epsilon, -1e-5",
        "layer_norm_epsilon, 2",
        "layer_norm_epsilon, 1e999",
        "scale_attn_weights, 1",
        "scale_attn_by_inverse_layer_idx, []",
        "tie_word_embeddings, 0",
        "add_cross_attention, 1",
        "activation_function, 7",
        "bos_token_id, 1.5",
        "eos_token_id, true",
        "eos_token_id, 4294967296"
    })
    void aValueOfTheWrongKindOrRangeIsNamedWithItsKey(String key, String value) {
        json.put(key, value);
        refused(key);
    }

    @Test
    void aHeadIsTiedUnlessTheFileSaysOtherwise() throws FormatException {
        assertThat(read().tied()).isTrue();
        assertThat(read("tie_word_embeddings", "null").tied()).isTrue();
        assertThat(read("tie_word_embeddings", "true").tied()).isTrue();
        assertThat(read("tie_word_embeddings", "false").tied()).isFalse();
    }

    @Test
    void specialIdsAreOneAListOrNone() throws FormatException {
        assertThat(read("eos_token_id", "[50256, 0, 50256]").eos()).containsExactlyInAnyOrder(0, 50256);
        assertThat(read("eos_token_id", "7").eos()).containsExactly(7);
        assertThat(read("eos_token_id", "[]").eos()).isEmpty();
        assertThat(read("eos_token_id", "null").eos()).isEmpty();
        assertThat(read("bos_token_id", "[3, 4]").bos()).hasValue(3);
        assertThat(read("bos_token_id", "null").bos()).isEmpty();
    }

    @Test
    void specialIdsOutsideTheVocabularyAreDropped() throws FormatException {
        assertThat(read("eos_token_id", "[-1, 50256, 50257]").eos()).containsExactly(50256);
        assertThat(read("bos_token_id", "50257").bos()).isEmpty();
        assertThat(read("bos_token_id", "-1").bos()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"\"bert\"", "\"gpt_neo\"", "\"GPT2\"", "\"gpt2 \""})
    void anotherArchitectureIsNamed(String type) {
        json.put("model_type", type);
        refused("model_type", "expected gpt2", "got " + type);
        assertThat(catchThrowable(this::read)).isExactlyInstanceOf(UnsupportedModelException.class);
    }

    @Test
    void theArchitectureMustBeSaid() {
        json.remove("model_type");
        refused("model_type", "expected gpt2", "got nothing");
        json.put("model_type", "[\"gpt2\"]");
        refused("model_type", "a string");
    }

    @Test
    void aConfigMadeByHandIsCheckedToo() throws FormatException {
        ModelConfig config = read();
        assertThatThrownBy(() -> config.withVocabularySize(0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("vocabulary size: expected at least 1, got 0");
        assertThatThrownBy(() -> config.withSpecialIds(OptionalInt.of(50257), Set.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("bos token id: expected 0 to 50256, got 50257");
        assertThatThrownBy(() -> config.withSpecialIds(OptionalInt.empty(), Set.of(-1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("eos token id: expected 0 to 50256, got -1");
    }
}
