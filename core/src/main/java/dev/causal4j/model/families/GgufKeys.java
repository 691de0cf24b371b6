package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.format.GgufVocabulary;
import dev.causal4j.format.Json;
import dev.causal4j.format.TensorStore;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.TensorView;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;

/** The metadata of a GGUF file as the configuration that Hugging Face's files of the same model have. */
public final class GgufKeys {
    /** Names of architectures and of families. */
    private static final Map<String, String> FAMILIES = Map.of(
            "llama", "llama",
            "qwen2", "qwen2",
            "qwen3", "qwen3",
            "gemma2", "gemma2",
            "gemma3", "gemma3_text",
            "phi3", "phi3",
            "gpt2", "gpt2");

    private final Json metadata;
    private final String architecture;
    private final TensorStore tensors;
    private final Set<String> names;
    private final Map<String, Object> json = new LinkedHashMap<>();
    private final int layers;
    private final int headSize;
    private final int contextLength;

    private GgufKeys(Json metadata, TensorStore tensors) throws FormatException {
        this.metadata = metadata;
        this.tensors = tensors;
        this.names = tensors.names();
        this.architecture = metadata.requireString("general.architecture");
        metadata.support("general.architecture", FAMILIES.containsKey(architecture), "one of " + FAMILIES.keySet());
        String causal = key("attention.causal");
        metadata.support(causal, metadata.bool(causal, true), "true");
        metadata.support(key("expert_count"), metadata.integer(key("expert_count"), 0, 0, Integer.MAX_VALUE) == 0, "0");
        this.layers = require("block_count");
        metadata.check(key("block_count"), layers <= names.size(), "at most one block for each tensor");
        int heads = requireEqual("attention.head_count");
        int hiddenSize = require("embedding_length");
        metadata.check(key("attention.head_count"), heads <= hiddenSize, "at most embedding_length = " + hiddenSize);
        this.headSize = size("attention.key_length", hiddenSize / heads);
        metadata.check(
                key("attention.value_length"),
                size("attention.value_length", headSize) == headSize,
                "the key_length, " + headSize);
        // Some say that it is not bounded.
        Object length = metadata.root().get(key("context_length"));
        boolean bounded = !(length instanceof Long given && given > ModelConfig.MOST);
        this.contextLength = bounded ? require("context_length") : ModelConfig.MOST;
        json.put("model_type", FAMILIES.get(architecture));
        List<Long> embedding = tensors.tensor(GgufVocabulary.EMBEDDING).shape();
        json.put("vocab_size", (int) Math.min(embedding.isEmpty() ? 1 : embedding.getFirst(), Integer.MAX_VALUE));
        json.put("tie_word_embeddings", !names.contains("output.weight"));
        if (architecture.equals("gpt2")) {
            gpt2(heads, hiddenSize);
        } else {
            llama(heads, hiddenSize);
        }
    }

    /** Reads the configuration. */
    public static ModelConfig read(Json metadata, TensorStore tensors) throws FormatException {
        GgufKeys keys = new GgufKeys(metadata, tensors);
        return ModelConfig.of(new Json(metadata.subject(), keys.json));
    }

    private String key(String name) {
        return architecture + "." + name;
    }

    private int require(String name) throws FormatException {
        return metadata.requireInt(key(name), 1, ModelConfig.MOST);
    }

    /** A number, or a list of one for each layer, which must be equal. */
    private int requireEqual(String name) throws FormatException {
        if (!(metadata.root().get(key(name)) instanceof List<?> list)) {
            return require(name);
        }
        metadata.check(key(name), list.size() == layers, "a number for each of " + layers + " layers");
        metadata.support(key(name), Set.copyOf(list).size() == 1, "equal numbers");
        return new Json(metadata.subject(), Map.of(name, list.getFirst())).requireInt(name, 1, ModelConfig.MOST);
    }

    private int size(String name, int whenAbsent) throws FormatException {
        return metadata.integer(key(name), whenAbsent, 1, ModelConfig.MOST);
    }

    private double number(String name, double whenAbsent) throws FormatException {
        return metadata.number(key(name), whenAbsent, 1e-30, 1e300);
    }

    private void gpt2(int heads, int hiddenSize) throws FormatException {
        json.put("n_embd", hiddenSize);
        json.put("n_head", heads);
        json.put("n_layer", layers);
        json.put("n_positions", contextLength);
        json.put("n_inner", requireEqual("feed_forward_length"));
        metadata.check(
                key("attention.layer_norm_epsilon"), metadata.has(key("attention.layer_norm_epsilon")), "a number");
        json.put("layer_norm_epsilon", number("attention.layer_norm_epsilon", 1e-5));
    }

