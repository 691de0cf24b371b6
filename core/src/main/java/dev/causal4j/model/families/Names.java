package dev.causal4j.model.families;

import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.MixerConfig.GatedDelta;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.model.families.Origin.Form;
import dev.causal4j.model.families.Origin.Heads;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The names and forms of tensors in checkpoints.
 *
 * @param roots prefixes that all names except the head's may have
 * @param blocks the prefix of tensors in blocks, after the root
 * @param modules names by our names, where they differ. {@code #} stands for the expert; a tensor without it holds all
 *     experts of a layer. {@code =} ends a name without a kind. Tensors "query", "key" and "value" are stacked unless
 *     there is one "qkv"; "gate" and "up" unless there is one "gate_up". Experts may have other names, such as
 *     "expert_up".
 * @param gains the form of gains
 * @param gguf whether the layout is GGUF's: convolutions are [channels, kernel], rates of decay are stored themselves,
 *     and the value heads of a key head are apart. Otherwise convolutions are [channels, 1, kernel], rates are stored
 *     as logarithms, and the heads are side by side
 */
public record Names(List<String> roots, String blocks, Map<String, String> modules, Form gains, boolean gguf) {
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

    /** Names in Hugging Face's files, with gains stored themselves. */
    Names(List<String> roots, String blocks, Map<String, String> modules) {
        this(roots, blocks, modules, Form.SAME, false);
    }

    /** These names with gains in another form. */
    Names with(Form other) {
        return new Names(roots, blocks, modules, other, gguf);
    }

    /** These names, with some replaced. */
    public Names with(Map<String, String> others) {
        Map<String, String> all = new HashMap<>(modules);
        all.putAll(others);
        return new Names(roots, blocks, all, gains, gguf);
    }

    /** The origin of a parameter; see {@link FileLayout#origin}. */
    public Origin origin(DecoderConfig decoder, ParameterSpec spec, String root) {
        Origin origin = spec.layer() == ParameterSpec.NO_LAYER
                ? Origin.tensor(name(spec, root, spec.module()), spec)
                : origin(decoder.blocks().get(spec.layer()), spec, root);
        return switch (spec.role()) {
            case GAIN -> origin.in(gains);
            case DECAY -> origin.in(gguf ? Form.SAME : Form.LOGARITHM);
            default -> origin;
        };
    }

    private Origin origin(BlockConfig block, ParameterSpec spec, String root) {
        Origin origin = stacked(block, spec, root);
        if (spec.expert() != ParameterSpec.NO_EXPERT
                && !moduleName(spec, "down").contains("#")) {
            var experts = block.feedForward().experts().orElseThrow();
            return origin.among(experts.count(), spec.expert());
        }
        return block.mixer() instanceof GatedDelta delta && spec.module().startsWith("delta")
                ? ordered(delta, spec, origin)
                : origin;
    }

    /** The tensors that make up a parameter of a block. */
    private Origin stacked(BlockConfig block, ParameterSpec spec, String root) {
        String module = spec.module();
        int half = spec.rows() / 2;
        if (spec.role() == Role.CONVOLUTION) {
            return Origin.convolution(name(spec, root, module), block.mixer().kernel(), spec, !gguf);
        }
        if (module.equals("qkv") && !modules.containsKey("qkv")) {
            return queryKeyValue((AttentionConfig) block.mixer(), spec, root);
        }
        if (module.equals("delta_in")) {
            int channels = ((GatedDelta) block.mixer()).channels();
            return stacked(spec, root, List.of("delta_qkv", "delta_z"), channels, spec.rows() - channels);
        }
        if (module.equals("delta_gates")) {
            return stacked(spec, root, List.of("delta_b", "delta_a"), half, half);
        }
        boolean ofExpert = spec.expert() != ParameterSpec.NO_EXPERT;
        if (module.endsWith("up") && block.feedForward().each(ofExpert).gated()) {
            String prefix = module.substring(0, module.length() - 2);
            return modules.containsKey(key(spec, prefix + "gate_up"))
                    ? Origin.tensor(name(spec, root, prefix + "gate_up"), spec)
                    : stacked(spec, root, List.of(prefix + "gate", module), half, half);
        }
        return Origin.tensor(name(spec, root, module), spec);
    }

    private Origin stacked(ParameterSpec spec, String root, List<String> parts, int... rows) {
        return Origin.stacked(parts.stream().map(each -> name(spec, root, each)).toList(), spec, rows);
    }

    /** A parameter of a delta net whose value heads are stored in another order than the model's. */
    private Origin ordered(GatedDelta delta, ParameterSpec spec, Origin origin) {
        boolean apart = gguf && delta.asInterleaved().interleaved();
        if (apart == delta.interleaved() || spec.module().equals("delta_norm")) {
            return origin;
        }
        int group = delta.valueHeads() / delta.keyHeads();
        // one number for each head
        boolean ones = List.of("delta_gates", "delta_decay", "delta_step").contains(spec.module());
        int size = ones ? 1 : delta.valueSize();
        Heads heads = apart ? new Heads(delta.keyHeads(), group, size) : new Heads(group, delta.keyHeads(), size);
        return spec.module().equals("delta_out") ? origin.withColumns(heads) : origin.withRows(heads);
    }

    /** Queries, keys, values, then gates. In the tensor of queries, each head's gates are after its queries. */
    private Origin queryKeyValue(AttentionConfig a, ParameterSpec spec, String root) {
        int[] rows = a.projected().stream().mapToInt(Integer::intValue).toArray();
        Origin origin = stacked(spec, root, List.of("query", "key", "value").subList(0, rows.length), rows);
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

    /** The key of a module's name; an expert's module may have one of its own. */
    private String key(ParameterSpec spec, String module) {
        String own = "expert_" + module;
        return spec.expert() != ParameterSpec.NO_EXPERT && modules.containsKey(own) ? own : module;
    }

    /** The name of a module's tensor without prefix and kind. */
    private String moduleName(ParameterSpec spec, String module) {
        return modules.getOrDefault(key(spec, module), module);
    }

    /** The name of a module's tensor. */
    String name(ParameterSpec spec, String root, String module) {
        String expert = spec.expert() == ParameterSpec.NO_EXPERT ? "" : "experts." + spec.expert() + ".";
        String said = moduleName(spec, module).replace("#", expert);
        String name = said.endsWith("=") ? said.substring(0, said.length() - 1) : said + "." + spec.kind();
        if (spec.role() == Role.PROJECTION) {
            return (root.equals("language_model.model.") ? "language_model." : "") + name;
        }
        return prefix(spec, root) + name;
    }

    /** Whether a tensor, named without the root, has keys or values of a layer that reads another layer's. */
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
