package dev.causal4j.model.gguf;

import static dev.causal4j.model.gguf.GgufArchitecture.Trait.BIASES;
import static dev.causal4j.model.gguf.GgufArchitecture.Trait.CONVOLUTIONS;
import static dev.causal4j.model.gguf.GgufArchitecture.Trait.DELTA;
import static dev.causal4j.model.gguf.GgufArchitecture.Trait.EXPERTS;
import static dev.causal4j.model.gguf.GgufArchitecture.Trait.FACTORS;
import static dev.causal4j.model.gguf.GgufArchitecture.Trait.LAYER_NORMS;
import static dev.causal4j.model.gguf.GgufArchitecture.Trait.MAY_BE_BIASED;
import static dev.causal4j.model.gguf.GgufArchitecture.Trait.PACKED;
import static dev.causal4j.model.gguf.GgufArchitecture.Trait.PAIRS;
import static dev.causal4j.model.gguf.GgufArchitecture.Trait.PARTIAL;
import static dev.causal4j.model.gguf.GgufArchitecture.Trait.QKV_BIASES;
import static dev.causal4j.model.gguf.GgufArchitecture.Trait.TIED;
import static dev.causal4j.model.gguf.GgufArchitecture.Trait.UNTIED;
import static java.util.Map.entry;

import dev.causal4j.FormatException;
import dev.causal4j.json.Json;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The architectures of GGUF files that are read and written, as llama.cpp computes them. Immutable and thread-safe. */
enum GgufArchitecture {
    LLAMA("llama", List.of("llama", "mixtral", "mistral"), 0, PAIRS, FACTORS, MAY_BE_BIASED),
    QWEN2("qwen2", List.of("qwen2"), 0, QKV_BIASES),
    QWEN3("qwen3", List.of("qwen3"), 0),
    QWEN3_MOE("qwen3moe", List.of("qwen3_moe"), 0, EXPERTS),
    GEMMA2("gemma2", List.of("gemma2"), 2, TIED),
    GEMMA3("gemma3", List.of("gemma3_text"), 6),
    GEMMA4("gemma4", List.of("gemma4_text"), 6, FACTORS),
    PHI3("phi3", List.of("phi3"), 0, PACKED, PARTIAL),
    GRANITE("granite", List.of("granite"), 0, PAIRS, MAY_BE_BIASED),
    GRANITE_HYBRID("granitehybrid", List.of("granitemoehybrid"), 0, PAIRS),
    SMOLLM3("smollm3", List.of("smollm3"), 0, PAIRS),
    OLMO2("olmo2", List.of("olmo2", "olmo3"), 4, UNTIED),
    GPT2("gpt2", List.of("gpt2"), 0, PACKED, LAYER_NORMS, BIASES),
    GPT_NEOX("gptneox", List.of("gpt_neox"), 0, PACKED, LAYER_NORMS, BIASES, PARTIAL, UNTIED),
    GPT_OSS("gpt-oss", List.of("gpt_oss"), 2, EXPERTS, BIASES, UNTIED),
    MISTRAL3("mistral3", List.of("ministral3"), 0, PAIRS),
    LFM2("lfm2", List.of("lfm2"), 0, CONVOLUTIONS),
    LFM2_MOE("lfm2moe", List.of("lfm2_moe"), 0, CONVOLUTIONS, EXPERTS),
    QWEN35("qwen35", List.of("qwen3_5_text"), 0, DELTA, PARTIAL),
    QWEN35_MOE("qwen35moe", List.of("qwen3_5_moe_text"), 0, DELTA, PARTIAL, EXPERTS);

    /** A property that some architectures have. */
    enum Trait {
        /** The rows of each head of queries and keys lie in pairs: the first of one half, the first of the other. */
        PAIRS,
        /** Queries, keys and values are one tensor; so are gates and ups where a layer has both. */
        PACKED,
        /** Norms subtract the mean and have a bias, and the epsilon has a key of its own. Heads are D / H wide. */
        LAYER_NORMS,
        /** All linear layers have biases. */
        BIASES,
        /** Linear layers may have biases, experts and routers may not. */
        MAY_BE_BIASED,
        /** Queries, keys and values have biases, and no other linear layer has. */
        QKV_BIASES,
        /** Positions may rotate the first coordinates of a head only. */
        PARTIAL,
        /** A file may have one tensor of factors that the frequencies of rotation are divided by. */
        FACTORS,
        /** Every layer has experts, or every one but the first ones. */
        EXPERTS,
        /** Layers without key heads are short convolutions. */
        CONVOLUTIONS,
        /**
         * Some layers are gated delta nets, whose value heads are {@linkplain
         * dev.causal4j.decoder.BlockConfig.MixerConfig.GatedDelta#interleaved interleaved}; attention is gated.
         */
        DELTA,
        /** The head is always the embedding. */
        TIED,
        /** The head is never the embedding. */
        UNTIED
    }

    /** The key that names the architecture. */
    static final String KEY = "general.architecture";

