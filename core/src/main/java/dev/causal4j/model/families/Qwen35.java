package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ActivationFunction;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Routing;
import dev.causal4j.decoder.BlockConfig.MixerConfig.GatedDelta;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.json.Json;
import dev.causal4j.model.families.Origin.Form;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Qwen 3.5, 3.6 and 3.8 (2026), the text model, also inside multimodal checkpoints: gated delta nets in most layers,
 * gated attention in the others, norms 1 + w. {@code qwen3_5_moe_text} has experts and a shared expert in every layer.
 */
record Qwen35(String type, Names names) implements Family {
    private static final Names SINGLE = Names.LLAMA
            .with(Form.LESS_ONE)
            .with(Map.ofEntries(
                    Map.entry("delta_qkv", "linear_attn.in_proj_qkv"),
                    Map.entry("delta_z", "linear_attn.in_proj_z"),
                    Map.entry("delta_b", "linear_attn.in_proj_b"),
                    Map.entry("delta_a", "linear_attn.in_proj_a"),
                    Map.entry("delta_conv", "linear_attn.conv1d"),
                    Map.entry("delta_decay", "linear_attn.A_log="),
                    Map.entry("delta_step", "linear_attn.dt_bias="),
                    Map.entry("delta_norm", "linear_attn.norm"),
                    Map.entry("delta_out", "linear_attn.out_proj"),
                    Map.entry("shared_router", "mlp.shared_expert_gate"),
                    Map.entry("shared_gate", "mlp.shared_expert.gate_proj"),
                    Map.entry("shared_up", "mlp.shared_expert.up_proj"),
                    Map.entry("shared_down", "mlp.shared_expert.down_proj")));

    static final Names FUSED =
            SINGLE.with(Map.of("expert_gate_up", "mlp.experts.gate_up_proj=", "expert_down", "mlp.experts.down_proj="));

    /** Our own key, of models that were read from GGUF files: see {@link GatedDelta#interleaved}. */
    static final String INTERLEAVED = "linear_value_heads_interleaved";

    @Override
    public FileLayout forTensors(Set<String> tensors) {
        return Family.hasSingleExperts(tensors) ? new Qwen35(type, SINGLE) : this;
    }

    private boolean hasExperts() {
        return type.equals("qwen3_5_moe_text");
    }

    @Override
    public Architecture read(Json outer) throws FormatException {
        Json text = text(outer, Map.of(), "tie_word_embeddings", "eos_token_id");
        Json said = outer.string("model_type", "").equals(type) ? outer : text;
        String partial = "partial_rotary_factor";
        Json json = new Json(said.subject(), Map.of(partial, 0.25)).with(said.root());
        Keys keys = new Keys(json, new Keys.Absent(0, hasExperts() ? 2 : 4, 256, 1e4, 1e-6));
        String gate = "attn_output_gate";
        json.support(gate, json.bool(gate, true), "true");
        json.support("hidden_act", keys.activation("hidden_act", "silu") == ActivationFunction.SILU, "silu");
        keys.queryKeyNorm = QueryKeyNorm.HEAD;
        keys.gated = true;
        int interval = json.integer("full_attention_interval", 4, 1, Architecture.MOST_LAYERS);
        List<Boolean> isDelta = keys.are("linear_attention", layer -> (layer + 1) % interval != 0);
        FeedForwardConfig feedForward = hasExperts() ? experts(keys) : keys.dense();
        BlockConfig delta = keys.block(delta(keys), feedForward);
        BlockConfig full = keys.block(0, new RopeKeys(keys, false).read(false), feedForward);
        return keys.model(this, said, layer -> isDelta.get(layer) ? delta : full);
    }

    private static FeedForwardConfig experts(Keys keys) throws FormatException {
        Dense each = keys.dense("moe_intermediate_size", ActivationFunction.SILU, true, false);
        Dense shared = keys.dense("shared_expert_intermediate_size", ActivationFunction.SILU, true, false);
        var routed = keys.experts("num_experts", 256, 8, each, Routing.SOFTMAX_OF_CHOSEN, false);
        return new FeedForwardConfig.Shared(routed, shared, true);
    }

    private static GatedDelta delta(Keys keys) throws FormatException {
        Json json = keys.json;
        int keyHeads = json.integer("linear_num_key_heads", 16, 1, Architecture.MOST_LAYERS);
        int valueHeads = json.integer("linear_num_value_heads", 32, 1, Architecture.MOST_LAYERS);
        String groups = "a multiple of linear_num_key_heads = " + keyHeads;
        json.check("linear_num_value_heads", valueHeads % keyHeads == 0, groups);
        int keySize = json.integer("linear_key_head_dim", 128, 1, Architecture.MOST_LAYERS);
        int valueSize = json.integer("linear_value_head_dim", 128, 1, Architecture.MOST_LAYERS);
        int kernel = json.integer("linear_conv_kernel_dim", 4, 1, 256);
        double channels = 2.0 * keyHeads * keySize + (double) valueHeads * valueSize;
        double state = kernel * channels + (double) valueHeads * keySize * (valueSize + 31);
        keys.checkState("linear_num_value_heads", state);
        GatedDelta delta = new GatedDelta(keyHeads, valueHeads, keySize, valueSize, kernel, false);
        return json.bool(INTERLEAVED, false) ? delta.asInterleaved() : delta;
    }

    /** The gain of the delta net's norm is stored as it is. */
    @Override
    public Origin origin(DecoderConfig decoder, ParameterSpec spec, String root) {
        Origin origin = names.origin(decoder, spec, root);
        return spec.module().equals("delta_norm") ? origin.in(Form.SAME) : origin;
    }

    /** Ignores the tensors of vision and of the heads that guess further tokens. */
    @Override
    public boolean isBuffer(DecoderConfig decoder, String name) {
        return name.matches("(model\\.)?(visual|mtp)\\..*") || Family.super.isBuffer(decoder, name);
    }
}
