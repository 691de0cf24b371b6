package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.GgufVocabulary;
import dev.causal4j.format.Json;
import dev.causal4j.format.TensorStore;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.TensorView;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * A family in a GGUF file, as llama.cpp writes it: the metadata, and the names and places of parameters. Immutable.
 *
 * <p>Linear weights are [out, in] there, Gemma's gains hold the one that is added, and Llama's queries and keys have the
 * rows of each head in pairs.
 */
public final class GgufFamily implements Family {
    private static final Names NAMES = new Names(
            List.of(""),
            "blk.",
            Map.ofEntries(
                    Map.entry("embedding", "token_embd"),
                    Map.entry("positions", "position_embd"),
                    Map.entry("norm", "output_norm"),
                    Map.entry("head", "output"),
                    Map.entry("attention_norm", "attn_norm"),
                    Map.entry("query", "attn_q"),
                    Map.entry("key", "attn_k"),
                    Map.entry("value", "attn_v"),
                    Map.entry("query_norm", "attn_q_norm"),
                    Map.entry("key_norm", "attn_k_norm"),
                    Map.entry("attention_out", "attn_output"),
                    Map.entry("attention_out_norm", "post_attention_norm"),
                    Map.entry("feed_forward_norm", "ffn_norm"),
                    Map.entry("feed_forward_out_norm", "post_ffw_norm"),
                    Map.entry("gate", "ffn_gate"),
                    Map.entry("up", "ffn_up"),
                    Map.entry("down", "ffn_down")));

