package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Shared;
import dev.causal4j.decoder.BlockConfig.MixerConfig.StateSpace;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Granite 4's own rules; {@link FamiliesTest} compares the arithmetic. */
class Granite4Test {
    private static final int[] TOKENS = {5, 80, 3, 41, 2, 64, 7, 9, 30, 31, 32};
    private static final float OPEN = Float.POSITIVE_INFINITY;
    private static final String SIZES = """
            {"model_type": "granitemoehybrid", "vocab_size": 99, "hidden_size": 64, "num_hidden_layers": 3,
             "num_attention_heads": 4, "intermediate_size": 30, "max_position_embeddings": 256""";
    private static final String HYBRID = """
            , "layer_types": ["mamba", "attention", "mamba"], "num_local_experts": 0, "shared_intermediate_size": 40,
             "mamba_n_heads": 4, "mamba_d_state": 9""";

    @TempDir
    private Path folder;

    private static ModelConfig config(String more) throws FormatException {
        return ModelConfig.parse(SIZES + more + "}");
    }

    private static StateSpace space(String more) throws FormatException {
        return (StateSpace) config(more).decoder().blocks().getFirst().mixer();
    }

    @Test
    void absentKeysHaveTheValuesOfTheLibrary() throws FormatException {
        ModelConfig config = config("");
        List<BlockConfig> blocks = config.decoder().blocks();
        assertThat(blocks)
                .allMatch(block -> block.mixer().equals(new StateSpace(128, 1, 1, 256, 4, true, false, 0, OPEN)));
        assertThat(blocks).allMatch(block -> block.norm().epsilon() == 1e-6f && block.residualScale() == 1);
        Shared experts = (Shared) blocks.getFirst().feedForward();
        assertThat(experts.routed().count()).isEqualTo(8);
        assertThat(experts.routed().chosen()).isEqualTo(2);
        assertThat(experts.shared().innerSize()).isEqualTo(1024);
        assertThat(experts.gated()).isFalse();
        assertThat(config.tied()).isFalse();
        assertThat(config.stateBytes()).isEqualTo(3 * 4 * (3 * (128 + 2 * 256) + 128 * 256 * 32));
    }

