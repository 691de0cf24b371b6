package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ActivationFunction;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Routing;
import dev.causal4j.decoder.BlockConfig.MixerConfig.ShortConv;
import dev.causal4j.decoder.BlockConfig.NormConfig;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.json.Json;
import java.util.List;
import java.util.Map;

/**
 * LFM 2 and 2.5 (Liquid AI 2025): short convolutions in most layers, attention in the others; {@code lfm2_moe} has
 * experts chosen by sigmoids in all layers except the first ones.
 */
record Lfm2(String type, Names names) implements Family {
    static final Names NAMES = Names.LLAMA.with(Map.ofEntries(
            Map.entry("norm", "embedding_norm"),
            Map.entry("attention_norm", "operator_norm"),
            Map.entry("feed_forward_norm", "ffn_norm"),
            Map.entry("query_norm", "self_attn.q_layernorm"),
            Map.entry("key_norm", "self_attn.k_layernorm"),
            Map.entry("attention_out", "self_attn.out_proj"),
            Map.entry("conv_in", "conv.in_proj"),
            Map.entry("conv", "conv.conv"),
            Map.entry("conv_out", "conv.out_proj"),
            Map.entry("router", "feed_forward.gate"),
            Map.entry("choice", "feed_forward.expert_bias="),
            Map.entry("gate", "feed_forward.#w1"),
            Map.entry("up", "feed_forward.#w3"),
            Map.entry("down", "feed_forward.#w2")));

    private static final String OLD_TIED = "tie_embedding"; // wins over transformers' own key
    private static final String OLD_SIZE = "block_ff_dim"; // likewise

    @Override
    public Architecture read(Json given) throws FormatException {
        Json json = given.has(OLD_TIED) ? given.with(Map.of("tie_word_embeddings", given.bool(OLD_TIED, true))) : given;
        Keys keys = new Keys(json, new Keys.Absent(0, 8, 0, 1e6, 1e-5));
        keys.norm = keys.norm(NormConfig.Kind.RMS, "norm_eps");
        keys.queryKeyNorm = QueryKeyNorm.HEAD;
        keys.qkvBias = false;
        keys.outBias = false;
        keys.tied = true;
        List<Integer> attention = json.integers("full_attn_idxs");
        List<Boolean> isConv = keys.are("conv", layer -> json.has("full_attn_idxs") && !attention.contains(layer));
        ShortConv conv =
                new ShortConv(keys.hiddenSize, json.integer("conv_L_cache", 3, 1, 256), json.bool("conv_bias", false));
        RopeConfig rope = keys.rope();
        int dense = type.equals("lfm2") ? keys.layers : json.integer("num_dense_layers", 2, 0, keys.layers);
        FeedForwardConfig one = new Dense(innerSize(json), ActivationFunction.SILU, true, false);
        FeedForwardConfig several = dense < keys.layers ? experts(keys) : one;
        return keys.model(this, json, layer -> {
            FeedForwardConfig feedForward = layer < dense ? one : several;
            return isConv.get(layer) ? keys.block(conv, feedForward) : keys.block(0, rope, feedForward);
        });
    }

    private FeedForwardConfig experts(Keys keys) throws FormatException {
        Json json = keys.json;
        Routing routing =
                new Routing(true, json.bool("norm_topk_prob", true), json.bool("use_expert_bias", true), (float)
                        json.number("routed_scaling_factor", 1, 1e-9, 1e9));
        Dense each = keys.dense("moe_intermediate_size", ActivationFunction.SILU, true, false);
        return keys.experts("num_experts", 32, 4, each, routing, false);
    }

    /** The inner size: two thirds of the file's number, rounded up to a multiple, unless the file turns this off. */
    private int innerSize(Json json) throws FormatException {
        String key = json.has(OLD_SIZE) ? OLD_SIZE : "intermediate_size";
        boolean small = type.equals("lfm2");
        int said = json.integer(key, small ? 12288 : 7168, 1, Architecture.MOST);
        if (!small || !json.bool("block_auto_adjust_ff_dim", true)) {
            return said;
        }
        int size = (int) (2.0 * said / 3);
        String factor = "block_ffn_dim_multiplier";
        if (!json.isNull(factor)) {
            int multiple = json.integer("block_multiple_of", 256, 1, Architecture.MOST / 2);
            double scaled = json.number(factor, 1, 1e-9, 1e9) * size;
            json.check(factor, scaled < Architecture.MOST / 2, "one of an inner size below 2^23");
            size = Math.ceilDiv((int) scaled, multiple) * multiple;
        }
        json.check(key, size > 0, "an inner size of at least 1");
        return size;
    }

    /** Keeps only the new spelling of whether the head is tied: this may have changed since the file was read. */
    @Override
    public void write(Architecture architecture, Map<String, Object> json) {
        Family.super.write(architecture, json);
        json.remove(OLD_TIED);
    }
}