    private void llama(int heads, int hiddenSize) throws FormatException {
        json.put("hidden_size", hiddenSize);
        json.put("num_attention_heads", heads);
        json.put(
                "num_key_value_heads",
                metadata.has(key("attention.head_count_kv")) ? requireEqual("attention.head_count_kv") : heads);
        json.put("head_dim", headSize);
        json.put("num_hidden_layers", layers);
        json.put("max_position_embeddings", contextLength);
        json.put("intermediate_size", requireEqual("feed_forward_length"));
        String epsilon = key("attention.layer_norm_rms_epsilon");
        metadata.check(epsilon, metadata.has(epsilon), "a number");
        json.put("rms_norm_eps", metadata.number(epsilon, 0, 0, 1));
        json.put("attention_bias", names.contains("blk.0.attn_output.bias"));
        json.put("mlp_bias", names.contains("blk.0.ffn_down.bias"));
        rope();
        if (architecture.startsWith("gemma")) {
            gemma(heads, hiddenSize);
        } else {
            json.put("sliding_window", Json.NULL); // ignored by llama.cpp
        }
    }

    private void gemma(int heads, int hiddenSize) throws FormatException {
        boolean largest = layers == (architecture.equals("gemma2") ? 46 : 62); // the models of 27B: no key tells
        json.put("query_pre_attn_scalar", largest ? hiddenSize / heads : headSize);
        int window = metadata.integer(
                key("attention.sliding_window"), architecture.equals("gemma2") ? 4096 : 0, 0, ModelConfig.MOST);
        json.put("sliding_window", window == 0 ? Json.NULL : window);
        if (architecture.equals("gemma2")) {
            json.put("attn_logit_softcapping", number("attn_logit_softcapping", 50));
            json.put("final_logit_softcapping", number("final_logit_softcapping", 30));
            return;
        }
        json.put("sliding_window_pattern", size("attention.sliding_window_pattern", 6));
        json.put("rope_local_base_freq", number("rope.freq_base_swa", 1e4));
        if (metadata.has(key("final_logit_softcapping"))) {
            json.put("final_logit_softcapping", number("final_logit_softcapping", 1));
        }
    }

    private void rope() throws FormatException {
        json.put("rope_theta", number("rope.freq_base", 10000));
        int width = size("rope.dimension_count", headSize);
        boolean partial = architecture.equals("phi3");
        metadata.support(
                key("rope.dimension_count"),
                partial ? width <= headSize : width == headSize,
                (partial ? "at most " : "") + "the key_length, " + headSize);
        if (width < headSize) {
            json.put("partial_rotary_factor", (double) width / headSize);
        }
        String kind = metadata.string(key("rope.scaling.type"), "linear");
        double factor = number("rope.scaling.factor", number("rope.scale_linear", 1));
        int original = size("rope.scaling.original_context_length", contextLength);
        double gain = number("rope.scaling.attn_factor", 1);
        if (names.contains("rope_freqs.weight")) {
            metadata.support("general.architecture", architecture.equals("llama"), "llama with rope_freqs.weight");
            List<Double> factors = numbers("rope_freqs.weight");
            longRope(factors, factors, original, 1);
        } else if (names.contains("rope_factors_long.weight")) {
            List<Double> shorter = numbers("rope_factors_short.weight");
            longRope(shorter, numbers("rope_factors_long.weight"), original, gain);
        } else if (kind.equals("yarn")) {
            double scale = gain * (factor <= 1 ? 1 : 1 + 0.1 * StrictMath.log(factor));
            json.put(
                    "rope_scaling",
                    Json.object(
                            "rope_type",
                            "yarn",
                            "factor",
                            factor,
                            "original_max_position_embeddings",
                            original,
                            "attention_factor",
                            scale));
        } else {
            metadata.support(
                    key("rope.scaling.type"), List.of("linear", "none").contains(kind), "none, linear or yarn");
            if (kind.equals("linear") && factor != 1) {
                json.put("rope_scaling", Json.object("rope_type", "linear", "factor", factor));
            }
        }
    }

    /** The numbers of a small tensor. */
    private List<Double> numbers(String name) throws FormatException {
        TensorView tensor = tensors.tensor(name);
        boolean small = tensor.elements() <= ModelConfig.MOST && tensor.dtype() == DType.F32;
        metadata.check("general.architecture", small, "one whose tensor " + name + " has few numbers in F32");
        return IntStream.range(0, (int) tensor.elements())
                .mapToObj(i -> {
                    float[] number = new float[1];
                    tensor.copyTo(i, number, 0, 1);
                    return (double) number[0];
                })
                .toList();
    }

    private void longRope(List<Double> shorter, List<Double> longer, int original, double gain) {
        json.put(
                "rope_scaling",
                Json.object(
                        "rope_type",
                        "longrope",
                        "short_factor",
                        shorter,
                        "long_factor",
                        longer,
                        "original_max_position_embeddings",
                        original,
                        "attention_factor",
                        gain));
    }
}
