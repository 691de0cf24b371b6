package dev.causal4j.model.families;

import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The names of tensors in checkpoints.
 *
 * @param roots prefixes that all but the head's may have, besides none
 * @param blocks the prefix of tensors in blocks, after the root
 * @param modules names by ours, where they differ; {@code #} stands for the expert. Tensors of "query", "key" and
 *     "value" are stacked unless there is one "qkv", those of "gate" and "up" unless there is one "gate_up".
 */
public record Names(List<String> roots, String blocks, Map<String, String> modules) {
    /** Llama's tensor names; most families override a few. */
    static final Names LLAMA = new Names(
            List.of("model.", "language_model.model.", "model.language_model."),
            "layers.",
            Map.ofEntries(
                    Map.entry("embedding", "embed_tokens"),
                    Map.entry("attention_norm", "input_layernorm"),
                    Map.entry("query", "self_attn.q_proj"),
                    Map.entry("key", "self_attn.k_proj"),
                    Map.entry("value", "self_attn.v_proj"),
                    Map.entry("query_norm", "self_attn.q_norm"),
                    Map.entry("key_norm", "self_attn.k_norm"),
                    Map.entry("attention_out", "self_attn.o_proj"),
                    Map.entry("feed_forward_norm", "post_attention_layernorm"),
                    Map.entry("router", "mlp.gate"),
                    Map.entry("gate", "mlp.#gate_proj"),
                    Map.entry("up", "mlp.#up_proj"),
                    Map.entry("down", "mlp.#down_proj"),
                    Map.entry("head", "lm_head")));

    /** These names, of which some are replaced. */
    public Names but(Map<String, String> others) {
        Map<String, String> all = new HashMap<>(modules);
        all.putAll(others);
        return new Names(roots, blocks, all);
    }

    /** The origin of a parameter; see {@link FileLayout#origin}. */
    public Origin origin(DecoderConfig decoder, ParameterSpec spec, String root) {
        String module = spec.module();
        if (module.equals("qkv") && !modules.containsKey("qkv")) {
            AttentionConfig a =
                    (AttentionConfig) decoder.blocks().get(spec.layer()).mixer();
            int keys = a.kvHeads() * a.headSize();
            List<String> parts = List.of(name(spec, root, "query"), name(spec, root, "key"), name(spec, root, "value"));
            return Origin.stacked(parts, spec, a.heads() * a.headSize(), keys, keys);
        }
        if (module.equals("up")
                && decoder.blocks().get(spec.layer()).feedForward().each().gated()) {
            if (modules.containsKey("gate_up")) {
                return Origin.tensor(name(spec, root, "gate_up"), spec);
            }
            List<String> parts = List.of(name(spec, root, "gate"), name(spec, root, "up"));
            return Origin.stacked(parts, spec, spec.rows() / 2, spec.rows() / 2);
        }
        return Origin.tensor(name(spec, root, module), spec);
    }

    /** The name of a module's tensor. */
    String name(ParameterSpec spec, String root, String module) {
        String expert = spec.expert() == ParameterSpec.NO_EXPERT ? "" : "experts." + spec.expert() + ".";
        String name = modules.getOrDefault(module, module).replace("#", expert) + "." + spec.kind();
        if (spec.role() == Role.PROJECTION) {
            return (root.equals("language_model.model.") ? "language_model." : "") + name;
        }
        return prefix(spec, root) + name;
    }

    /** The prefix of names in the block of a parameter. */
    String prefix(ParameterSpec spec, String root) {
        return spec.layer() == ParameterSpec.NO_LAYER ? root : root + blocks + spec.layer() + ".";
    }
}