    /** GGUF's keys by Hugging Face's, for both directions. */
    static final Map<String, String> NAMES = Map.ofEntries(
            entry("max_position_embeddings", "context_length"),
            entry("hidden_size", "embedding_length"),
            entry("num_hidden_layers", "block_count"),
            entry("intermediate_size", "feed_forward_length"),
            entry("num_attention_heads", "attention.head_count"),
            entry("num_key_value_heads", "attention.head_count_kv"),
            entry("head_dim", GgufKeys.KEY_LENGTH),
            entry("layer_norm_eps", "attention.layer_norm_epsilon"),
            entry("rms_norm_eps", "attention.layer_norm_rms_epsilon"),
            entry("sliding_window", "attention.sliding_window"),
            entry("layer_types", "attention.sliding_window_pattern"),
            entry("attention_multiplier", "attention.scale"),
            entry("embedding_multiplier", "embedding_scale"),
            entry("residual_multiplier", "residual_scale"),
            entry("logits_scaling", "logit_scale"),
            entry("attn_logit_softcapping", "attn_logit_softcapping"),
            entry("final_logit_softcapping", "final_logit_softcapping"),
            entry("use_parallel_residual", "use_parallel_residual"),
            entry("num_local_experts", "expert_count"),
            entry("num_experts_per_tok", "expert_used_count"),
            entry("moe_intermediate_size", "expert_feed_forward_length"),
            entry("num_dense_layers", "leading_dense_block_count"),
            entry("conv_L_cache", "shortconv.l_cache"),
            entry("shared_expert_intermediate_size", "expert_shared_feed_forward_length"),
            entry("num_kv_shared_layers", "attention.shared_kv_layers"),
            entry("hidden_size_per_layer_input", "embedding_length_per_layer_input"),
            entry("linear_conv_kernel_dim", "ssm.conv_kernel"),
            entry("linear_key_head_dim", "ssm.state_size"),
            entry("linear_num_key_heads", "ssm.group_count"),
            entry("linear_num_value_heads", "ssm.time_step_rank"),
            entry("rope_theta", "rope.freq_base"),
            entry("rope_local_base_freq", "rope.freq_base_swa"));

    /** Keys of configurations that differ from Llama's. */
    private static final Map<GgufArchitecture, Map<String, String>> KEYS = Map.of(
            GPT2,
            Map.of(
                    "hidden_size", "n_embd",
                    "num_attention_heads", "n_head",
                    "num_hidden_layers", "n_layer",
                    "max_position_embeddings", "n_positions",
                    "intermediate_size", "n_inner",
                    "layer_norm_eps", "layer_norm_epsilon"),
            GPT_NEOX,
            Map.of(
                    "rope_theta", "rotary_emb_base",
                    "partial_rotary_factor", "rotary_pct"),
            QWEN3_MOE,
            Map.of("num_local_experts", "num_experts"),
            GPT_OSS,
            Map.of("moe_intermediate_size", "intermediate_size"),
            LFM2,
            Map.of("rms_norm_eps", "norm_eps"),
            LFM2_MOE,
            Map.of("rms_norm_eps", "norm_eps", "num_local_experts", "num_experts"),
            QWEN35_MOE,
            Map.of("num_local_experts", "num_experts"),
            GEMMA4,
            Map.of("num_local_experts", "num_experts", "num_experts_per_tok", "top_k_experts"),
            GRANITE_HYBRID,
            Map.of(
                    "shared_expert_intermediate_size", "shared_intermediate_size",
                    "linear_conv_kernel_dim", "mamba_d_conv",
                    "linear_key_head_dim", "mamba_d_state",
                    "linear_num_key_heads", "mamba_n_groups",
                    "linear_num_value_heads", "mamba_n_heads"));

    final int period; // of layers, the last of which has no window; 0 for no windows
    private final String label;

    @SuppressWarnings("ImmutableEnumChecker") // it is immutable, as the next
    private final List<String> types; // of configurations

    @SuppressWarnings("ImmutableEnumChecker")
    private final Set<Trait> traits;

    GgufArchitecture(String label, List<String> types, int period, Trait... traits) {
        this.label = label;
        this.types = types;
        this.period = period;
        this.traits = Set.of(traits);
    }

    /** The key of a file for one of Hugging Face's or of its own. */
    String key(String name) {
        return this + "." + NAMES.getOrDefault(name, name);
    }

    boolean has(Trait trait) {
        return traits.contains(trait);
    }

    /**
     * The type of configurations.
     *
     * @param more whether a model has experts or windows that others of the architecture do not have
     */
    String type(boolean more) {
        return types.get(more ? 1 : 0);
    }

    /** The architecture that a file names. */
    static GgufArchitecture of(Json metadata) throws FormatException {
        String label = metadata.requireString(KEY);
        var found =
                Arrays.stream(values()).filter(each -> each.label.equals(label)).findFirst();
        metadata.support(KEY, found.isPresent(), "one of " + List.of(values()));
        return found.orElseThrow();
    }

    /** The architecture that a configuration is written as. */
    static GgufArchitecture of(Json subject, String type) throws FormatException {
        var found = Arrays.stream(values())
                .filter(each -> each.types.contains(type))
                .findFirst();
        subject.support("model_type", found.isPresent(), "one with a name in GGUF, " + List.of(values()));
        return found.orElseThrow();
    }

    /** Gives the keys of a configuration their names in this family's. */
    void rename(Map<String, Object> json) {
        KEYS.getOrDefault(this, Map.of()).forEach((key, own) -> {
            if (json.containsKey(key)) {
                json.put(own, json.remove(key));
            }
        });
    }

    @Override
    public String toString() {
        return label;
    }
}
