package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ActivationFunction;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.Values;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.NormConfig;
import dev.causal4j.decoder.BlockConfig.NormPlaces;
import dev.causal4j.decoder.BlockConfig.Residual;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.json.Json;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * GPT-2 (Radford et al. 2019): learned positions, layer norms before attention and feed-forward layer, biases
 * everywhere, linear weights as [in, out].
 */
record Gpt2(String type, Names names) implements Family {
    /** The tanh form of GELU under all its names in Hugging Face's table. */
    private static final Set<String> TANH_GELU =
            Set.of("gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate");

    static final Names NAMES = new Names(
            List.of("transformer."),
            "h.",
            Map.of(
                    "embedding", "wte",
                    "positions", "wpe",
                    "attention_norm", "ln_1",
                    "qkv", "attn.c_attn",
                    "attention_out", "attn.c_proj",
                    "feed_forward_norm", "ln_2",
                    "up", "mlp.c_fc",
                    "down", "mlp.c_proj",
                    "norm", "ln_f",
                    "head", "lm_head"));

    @Override
    public Architecture read(Json json) throws FormatException {
        json.support("add_cross_attention", !json.bool("add_cross_attention", false), "false");
        json.support("quantization_config", !json.has("quantization_config"), "no quantization");
        String activation = json.string("activation_function", "gelu_new");
        json.support("activation_function", TANH_GELU.contains(activation), "gelu_new, the tanh form");
        int hiddenSize = json.requireInt("n_embd", 1, Architecture.MOST / 4);
        int heads = json.requireInt("n_head", 1, Architecture.MOST);
        json.check("n_embd", hiddenSize % heads == 0, "a multiple of n_head = " + heads);
        int headSize = hiddenSize / heads;
        int innerSize = json.integer("n_inner", 4 * hiddenSize, 1, Architecture.MOST);
        Dense feedForward = new Dense(innerSize, ActivationFunction.GELU_TANH, false, true);
        float epsilon = (float) json.number("layer_norm_epsilon", 1e-5, 0, 1);
        NormConfig norm = new NormConfig(NormConfig.Kind.LAYER, epsilon, true);
        // reorder_and_upcast_attn asks for f32 scores, which we always compute.
        double scale = json.bool("scale_attn_weights", true) ? 1 / Math.sqrt(headSize) : 1;
        boolean byLayer = json.bool("scale_attn_by_inverse_layer_idx", false);
        List<BlockConfig> blocks = IntStream.range(0, json.requireInt("n_layer", 1, Architecture.MOST_LAYERS))
                .mapToObj(layer -> (float) (byLayer ? scale / (layer + 1) : scale))
                .map(s -> new AttentionConfig(
                        heads,
                        heads,
                        headSize,
                        s,
                        0,
                        0,
                        false,
                        null,
                        QueryKeyNorm.NONE,
                        true,
                        true,
                        false,
                        false,
                        Values.PROJECTED,
                        AttentionConfig.OWN))
                .map(a -> new BlockConfig(a, feedForward, norm, NormPlaces.BEFORE, Residual.SEQUENTIAL, 1))
                .toList();
        int contextLength = json.requireInt("n_positions", 1, Architecture.MOST);
        DecoderConfig decoder = new DecoderConfig(hiddenSize, contextLength, 1, true, norm, 1, null, false, blocks);
        return Architecture.of(this, decoder, Map.of(), json, true, 0);
    }

    @Override
    public void write(Architecture architecture, Map<String, Object> json) {
        DecoderConfig decoder = architecture.decoder();
        List<BlockConfig> blocks = decoder.blocks();
        AttentionConfig first = decoder.attentions().getFirst();
        json.clear();
        json.put("architectures", List.of("GPT2LMHeadModel"));
        json.put("model_type", type);
        json.put("activation_function", "gelu_new");
        json.put("vocab_size", architecture.vocabularySize());
        json.put("n_positions", decoder.contextLength());
        json.put("n_ctx", decoder.contextLength());
        json.put("n_embd", decoder.hiddenSize());
        json.put("n_layer", blocks.size());
        json.put("n_head", first.heads());
        json.put("n_inner", ((Dense) blocks.getFirst().feedForward()).innerSize());
        json.put("layer_norm_epsilon", decoder.lastNorm().epsilon());
        json.put("scale_attn_weights", first.scale() == (float) (1 / Math.sqrt(first.headSize())));
        json.put(
                "scale_attn_by_inverse_layer_idx",
                decoder.attentions().getLast().scale() != first.scale());
    }

    @Override
    public Origin origin(DecoderConfig decoder, ParameterSpec spec, String root) {
        String name = names.name(spec, root, spec.module());
        return spec.role().isLinear() ? Origin.transposed(name, spec) : Origin.tensor(name, spec);
    }

    /**
     * Tied models have no lm_head and use the names of OpenAI's checkpoint, which every converter knows. With an
     * lm_head Hugging Face's loader needs the prefix.
     */
    @Override
    public String rootWritten(boolean tied) {
        return tied ? "" : names.roots().getFirst();
    }

    @Override
    public boolean mayHaveMore() {
        return true;
    }
}
