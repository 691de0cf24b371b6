package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.NormConfig;
import dev.causal4j.decoder.BlockConfig.Residual;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.json.Json;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * GPT-NeoX (Black et al. 2022), also Pythia: layer norms, partial rotation; both layers of a block read the same
 * stream.
 */
record GptNeox(String type, Names names) implements Family {
    static final Names NAMES = new Names(
            List.of("gpt_neox."),
            "layers.",
            Map.of(
                    "embedding", "embed_in",
                    "attention_norm", "input_layernorm",
                    "qkv", "attention.query_key_value",
                    "attention_out", "attention.dense",
                    "feed_forward_norm", "post_attention_layernorm",
                    "up", "mlp.dense_h_to_4h",
                    "down", "mlp.dense_4h_to_h",
                    "norm", "final_layer_norm",
                    "head", "embed_out"));

    @Override
    public Architecture read(Json json) throws FormatException {
        Json absent = new Json(json.subject(), Map.of("rotary_pct", 0.25, "rotary_emb_base", 10000));
        Json own = absent.with(json.root()).with(Map.of("num_key_value_heads", Json.NULL, "head_dim", Json.NULL));
        Keys keys = new Keys(own, new Keys.Absent(0, 0, 0, 1e4, 1e-5));
        keys.norm = keys.norm(NormConfig.Kind.LAYER, "layer_norm_eps");
        keys.qkvBias = json.bool("attention_bias", true);
        keys.outBias = keys.qkvBias;
        keys.residual = json.bool("use_parallel_residual", true) ? Residual.PARALLEL : Residual.SEQUENTIAL;
        RopeConfig rope = new RopeKeys(keys, false).read(false);
        Dense dense = keys.dense("intermediate_size", keys.activation("hidden_act", "gelu"), false, true);
        BlockConfig each = keys.block(0, rope, dense);
        return keys.model(this, json, _ -> each);
    }

    /** Queries, keys and values are stored as [head][query, key, value][n]. */
    @Override
    public Origin origin(DecoderConfig decoder, ParameterSpec spec, String root) {
        Origin origin = names.origin(decoder, spec, root);
        if (!spec.module().equals("qkv")) {
            return origin;
        }
        Origin.Part all = origin.parts().getFirst();
        int heads = decoder.attentions().get(spec.layer()).heads();
        int n = all.rows() / (3 * heads);
        return new Origin(IntStream.range(0, 3 * heads)
                .mapToObj(i -> all.rows((3 * (i % heads) + i / heads) * n, n, 1))
                .toList());
    }
}
