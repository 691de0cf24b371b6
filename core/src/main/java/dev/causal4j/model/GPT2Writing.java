package dev.causal4j.model;

import dev.causal4j.decoder.GPT2Shape;
import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.TensorSource;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.WholeFile;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.TensorView;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

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
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator json = new JsonFactory().createGenerator(ObjectWriteContext.empty(), bytes)) {
            json.writeStartObject();
            json.writeArrayPropertyStart("architectures");
            json.writeString("GPT2LMHeadModel");
            json.writeEndArray();
            json.writeStringProperty("model_type", "gpt2");
            json.writeStringProperty("activation_function", "gelu_new");
            json.writeNumberProperty("vocab_size", config.vocabularySize());
            json.writeNumberProperty("n_positions", shape.contextLength());
            json.writeNumberProperty("n_ctx", shape.contextLength());
            json.writeNumberProperty("n_embd", shape.hiddenSize());
            json.writeNumberProperty("n_layer", shape.layers());
            json.writeNumberProperty("n_head", shape.heads());
            json.writeNumberProperty("n_inner", shape.innerSize());
            json.writeNumberProperty("layer_norm_epsilon", shape.layerNormEpsilon());
            json.writeBooleanProperty("scale_attn_weights", shape.scaleAttention());
            json.writeBooleanProperty("scale_attn_by_inverse_layer_idx", shape.scaleAttentionByLayer());
            json.writeBooleanProperty("tie_word_embeddings", config.tied());
            if (config.bos().isPresent()) {
                json.writeNumberProperty("bos_token_id", config.bos().getAsInt());
            }
            List<Integer> eos = config.eos().stream().sorted().toList();
            if (eos.size() == 1) {
                json.writeNumberProperty("eos_token_id", eos.getFirst());
            } else if (!eos.isEmpty()) {
                json.writeArrayPropertyStart("eos_token_id");
                eos.forEach(json::writeNumber);
                json.writeEndArray();
            }
            json.writeStringProperty("torch_dtype", dtype == DType.BF16 ? "bfloat16" : "float32");
            json.writeEndObject();
        }
        return bytes.toByteArray();
    }
}
