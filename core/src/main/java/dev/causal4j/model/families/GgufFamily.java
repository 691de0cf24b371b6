package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.Json;
import dev.causal4j.format.TensorStore;
import dev.causal4j.model.ModelConfig;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The metadata, names and places of a family's parameters in a GGUF file, as llama.cpp writes them. Immutable.
 *
 * <p>Linear weights are [out, in] there, Gemma's gains hold the one that is added, and Llama's queries and keys have the
 * rows of each head in pairs.
 */
public final class GgufFamily implements Family {
    private static final Names NAMES = new Names(
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

    private final String architecture;
    private final TensorStore tensors;
    private final Names names;

    public GgufFamily(Json metadata, TensorStore tensors) throws FormatException {
        this.architecture = metadata.requireString("general.architecture");
        this.tensors = tensors;
        Map<String, String> packed = new HashMap<>();
        if (tensors.names().contains("blk.0.attn_qkv.weight")) {
            packed.put("qkv", "attn_qkv");
        }
        if (!tensors.names().contains("blk.0.ffn_gate.weight")) {
            packed.put("gate_up", "ffn_up");
        }
        this.names = NAMES.but(packed);
    }

    @Override
    public String type() {
        return GgufKeys.family(architecture);
    }

    @Override
    public ModelConfig read(Json metadata) throws FormatException {
        return GgufKeys.read(metadata, tensors);
    }

    @Override
    public Names names() {
        return names;
    }

    @Override
    public List<String> roots() {
        return List.of("");
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
}
