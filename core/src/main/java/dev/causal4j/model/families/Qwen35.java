package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Activation;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Routing;
import dev.causal4j.decoder.BlockConfig.MixerConfig.GatedDelta;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.format.Json;
import dev.causal4j.model.families.Origin.Heads;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Qwen 3.5, 3.6 and 3.8 (2026), the text model, also inside multimodal checkpoints: gated delta nets in most layers, gated
 * attention in the others, norms 1 + w; {@code qwen3_5_moe_text} has experts and one for all tokens in every layer.
 *
 * @param fused whether a tensor holds all experts of a layer
 */
record Qwen35(String type, boolean fused) implements Family {
    private static final Names NAMES = Names.LLAMA.but(Map.ofEntries(
            Map.entry("shared_router", "mlp.shared_expert_gate"),
            Map.entry("shared_gate", "mlp.shared_expert.gate_proj"),
            Map.entry("shared_up", "mlp.shared_expert.up_proj"),
            Map.entry("shared_down", "mlp.shared_expert.down_proj")));

    /** Our own key, of models that were read from GGUF files: see {@link GatedDelta#interleaved}. */
    public static final String INTERLEAVED = "linear_value_heads_interleaved";

    private static final String TIED = "tie_word_embeddings";
    private static final String EOS = "eos_token_id";

    /** Bound of the numbers of a layer's state, above those of any model. */
    private static final long MOST_STATE = 1L << 26;

    Qwen35(String type) {
        this(type, true);
    }

    @Override
    public Names names() {
        return NAMES;
    }

    @Override
    public FileLayout in(Set<String> tensors) {
        return new Qwen35(type, tensors.stream().noneMatch(name -> name.contains(".mlp.experts.0.")));
    }

    private boolean hasExperts() {
        return type.equals("qwen3_5_moe_text");
    }

    @Override
    public Architecture read(Json outer) throws FormatException {
        Json said = outer.string("model_type", "").equals(type) ? outer : text(outer);
        String partial = "partial_rotary_factor";
        Json json = new Json(said.subject(), Map.of(partial, 0.25)).with(said.root());
        Keys keys = new Keys(json, new Keys.Absent(0, hasExperts() ? 2 : 4, 256, 1e4, 1e-6));
        String gate = "attn_output_gate";
        json.support(gate, json.bool(gate, true), "true");
        json.support("hidden_act", keys.activation("hidden_act", "silu") == Activation.SILU, "silu");
        keys.queryKeyNorm = QueryKeyNorm.HEAD;
        keys.gated = true;
        int interval = json.integer("full_attention_interval", 4, 1, Architecture.MOST_LAYERS);
        List<Boolean> isDelta = keys.are("linear_attention", layer -> (layer + 1) % interval != 0);
        FeedForwardConfig feedForward = hasExperts() ? experts(keys) : keys.dense();
        BlockConfig delta = keys.block(delta(json), feedForward);
        BlockConfig full = keys.block(0, new RopeKeys(keys, false).read(false), feedForward);
        return keys.model(this, said, layer -> isDelta.get(layer) ? delta : full);
    }

    private static FeedForwardConfig experts(Keys keys) throws FormatException {
        Dense each = keys.dense("moe_intermediate_size", Activation.SILU, true, false);
        Dense shared = keys.dense("shared_expert_intermediate_size", Activation.SILU, true, false);
        var routed = keys.experts("num_experts", 256, 8, each, Routing.SOFTMAX_OF_CHOSEN, false);
        return new FeedForwardConfig.Shared(routed, shared, true);
    }

    private static GatedDelta delta(Json json) throws FormatException {
        int keyHeads = json.integer("linear_num_key_heads", 16, 1, Architecture.MOST_LAYERS);
        int valueHeads = json.integer("linear_num_value_heads", 32, 1, Architecture.MOST_LAYERS);
        String groups = "a multiple of linear_num_key_heads = " + keyHeads;
        json.check("linear_num_value_heads", valueHeads % keyHeads == 0, groups);
        int keySize = json.integer("linear_key_head_dim", 128, 1, Architecture.MOST_LAYERS);
        int valueSize = json.integer("linear_value_head_dim", 128, 1, Architecture.MOST_LAYERS);
        int kernel = json.integer("linear_conv_kernel_dim", 4, 1, 256);
        double channels = 2.0 * keyHeads * keySize + (double) valueHeads * valueSize;
        double state = kernel * channels + (double) valueHeads * keySize * (valueSize + 31);
        json.check("linear_num_value_heads", state <= MOST_STATE, "states of at most 2^26 numbers in all");
        GatedDelta delta = new GatedDelta(keyHeads, valueHeads, keySize, valueSize, kernel, false);
        return json.bool(INTERLEAVED, false) ? delta.asInterleaved() : delta;
    }

    /** The language model's part of a multimodal configuration. */
    private Json text(Json outer) throws FormatException {
        Json inner = outer.section("text_config");
        Map<String, Object> own = new LinkedHashMap<>();
        own.put("model_type", type);
        own.put("architectures", List.of(Families.architecture(this)));
        if (outer.has(TIED)) {
            own.put(TIED, outer.bool(TIED, false));
        }
        if (outer.has(EOS)) {
            own.put(EOS, outer.integers(EOS));
        }
        return inner.with(own);
    }

    /** Gains but the delta net's are stored less one, and decays as logarithms. Value heads are stored by key heads. */
    @Override
    public Origin origin(DecoderConfig decoder, ParameterSpec spec, String root) {
        if (decoder.blocks().get(Math.max(0, spec.layer())).mixer() instanceof GatedDelta delta
                && spec.module().startsWith("delta")) {
            String prefix = NAMES.prefix(spec, root) + "linear_attn.";
            Heads heads = delta.interleaved()
                    ? new Heads(delta.valueHeads() / delta.keyHeads(), delta.keyHeads(), delta.valueSize())
                    : null;
            return DeltaTensors.HUGGING_FACE.origin(delta, heads, spec, prefix);
        }
        Origin origin = NAMES.origin(decoder, spec, root);
        if (spec.expert() != ParameterSpec.NO_EXPERT && fused) {
            int count = decoder.blocks()
                    .get(spec.layer())
                    .feedForward()
                    .experts()
                    .orElseThrow()
                    .count();
            boolean up = spec.module().equals("up");
            String name = NAMES.prefix(spec, root) + "mlp.experts." + (up ? "gate_up_proj" : "down_proj");
            return Origin.tensor(name, spec).among(count, spec.expert());
        }
        return spec.role() == Role.GAIN ? origin.in(Origin.Form.LESS_ONE) : origin;
    }

    /** Ignores the tensors of vision and of the heads that guess further tokens. */
    @Override
    public boolean isBuffer(DecoderConfig decoder, String name) {
        return name.matches("(model\\.)?(visual|mtp)\\..*") || Family.super.isBuffer(decoder, name);
    }
}