    @Test
    void positionsAreRotatedOnlyIfTheFileSaysSo() throws FormatException {
        String attention = ", \"layer_types\": [\"attention\", \"full_attention\", \"attention\"]";
        for (String none :
                List.of("", ", \"position_embedding_type\": null", ", \"position_embedding_type\": \"nope\"")) {
            assertThat(config(attention + none).decoder().attentions())
                    .hasSize(3)
                    .allMatch(each -> each.rope() == null && each.scale() == 1);
        }
        assertThat(config(attention + ", \"position_embedding_type\": \"rope\"")
                        .decoder()
                        .attentions())
                .allMatch(each -> each.rope() != null);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "null | 0 | Infinity",
                "[0.0, {\"__float__\": \"Infinity\"}] | 0 | Infinity",
                "[0.001, 0.1] | 0.001 | 0.1",
                "[0, 1] | 0 | 1"
            })
    void stepsHaveTheLimitsThatTheFileSays(String limit, float shortest, float longest) throws FormatException {
        StateSpace space = space(HYBRID + ", \"time_step_limit\": " + limit);
        assertThat(space.shortest()).isEqualTo(shortest);
        assertThat(space.longest()).isEqualTo(longest);
    }

    @Test
    void headsMayBeGivenOrFollow() throws FormatException {
        assertThat(space(HYBRID).headSize()).isEqualTo(32);
        assertThat(space(HYBRID + ", \"mamba_d_head\": \"auto\"").headSize()).isEqualTo(32);
        assertThat(space(HYBRID + ", \"mamba_d_head\": 64, \"mamba_expand\": 4").headSize())
                .isEqualTo(64);
        assertThat(config(HYBRID).decoder().blocks().getFirst().feedForward())
                .isInstanceOfSatisfying(
                        Dense.class, dense -> assertThat(dense.innerSize()).isEqualTo(40));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"layer_types\": [\"mamba\"] | layer_types",
                "\"layer_types\": [\"mamba\", \"attention\", \"conv\"] | layer_types",
                "\"time_step_limit\": [0.1] | time_step_limit",
                "\"time_step_limit\": 0.1 | time_step_limit",
                "\"time_step_limit\": [0.1, 0.01] | time_step_limit",
                "\"time_step_limit\": [-1, 1] | time_step_limit",
                "\"time_step_limit\": [0, {\"__float__\": \"NaN\"}] | time_step_limit",
                "\"mamba_n_groups\": 3 | mamba_n_heads",
                "\"mamba_n_heads\": 5 | mamba_n_heads",
                "\"mamba_d_head\": 16 | mamba_n_heads",
                "\"mamba_d_head\": \"some\" | mamba_d_head",
                "\"mamba_d_conv\": 0 | mamba_d_conv",
                "\"mamba_expand\": 16384, \"mamba_d_state\": 16384 | mamba_d_state",
                "\"hidden_act\": \"gelu\" | hidden_act",
                "\"normalization_function\": \"layernorm\" | normalization_function",
                "\"position_embedding_type\": \"learned\" | position_embedding_type",
                "\"shared_intermediate_size\": 0 | shared_intermediate_size",
                "\"num_local_experts\": -1 | num_local_experts",
                "\"quantization_config\": {\"quant_method\": \"fp8\"} | quantization_config"
            })
    void whatWouldChangeTheArithmeticIsRefusedByName(String more, String key) {
        assertThatThrownBy(() -> config(", " + more))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining('"' + key + '"');
    }

    /** Also in a model of state spaces alone, whose cache has no pages. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aNewSequenceBeginsWithZerosInMemoryThatAnotherUsed(boolean attention) throws FormatException {
        String kinds = attention ? HYBRID : HYBRID.replace("\"attention\"", "\"mamba\"");
        try (CausalLM model = CausalLM.create(config(kinds), 3, DType.F32)) {
            float[] expected = Logits.of(model, TOKENS);
            Logits.of(model, 9, 8, 7, 6, 5, 4, 3, 2, 1);
            assertThat(Logits.of(model, TOKENS)).isEqualTo(expected);
            try (KVCache cache = model.newCache()) {
                Activations activations = new Activations();
                model.forward(Batch.of(cache, 1, 2, 3), activations);
                cache.truncate(0);
                var hidden = model.forward(Batch.last(cache, TOKENS), activations);
                float[] logits = model.head().logits(hidden, 0);
                assertThat(logits)
                        .isEqualTo(Arrays.copyOfRange(expected, expected.length - logits.length, expected.length));
            }
        }
    }

    /** Without experts, with positions, without a bias of the convolution, and the other way round. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                ", \"position_embedding_type\": \"rope\", \"mamba_conv_bias\": false, \"tie_word_embeddings\": true",
                ", \"mamba_expand\": 3, \"num_local_experts\": 3, \"attention_multiplier\": 0.25"
            })
    void aFileIsTheModelItWasWrittenFrom(String more) throws IOException {
        Path original = Files.createDirectory(folder.resolve("original"));
        Path file = folder.resolve("x.gguf");
        Path back = folder.resolve("back");
        try (CausalLM model = CausalLM.create(
                config(HYBRID.replace("\"num_local_experts\": 0, ", "")
                        + (more.contains("experts") ? "" : ", \"num_local_experts\": 0")
                        + more),
                3,
                DType.F32)) {
            model.save(original, DType.F32);
        }
        Conversion.of(original).toGguf(file, GgufType.F32);
        Conversion.of(file)
                .withOptions(LoadOptions.DEFAULT.withDtype(DType.F32))
                .toHuggingFace(back);
        try (CausalLM expected = CausalLM.load(original);
                CausalLM gguf = CausalLM.load(file);
                CausalLM saved = CausalLM.load(back)) {
            assertThat(gguf.config().sameArchitecture(expected.config())).isTrue();
            assertThat(saved.config().sameArchitecture(expected.config())).isTrue();
            assertThat(Logits.of(gguf, TOKENS)).isEqualTo(Logits.of(expected, TOKENS));
            assertThat(Logits.of(saved, TOKENS)).isEqualTo(Logits.of(expected, TOKENS));
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"mamba_n_groups\": 2 | granitehybrid.ssm.group_count",
                "\"mamba_proj_bias\": true | ssm_in.bias",
                "\"time_step_limit\": [0.0, 0.5] | longest",
                "\"layer_types\": [\"mamba\", \"mamba\", \"mamba\"] | layer_types",
                "\"layer_types\": [\"attention\", \"attention\", \"attention\"] | rope"
            })
    void whatGgufCannotSayIsRefusedByName(String more, String told) throws IOException {
        ModelConfig said = ModelConfig.parse(SIZES
                + HYBRID.replaceFirst(more.contains("layer_types") ? ", \"layer_types\".*?\\]" : "#", "") + ", " + more
                + "}");
        Path original = Files.createDirectory(folder.resolve("original"));
        try (CausalLM model = CausalLM.create(said, 3, DType.F32)) {
            model.save(original, DType.F32);
        }
        assertThatThrownBy(() -> Conversion.of(original).toGguf(folder.resolve("x.gguf"), GgufType.F32))
                .isInstanceOf(UnsupportedModelException.class)
                .hasMessageContaining(told);
    }
}
