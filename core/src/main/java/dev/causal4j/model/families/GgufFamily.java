package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The names and places of a family's parameters in GGUF files, as llama.cpp writes them. Immutable.
 *
 * <p>Linear weights are [out, in] there, Gemma's gains hold the one that is added, and Llama's queries and keys have the
 * rows of each head in pairs.
 */
public final class GgufFamily implements Family {
    private static final Map<String, String> MODULES = Map.ofEntries(
            Map.entry("embedding", "token_embd"),
            Map.entry("positions", "position_embd"),
            Map.entry("norm", "output_norm"),
            Map.entry("head", "output"),
            Map.entry("attention_norm", "attn_norm"),
            Map.entry("query_norm", "attn_q_norm"),
            Map.entry("key_norm", "attn_k_norm"),
            Map.entry("attention_out", "attn_output"),
            Map.entry("attention_out_norm", "post_attention_norm"),
            Map.entry("feed_forward_norm", "ffn_norm"),
            Map.entry("feed_forward_out_norm", "post_ffw_norm"),
            Map.entry("down", "ffn_down"));

    private final Family family;
    private final boolean pairs;
    private final Set<String> names;

    /**
     * @param architecture {@code general.architecture}
     * @param names of all tensors
     */
    public GgufFamily(Family family, String architecture, Set<String> names) {
        this.family = family;
        this.pairs = architecture.equals("llama");
        this.names = Set.copyOf(names);
    }

    @Override
    public String type() {
        return family.type();
    }

    /** @throws UnsupportedModelException always: the metadata is read by {@link GgufKeys} */
    @Override
    public ModelConfig read(Json json) throws FormatException {
        throw new UnsupportedModelException(json.subject(), "a configuration", "metadata", "read it by its keys");
    }

    @Override
    public List<String> roots() {
        return List.of("");
    }

    @Override
    public String blocks() {
        return "blk.";
    }

    @Override
    public boolean isBuffer(String name) {
        return name.startsWith("rope_f"); // read with the configuration
    }

    @Override
    public Origin.InRows origin(ModelConfig config, ParameterSpec spec, String root) {
        String block = spec.layer() == ParameterSpec.NO_LAYER ? "" : blocks() + spec.layer() + ".";
        return switch (spec.module()) {
            case "qkv" -> queryKeyValue(config, spec, block);
            case "up" -> up(spec, block);
            default ->
                Origin.tensor(block + MODULES.getOrDefault(spec.module(), spec.module()) + "." + spec.kind(), spec);
        };
    }

    private Origin.InRows queryKeyValue(ModelConfig config, ParameterSpec spec, String block) {
        AttentionConfig a = LlamaNames.attention(config, spec);
        String packed = block + "attn_qkv." + spec.kind();
        boolean together = names.contains(packed);
        List<Origin.Part> parts = new ArrayList<>();
        int first = 0;
        for (String part : List.of("q", "k", "v")) {
            int rows = (part.equals("q") ? a.heads() : a.kvHeads()) * a.headSize();
            Origin.Part whole = together
                    ? Origin.rows(packed, spec, spec.rows())
                    : Origin.rows(block + "attn_" + part + "." + spec.kind(), spec, rows);
            int from = together ? first : 0;
            if (pairs && !part.equals("v")) {
                addPairs(parts, whole, from, rows, a.headSize());
            } else {
                parts.add(some(whole, from, rows, 1));
            }
            first += rows;
        }
        return new Origin.InRows(parts, false);
    }

    /** The halves of each head, whose rows the file holds in turn. */
    private static void addPairs(List<Origin.Part> parts, Origin.Part whole, int from, int rows, int headSize) {
        for (int head = from; head < from + rows; head += headSize) {
            parts.add(some(whole, head, headSize / 2, 2));
            parts.add(some(whole, head + 1, headSize / 2, 2));
        }
    }

    private static Origin.Part some(Origin.Part whole, int from, int rows, int step) {
        long stride = whole.rowStride();
        return new Origin.Part(whole.name(), whole.shape(), rows, from * stride, step * stride, whole.colStride());
    }

    /** Gate and up, in one tensor or two; up alone without a gate. */
    private Origin.InRows up(ParameterSpec spec, String block) {
        String gate = block + "ffn_gate." + spec.kind();
        String up = block + "ffn_up." + spec.kind();
        return names.contains(gate)
                ? Origin.stacked(List.of(gate, up), spec, spec.rows() / 2, spec.rows() / 2)
                : Origin.tensor(up, spec);
    }
}
