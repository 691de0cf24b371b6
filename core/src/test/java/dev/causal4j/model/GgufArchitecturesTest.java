package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.format.TensorView;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** A family's checkpoint as a GGUF file is the same model; the greedy tokens are llama.cpp's of that file. */
class GgufArchitecturesTest {
    @TempDir
    Path folder;

    /** qwen3_moe loses its dense layer, and granite gets biases: an architecture has one kind of layer. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "mixtral | {} | 28 69 59 16 55 60 12 74 12 91 65 55",
                "granite | {\"attention_multiplier\": 0.9, \"residual_multiplier\": 1.5} | 51 85 23 23 82 31 89 43 77 77 67 50",
                "granite | {\"attention_bias\": true, \"mlp_bias\": true} | 59 59 59 59 59 59 59 92 92 1 1 1",
                "olmo2 | {} | 76 33 32 32 51 51 51 33 51 33 19 76",
                "olmo3 | {\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 4.0, \"original_max_position_embeddings\": 16}} | 26 70 20 76 26 6 71 98 71 94 76 0",
                "gpt_neox | {} | 40 40 40 31 40 52 71 47 31 40 34 31",
                "gpt_neox-sequential | {} | 56 82 82 82 82 56 56 56 56 56 56 56",
                "qwen3_moe | {\"num_hidden_layers\": 2, \"mlp_only_layers\": []} | 88 82 46 38 63 63 74 48 48 88 87 38",
                "smollm3 | {\"no_rope_layers\": null} | 61 64 70 70 70 57 26 50 53 57 5 58",
                "gpt_oss | {\"rope_scaling\": {\"rope_type\": \"default\"}} | 33 74 74 74 25 83 9 74 9 74 9 74",
                "gpt_oss | {} | ",
                "lfm2 | {} | ",
                "lfm2_moe | {} | ",
                "ministral3 | {} | ",
                "gemma4 | {} | ",
                "gemma4-moe | {} | ",
                "gemma4-multimodal | {} | ",
                "granite4-moe | {} | ",
                "granite4-dense | {} | "
            })
    void aFileIsTheModelItWasWrittenFrom(String name, String changes, @Nullable String greedy) throws IOException {
        Path model = twin(name, changes);
        Path file = folder.resolve(name + ".gguf");
        Conversion.of(model).toGguf(file, GgufType.F32);
        Path back = folder.resolve("back");
        LoadOptions f32 = LoadOptions.DEFAULT.withDtype(DType.F32);
        Conversion.of(file).withOptions(f32).toHuggingFace(back);
        int[] tokens = {5, 80, 3, 41, 2, 64, 7, 9, 30, 31, 32};
        try (CausalLM expected = CausalLM.load(model);
                CausalLM actual = CausalLM.load(file);
                CausalLM again = CausalLM.load(back)) {
            assertThat(actual.config().sameArchitecture(expected.config())).isTrue();
            assertThat(Logits.of(actual, tokens)).isEqualTo(Logits.of(expected, tokens));
            assertThat(Logits.of(again, tokens)).isEqualTo(Logits.of(expected, tokens));
            if (greedy != null) { // llama.cpp rounds the band of YaRN, gpt-oss does not
                assertThat(greedy(actual)).isEqualTo(greedy);
            }
        }
    }

    private static String greedy(CausalLM model) {
        List<String> tokens = new ArrayList<>();
        Activations activations = new Activations();
        int[] next = {13, 2, 83, 59};
        try (KVCache cache = model.newCache()) {
            for (int i = 0; i < 12; i++) {
                float[] logits = model.head().logits(model.forward(Batch.last(cache, next), activations), 0);
                next = new int[] {Kernels.argmax(logits, 0, logits.length)};
                tokens.add(String.valueOf(next[0]));
            }
        }
        return String.join(" ", tokens);
    }

    private Path twin(String name, String changes) throws IOException {
        Variant variant = Variant.of(name);
        variant.config().setAll((ObjectNode) JsonMapper.shared().readTree(changes));
        if (name.equals("qwen3_moe")) {
            variant.tensors().keySet().removeIf(tensor -> tensor.startsWith("model.layers.1."));
            variant.renamed(tensor -> tensor.replace("model.layers.2.", "model.layers.1."));
        }
        if (changes.contains("bias")) {
            for (TensorView weight : List.copyOf(variant.tensors().values())) {
                if (weight.name().endsWith("_proj.weight")) {
                    bias(variant, weight);
                }
            }
        }
        return variant.write(Files.createDirectory(folder.resolve(name)));
    }

    private static void bias(Variant variant, TensorView weight) {
        float[] bias = new float[weight.shape().getFirst().intValue()];
        for (int i = 0; i < bias.length; i++) {
            bias[i] = (float) StrictMath.sin(i + weight.name().length()) / 2;
        }
        List<Long> shape = List.of((long) bias.length);
        variant.with(weight.name().replace(".weight", ".bias"), DType.F32, shape, MemorySegment.ofArray(bias));
    }

    /** In the file they are matrices, as weights are, but they are read one number at a time. */
    @Test
    void biasesOfExpertsInBlocksAreRefused() throws IOException {
        byte[] bytes = Files.readAllBytes(Golden.folder("gguf").resolve("gpt-oss.gguf"));
        String name = "blk.0.ffn_down_exps.bias";
        int sizes = new String(bytes, StandardCharsets.ISO_8859_1).indexOf(name) + name.length() + Integer.BYTES;
        assertThat(bytes[sizes + 2 * Long.BYTES]).isZero(); // F32
        bytes[sizes + 2 * Long.BYTES] = 8; // Q8_0
        Path file = Files.write(folder.resolve("blocks.gguf"), bytes);
        assertThatThrownBy(() -> Checkpoint.open(file).close())
                .isInstanceOf(FormatException.class)
                .hasMessageStartingWith(file + ", tensor " + name + ": expected dtype F32 or F16 or BF16, got ");
    }
}
