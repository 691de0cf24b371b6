package dev.causal4j.model;

import dev.causal4j.format.JsonTree;
import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.TensorSource;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.WholeFile;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.TensorView;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** How a GPT-2 is saved: the files and layouts of Hugging Face's GPT2LMHeadModel. */
final class GPT2Writing {
    private GPT2Writing() {}

    static void write(CausalLM model, Path folder, DType dtype) throws IOException {
        WholeFile.write(folder.resolve(Checkpoint.CONFIG), config(model.config(), dtype));
        if (model.tokenizer().isPresent()) {
            model.tokenizer().get().save(folder);
        }
        // Tied, it has no lm_head and so the names of OpenAI's checkpoint, which every converter knows. Beside an
        // lm_head Hugging Face's loader takes only names with the prefix.
        boolean tied = model.head().tied();
        List<TensorSource> tensors = model.namedParameters().stream()
                .map(parameter ->
                        source(tied ? parameter.name() : GPT2Checkpoint.tensorName(parameter), parameter, dtype))
                .toList();
        SafeTensors.writeInTurn(folder.resolve(TensorStore.SINGLE), tensors, Map.of("format", "pt"));
    }

    private static TensorSource source(String name, Parameter parameter, DType dtype) {
        return switch (parameter) {
            case Parameter.OfMatrix m -> {
                long rows = m.matrix().rows();
                long cols = m.matrix().cols();
                yield new TensorSource(
                        name,
                        dtype,
                        m.transposed() ? List.of(cols, rows) : List.of(rows, cols),
                        arena -> TensorView.of(name, m.matrix(), m.transposed(), dtype, arena));
            }
            case Parameter.OfVector v ->
                new TensorSource(
                        name,
                        dtype,
                        List.of((long) v.numbers().length),
                        arena -> TensorView.of(name, v.numbers(), dtype, arena));
        };
    }

    private static byte[] config(GPT2Config config, DType dtype) {
        GPT2Shape shape = config.shape();
        Map<String, Object> json = JsonTree.object(
                "architectures", List.of("GPT2LMHeadModel"),
                "model_type", "gpt2",
                "activation_function", "gelu_new",
                "vocab_size", config.vocabularySize(),
                "n_positions", shape.contextLength(),
                "n_ctx", shape.contextLength(),
                "n_embd", shape.hiddenSize(),
                "n_layer", shape.layers(),
                "n_head", shape.heads(),
                "n_inner", shape.innerSize(),
                "layer_norm_epsilon", shape.layerNormEpsilon(),
                "scale_attn_weights", shape.scaleAttention(),
                "scale_attn_by_inverse_layer_idx", shape.scaleAttentionByLayer(),
                "tie_word_embeddings", config.tied());
        config.bos().ifPresent(bos -> json.put("bos_token_id", bos));
        List<Integer> eos = config.eos().stream().sorted().toList();
        if (!eos.isEmpty()) {
            json.put("eos_token_id", eos.size() == 1 ? eos.getFirst() : eos);
        }
        json.put("torch_dtype", dtype == DType.BF16 ? "bfloat16" : "float32");
        return JsonTree.write(json);
    }
}
