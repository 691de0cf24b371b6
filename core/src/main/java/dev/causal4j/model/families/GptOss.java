package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ActivationFunction;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Experts;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Routing;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.json.Json;
import java.util.List;
import java.util.Map;

/** gpt-oss (OpenAI 2025), unquantised: experts with biases and clamped gates, sinks, windows in even layers, YaRN. */
record GptOss(String type, Names names) implements Family {
    static final Names NAMES = Names.LLAMA.with(Map.of("router", "mlp.router", "sinks", "self_attn.sinks="));

    private static final Map<String, Object> YARN = Json.object(
            "rope_type", "yarn", "factor", 32.0, "truncate", false, "original_max_position_embeddings", 4096);

    @Override
    public Architecture read(Json given) throws FormatException {
        boolean scaled =
                given.has("rope_scaling") || given.section("rope_parameters").has("rope_type");
        Json json = scaled ? given : given.with(Map.of("rope_scaling", YARN));
        Keys keys = new Keys(json, new Keys.Absent(0, 8, 64, 150000, 1e-5));
        json.support("swiglu_limit", json.number("swiglu_limit", 7, 0, 1e9) == 7, "7");
        keys.qkvBias = json.bool("attention_bias", true);
        keys.outBias = keys.qkvBias;
        keys.sinks = true;
        RopeConfig rope = keys.rope();
        Dense dense = keys.dense("intermediate_size", ActivationFunction.CLAMPED_SWIGLU, true, true);
        Experts experts = keys.experts("num_local_experts", 128, 4, dense, Routing.SOFTMAX_OF_CHOSEN, true);
        BlockConfig local = keys.block(keys.window(128), rope, experts);
        return keys.model(this, layer -> layer % 2 == 0, local, keys.block(0, rope, experts));
    }

    /** Experts' weights are [expert][in][out], with gates and ups in alternate columns. */
    @Override
    public Origin origin(DecoderConfig decoder, ParameterSpec spec, String root) {
        String block = names.prefix(spec, root);
        if (spec.expert() == ParameterSpec.NO_EXPERT) {
            return names.origin(decoder, spec, root);
        }
        boolean up = spec.module().equals("up");
        boolean bias = spec.role() == Role.BIAS;
        String name = block + "mlp.experts." + (up ? "gate_up_proj" : "down_proj") + (bias ? "_bias" : "");
        long count = ((Experts) decoder.blocks().get(spec.layer()).feedForward()).count();
        long rows = spec.rows();
        long cols = spec.cols();
        List<Long> shape = bias ? List.of(count, rows) : List.of(count, cols, rows);
        Origin.Part all = new Origin.Part(name, shape, spec.rows(), spec.expert() * rows * cols, 1, rows);
        return new Origin(
                up ? List.of(all.rows(0, spec.rows() / 2, 2), all.rows(1, spec.rows() / 2, 2)) : List.of(all));
    }
}
