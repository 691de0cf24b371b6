package dev.causal4j.model.families;

import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.model.ModelConfig;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The names of tensors in Llama's checkpoints, which most families have with few changes. */
final class LlamaNames {
    private static final Map<String, String> LLAMA = Map.ofEntries(
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
            Map.entry("experts", "mlp.experts."),
            Map.entry("layer", "mlp."),
            Map.entry("gate", "gate_proj"),
            Map.entry("up", "up_proj"),
            Map.entry("down", "down_proj"),
            Map.entry("norm", "norm"),
            Map.entry("head", "lm_head"));

    /** Llama's own. */
    static final LlamaNames OWN = new LlamaNames(Map.of());

    private final Map<String, String> names = new HashMap<>(LLAMA);

    /** Llama's names but for these; "layer" and "experts" are prefixes of the feed-forward layer's. */
    LlamaNames(Map<String, String> other) {
        names.putAll(other);
    }

    Origin.InRows origin(ModelConfig config, ParameterSpec spec, String root) {
        return switch (spec.module()) {
            case "qkv" -> {
                AttentionConfig a = attention(config, spec);
                int keys = a.kvHeads() * a.headSize();
                List<String> parts =
                        List.of(name(spec, root, "query"), name(spec, root, "key"), name(spec, root, "value"));
                yield Origin.stacked(parts, spec, a.heads() * a.headSize(), keys, keys);
            }
            case "up" -> {
                List<String> parts = List.of(name(spec, root, "gate"), name(spec, root, "up"));
                yield Origin.stacked(parts, spec, spec.rows() / 2, spec.rows() / 2);
            }
            default -> Origin.tensor(name(spec, root, spec.module()), spec);
        };
    }

    /** The name of a module's tensor. */
    String name(ParameterSpec spec, String root, String module) {
        String name = names.getOrDefault(module, module) + "." + spec.kind();
        if (spec.role() == Role.PROJECTION) {
            return (root.equals("language_model.model.") ? "language_model." : "") + name;
        }
        boolean layer = module.equals("gate") || module.equals("up") || module.equals("down");
        String place = layer ? names.get("layer") : "";
        if (layer && spec.expert() != ParameterSpec.NO_EXPERT) {
            place = names.get("experts") + spec.expert() + ".";
        }
        return block(spec, root) + place + name;
    }

    /** The prefix of a block's names. */
    static String block(ParameterSpec spec, String root) {
        return spec.layer() == ParameterSpec.NO_LAYER ? root : root + "layers." + spec.layer() + ".";
    }

    static AttentionConfig attention(ModelConfig config, ParameterSpec spec) {
        return config.decoder().blocks().get(spec.layer()).attention();
    }
}