    private static final List<String> ARCHITECTURES =
            List.of("llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "gpt2");

    /** Llama's keys and GPT-2's. */
    private static final Map<String, String> GPT2 = Map.of(
            "hidden_size", "n_embd",
            "num_attention_heads", "n_head",
            "num_hidden_layers", "n_layer",
            "max_position_embeddings", "n_positions",
            "intermediate_size", "n_inner",
            "rms_norm_eps", "layer_norm_epsilon");

    private final Json metadata;
    private final String architecture;
    private final TensorStore tensors;
    private final Set<String> present;
    private final Names names;

    public GgufFamily(Json metadata, TensorStore tensors) throws FormatException {
        this.metadata = metadata;
        this.tensors = tensors;
        this.present = tensors.names();
        this.architecture = metadata.requireString("general.architecture");
        Map<String, String> packed = new HashMap<>();
        if (present.contains("blk.0.attn_qkv.weight")) {
            packed.put("qkv", "attn_qkv");
        }
        if (!present.contains("blk.0.ffn_gate.weight")) {
            packed.put("gate_up", "ffn_up");
        }
        this.names = NAMES.but(packed);
    }

    @Override
    public String type() {
        return architecture.equals("gemma3") ? "gemma3_text" : architecture;
    }

    @Override
    public Names names() {
        return names;
    }

    @Override
    public boolean isBuffer(String name) {
        return name.startsWith("rope_f"); // read with the configuration
    }

    @Override
    public Origin origin(ModelConfig config, ParameterSpec spec, String root) {
        Origin origin = names.origin(config, spec, root);
        if (!architecture.equals("llama") || !spec.module().equals("qkv")) {
            return origin;
        }
        AttentionConfig a = Names.block(config, spec).attention();
        List<Origin.Part> parts = new ArrayList<>();
        int head = 0; // of queries, keys, values
        for (Origin.Part all : origin.parts()) {
            for (int row = 0; row < all.rows(); row += a.headSize(), head++) {
                if (head < a.heads() + a.kvHeads()) { // the halves lie in turn
                    parts.add(all.rows(row, a.headSize() / 2, 2));
                    parts.add(all.rows(row + 1, a.headSize() / 2, 2));
                } else {
                    parts.add(all.rows(row, a.headSize(), 1));
                }
            }
        }
        return new Origin(parts);
    }

    /** Reads its metadata as the configuration that Hugging Face's files of the same model have. */
    @Override
    public ModelConfig read(Json same) throws FormatException {
        metadata.support("general.architecture", ARCHITECTURES.contains(architecture), "one of " + ARCHITECTURES);
        String causal = key("attention.causal");
        metadata.support(causal, metadata.bool(causal, true), "true");
        metadata.support(key("expert_count"), metadata.integer(key("expert_count"), 0, 0, Integer.MAX_VALUE) == 0, "0");
        int layers = require("block_count");
        metadata.check(key("block_count"), layers <= present.size(), "at most one block for each tensor");
        int heads = requireEqual("attention.head_count", layers);
        int hiddenSize = require("embedding_length");
        metadata.check(key("attention.head_count"), heads <= hiddenSize, "at most embedding_length = " + hiddenSize);
        int headSize = size("attention.key_length", hiddenSize / heads);
        boolean fits = size("attention.value_length", headSize) == headSize;
        metadata.check(key("attention.value_length"), fits, "the key_length, " + headSize);
        boolean grouped = metadata.has(key("attention.head_count_kv"));
        // Some say that it is not bounded.
        Object length = metadata.root().get(key("context_length"));
        boolean bounded = !(length instanceof Long given && given > ModelConfig.MOST);
        int contextLength = bounded ? require("context_length") : ModelConfig.MOST;
        List<Long> embedding = tensors.tensor(GgufVocabulary.EMBEDDING).shape();
        boolean gpt2 = architecture.equals("gpt2");
        String epsilon = key(gpt2 ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon");
        metadata.check(epsilon, metadata.has(epsilon), "a number");
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("model_type", type());
        json.put("vocab_size", (int) Math.min(embedding.isEmpty() ? 1 : embedding.getFirst(), Integer.MAX_VALUE));
        json.put("tie_word_embeddings", !present.contains("output.weight"));
        json.put("hidden_size", hiddenSize);
        json.put("num_attention_heads", heads);
        json.put("num_key_value_heads", grouped ? requireEqual("attention.head_count_kv", layers) : heads);
        json.put("head_dim", headSize);
        json.put("num_hidden_layers", layers);
        json.put("max_position_embeddings", contextLength);
        json.put("intermediate_size", requireEqual("feed_forward_length", layers));
        json.put("rms_norm_eps", metadata.number(epsilon, 0, 0, 1));
        json.put("attention_bias", present.contains("blk.0.attn_output.bias"));
        json.put("mlp_bias", present.contains("blk.0.ffn_down.bias"));
        if (gpt2) {
            GPT2.forEach((key, own) -> json.put(own, json.remove(key)));
            return ModelConfig.of(new Json(metadata.subject(), json));
        }
        rope(json, headSize, contextLength);
        if (architecture.startsWith("gemma")) {
            boolean largest = layers == (architecture.equals("gemma2") ? 46 : 62); // the models of 27B: no key tells
            gemma(json, largest ? hiddenSize / heads : headSize);
        } else {
            json.put("sliding_window", Json.NULL); // ignored by llama.cpp
        }
        return ModelConfig.of(new Json(metadata.subject(), json));
    }

    private String key(String name) {
        return architecture + "." + name;
    }

    private int require(String name) throws FormatException {
        return metadata.requireInt(key(name), 1, ModelConfig.MOST);
    }

    /** A number, or a list of one for each layer, which must be equal. */
    private int requireEqual(String name, int layers) throws FormatException {
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

    private void gemma(Map<String, Object> json, int scalar) throws FormatException {
        boolean second = architecture.equals("gemma2");
        json.put("query_pre_attn_scalar", scalar);
        int window = metadata.integer(key("attention.sliding_window"), second ? 4096 : 0, 0, ModelConfig.MOST);
        json.put("sliding_window", window == 0 ? Json.NULL : window);
        if (second) {
            json.put("attn_logit_softcapping", number("attn_logit_softcapping", 50));
        } else {
            json.put("sliding_window_pattern", size("attention.sliding_window_pattern", 6));
            json.put("rope_local_base_freq", number("rope.freq_base_swa", 1e4));
        }
        if (second || metadata.has(key("final_logit_softcapping"))) {
            json.put("final_logit_softcapping", number("final_logit_softcapping", 30));
        }
    }

    private void rope(Map<String, Object> json, int headSize, int contextLength) throws FormatException {
        json.put("rope_theta", number("rope.freq_base", 10000));
        String dimensions = key("rope.dimension_count");
        int width = size("rope.dimension_count", headSize);
        boolean partial = architecture.equals("phi3");
        boolean fits = partial ? width <= headSize : width == headSize;
        metadata.support(dimensions, fits, (partial ? "at most " : "") + "the key_length, " + headSize);
        if (width < headSize) {
            json.put("partial_rotary_factor", (double) width / headSize);
        }
        double factor = number("rope.scaling.factor", number("rope.scale_linear", 1));
        int original = size("rope.scaling.original_context_length", contextLength);
        double gain = number("rope.scaling.attn_factor", 1);
        String said = metadata.string(key("rope.scaling.type"), "linear");
        boolean same = present.contains("rope_freqs.weight"); // for all lengths
        boolean factors = same || present.contains("rope_factors_long.weight");
        metadata.support("general.architecture", !same || architecture.equals("llama"), "llama with rope_freqs.weight");
        boolean known = factors || List.of("none", "linear", "yarn").contains(said);
        metadata.support(key("rope.scaling.type"), known, "none, linear or yarn");
        String kind = factors ? "longrope" : said.equals("linear") && factor == 1 ? "none" : said;
        if (kind.equals("none")) {
            return;
        }
        Map<String, Object> scaling = Json.object("rope_type", kind);
        if (factors) {
            scaling.put("short_factor", numbers(same ? "rope_freqs.weight" : "rope_factors_short.weight"));
            scaling.put("long_factor", numbers(same ? "rope_freqs.weight" : "rope_factors_long.weight"));
        } else {
            scaling.put("factor", factor);
        }
        if (!kind.equals("linear")) {
            boolean longer = kind.equals("yarn") && factor > 1;
            scaling.put("original_max_position_embeddings", original);
            scaling.put("attention_factor", same ? 1.0 : longer ? gain * (1 + 0.1 * StrictMath.log(factor)) : gain);
        }
        json.put("rope_scaling", scaling);
    }

    /** The numbers of a small tensor. */
    private List<Double> numbers(String name) throws FormatException {
        TensorView tensor = tensors.tensor(name);
        boolean small = tensor.elements() <= ModelConfig.MOST && tensor.dtype() == DType.F32;
        metadata.check("general.architecture", small, "one whose tensor " + name + " has few numbers in F32");
        float[] numbers = tensor.toArray();
        return IntStream.range(0, numbers.length)
                .mapToObj(i -> (double) numbers[i])
                .toList();
    }
}
