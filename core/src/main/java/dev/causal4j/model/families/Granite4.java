package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ActivationFunction;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Routing;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Shared;
import dev.causal4j.decoder.BlockConfig.MixerConfig.StateSpace;
import dev.causal4j.json.Json;
import java.util.List;
import java.util.Map;

/**
 * Granite 4 (IBM 2025): state spaces in most layers or in none, attention in the others, a dense layer, in some models
 * with experts beside it, and the multipliers of Granite 3.
 */
record Granite4(String type, Names names) implements Family {
    static final Names NAMES = Names.LLAMA.with(Map.ofEntries(
            Map.entry("mamba_in", "mamba.in_proj"),
            Map.entry("mamba_conv", "mamba.conv1d"),
            Map.entry("mamba_decay", "mamba.A_log="),
            Map.entry("mamba_step", "mamba.dt_bias="),
            Map.entry("mamba_skip", "mamba.D="),
            Map.entry("mamba_norm", "mamba.norm"),
            Map.entry("mamba_out", "mamba.out_proj"),
            Map.entry("gate_up", "shared_mlp.input_linear"),
            Map.entry("down", "shared_mlp.output_linear"),
            Map.entry("shared_gate_up", "shared_mlp.input_linear"),
            Map.entry("shared_down", "shared_mlp.output_linear"),
            Map.entry("router", "block_sparse_moe.router.layer"),
            Map.entry("expert_gate_up", "block_sparse_moe.input_linear"),
            Map.entry("expert_down", "block_sparse_moe.output_linear")));

    private static final String KINDS = "layer_types";
    private static final Map<String, String> NEW_KINDS =
            Map.of("mamba", "linear_attention", "attention", "full_attention");
    private static final String LIMITS = "time_step_limit";

    @Override
    public Architecture read(Json said) throws FormatException {
        List<String> kinds = said.strings(KINDS).stream()
                .map(kind -> NEW_KINDS.getOrDefault(kind, kind))
                .toList();
        Json json = said.with(Map.of(KINDS, kinds));
        Keys keys = new Keys(json, new Keys.Absent(0, 0, 0, 1e4, 1e-6));
        Granite.multiply(keys);
        json.support("hidden_act", keys.activation("hidden_act", "silu") == ActivationFunction.SILU, "silu");
        String norms = "normalization_function";
        json.support(norms, json.string(norms, "rmsnorm").equals("rmsnorm"), "rmsnorm");
        List<Boolean> isMamba = keys.are("linear_attention", _ -> true);
        FeedForwardConfig feedForward = feedForward(keys);
        StateSpace space = isMamba.contains(true) ? mamba(keys) : null;
        String positions = "position_embedding_type";
        boolean rotates = json.string(positions, "nope").equals("rope");
        json.support(positions, rotates || json.string(positions, "nope").equals("nope"), "rope or nope");
        BlockConfig attention = keys.block(0, rotates ? keys.rope() : null, feedForward);
        return keys.model(
                this, said, layer -> space != null && isMamba.get(layer) ? keys.block(space, feedForward) : attention);
    }

    private static FeedForwardConfig feedForward(Keys keys) throws FormatException {
        int size = keys.json.integer("shared_intermediate_size", 1024, 1, Architecture.MOST);
        Dense shared = new Dense(size, ActivationFunction.SILU, true, false);
        String count = "num_local_experts";
        if (keys.json.integer(count, 8, 0, Architecture.MOST_EXPERTS) == 0) {
            return shared;
        }
        Dense each = keys.dense("intermediate_size", ActivationFunction.SILU, true, false);
        return new Shared(keys.experts(count, 8, 2, each, Routing.SOFTMAX_OF_CHOSEN, false), shared, false);
    }

    private static StateSpace mamba(Keys keys) throws FormatException {
        Json json = keys.json;
        int most = Architecture.MOST_LAYERS;
        int heads = json.integer("mamba_n_heads", 128, 1, most);
        int groups = json.integer("mamba_n_groups", 1, 1, most);
        json.check("mamba_n_heads", heads % groups == 0, "a multiple of mamba_n_groups = " + groups);
        long width = (long) json.integer("mamba_expand", 2, 1, most) * keys.hiddenSize;
        String size = "mamba_d_head";
        boolean auto = !json.has(size) || "auto".equals(json.root().get(size));
        long headSize = auto ? width / heads : json.requireInt(size, 1, Architecture.MOST);
        json.check("mamba_n_heads", headSize * heads == width, "heads of mamba_expand * hidden_size in all, " + width);
        int depth = json.integer("mamba_d_state", 256, 1, most);
        int kernel = json.integer("mamba_d_conv", 4, 1, 256);
        double state = kernel * (width + 2.0 * groups * depth) + (double) heads * depth * (headSize + 31);
        keys.checkState("mamba_d_state", state);
        List<Float> limits = limits(json);
        return new StateSpace(
                heads,
                (int) headSize,
                groups,
                depth,
                kernel,
                json.bool("mamba_conv_bias", true),
                json.bool("mamba_proj_bias", false),
                limits.getFirst(),
                limits.getLast());
    }

    /** Two numbers; transformers 5 writes infinity as an object. */
    private static List<Float> limits(Json json) throws FormatException {
        if (!json.has(LIMITS)) {
            return List.of(0f, Float.POSITIVE_INFINITY);
        }
        List<?> said = json.root().get(LIMITS) instanceof List<?> list ? list : List.of();
        List<Float> limits = said.stream()
                .map(each -> each instanceof Number number
                        ? number.floatValue()
                        : each.equals(Map.of("__float__", "Infinity")) ? Float.POSITIVE_INFINITY : Float.NaN)
                .toList();
        boolean fits = limits.size() == 2 && limits.getFirst() >= 0 && limits.getFirst() <= limits.getLast();
        json.check(LIMITS, fits, "a number from 0 on and one above it, or {\"__float__\": \"Infinity\"}");
        return limits;
    }
}
