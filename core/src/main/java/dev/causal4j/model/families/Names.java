package dev.causal4j.model.families;

import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The names of tensors in checkpoints.
 *
 * @param roots prefixes that all but the head's may have, besides none
 * @param blocks the prefix of tensors in blocks, after the root
 * @param modules names by ours, where they differ; {@code #} stands for the expert, and {@code =} ends a name without a
 *     kind. Tensors of "query", "key" and "value" are stacked unless there is one "qkv", those of "gate" and "up" unless
 *     there is one "gate_up". Experts may have other names, as "expert_up".
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
            return queryKeyValue(
                    (AttentionConfig) decoder.blocks().get(spec.layer()).mixer(), spec, root);
        }
        boolean ofExpert = spec.expert() != ParameterSpec.NO_EXPERT;
        if (module.endsWith("up")
                && decoder.blocks()
                        .get(spec.layer())
                        .feedForward()
                        .each(ofExpert)
                        .gated()) {
            String prefix = module.substring(0, module.length() - 2);
            if (modules.containsKey(key(spec, prefix + "gate_up"))) {
                return Origin.tensor(name(spec, root, prefix + "gate_up"), spec);
            }
            List<String> parts = List.of(name(spec, root, prefix + "gate"), name(spec, root, module));
            return Origin.stacked(parts, spec, spec.rows() / 2, spec.rows() / 2);
        }
        return Origin.tensor(name(spec, root, module), spec);
    }

    /** Queries, keys, values and then gates, which lie behind each head's queries in their tensor. */
    private Origin queryKeyValue(AttentionConfig a, ParameterSpec spec, String root) {
        List<Integer> rows = a.projected();
        List<String> parts = Stream.of("query", "key", "value")
                .limit(rows.size())
                .map(each -> name(spec, root, each))
                .toList();
        Origin origin = Origin.stacked(
                parts, spec, rows.stream().mapToInt(Integer::intValue).toArray());
        if (!a.gated()) {
            return origin;
        }
        Origin.Part all = origin.parts().getFirst();
        List<Origin.Part> gated = new ArrayList<>(origin.parts().subList(1, 3));
        for (int head = a.heads() - 1; head >= 0; head--) {
            gated.addFirst(all.rows(2 * head * a.headSize(), a.headSize(), 1));
        }
        for (int head = 0; head < a.heads(); head++) {
            gated.add(all.rows((2 * head + 1) * a.headSize(), a.headSize(), 1));
        }
        return new Origin(gated);
    }

    /** The key of a module's name, of its own for an expert's. */
    private String key(ParameterSpec spec, String module) {
        String own = "expert_" + module;
        return spec.expert() != ParameterSpec.NO_EXPERT && modules.containsKey(own) ? own : module;
    }

    /** The name of a module's tensor. */
    String name(ParameterSpec spec, String root, String module) {
        String expert = spec.expert() == ParameterSpec.NO_EXPERT ? "" : "experts." + spec.expert() + ".";
        String said = modules.getOrDefault(key(spec, module), module).replace("#", expert);
        String name = said.endsWith("=") ? said.substring(0, said.length() - 1) : said + "." + spec.kind();
        if (spec.role() == Role.PROJECTION) {
            return (root.equals("language_model.model.") ? "language_model." : "") + name;
        }
        return prefix(spec, root) + name;
    }

    /** Whether a tensor, named without the root, has keys or values of a layer that reads another's. */
    public boolean isUnread(DecoderConfig decoder, String name) {
        return IntStream.range(0, decoder.blocks().size())
                .filter(layer -> decoder.blocks().get(layer).mixer() instanceof AttentionConfig a
                        && a.keysOf() != AttentionConfig.OWN)
                .boxed()
                .flatMap(layer -> Stream.of("key", "value", "key_norm")
                        .map(module -> blocks + layer + "." + modules.get(module) + "."))
                .anyMatch(name::startsWith);
    }

    /** The prefix of names in the block of a parameter. */
    String prefix(ParameterSpec spec, String root) {
        return spec.layer() == ParameterSpec.NO_LAYER ? root : root + blocks + spec.layer() + ".";
    }
}
