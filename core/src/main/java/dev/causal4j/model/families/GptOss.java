package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Activation;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Experts;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Routing;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;
import java.util.List;
import java.util.Map;

/** gpt-oss (OpenAI 2025), unquantised: experts with biases and clamped gates, sinks, windows in even layers, YaRN. */
final class GptOss implements Family {
    private static final LlamaNames NAMES = new LlamaNames(Map.of("router", "mlp.router"));

    private static final Map<String, Object> YARN = Map.of(
            "rope_type",
            "yarn",
            "factor",
            32.0,
            "beta_fast",
            32.0,
            "beta_slow",
            1.0,
            "truncate",
            false,
            "original_max_position_embeddings",
            4096);

    @Override
    public String type() {
        return "gpt_oss";
    }

    @Override
    public ModelConfig read(Json given) throws FormatException {
        boolean scaled =
                given.has("rope_scaling") || given.section("rope_parameters").has("rope_type");
        Json yarn = new Json(given.subject(), Map.of("rope_scaling", YARN));
        Json json = scaled ? given : given.with(yarn);
        Keys keys = new Keys(json, new Keys.Absent(0, 8, 64, 150000, 1e-5));
        json.support("swiglu_limit", json.number("swiglu_limit", 7, 0, 1e9) == 7, "7");
        int window = keys.window(128);
        RopeConfig rope = keys.rope();
        boolean bias = json.bool("attention_bias", true);
        int count = json.integer("num_local_experts", 128, 1, ModelConfig.MOST_EXPERTS);
        int chosen = json.integer("num_experts_per_tok", 4, 1, count);
        Dense dense = keys.dense("intermediate_size", Activation.CLAMPED_SWIGLU, true);
        Experts experts = new Experts(count, chosen, dense, Routing.SOFTMAX_OF_CHOSEN, true);
        List<BlockConfig> blocks = keys.blocks(layer -> {
            int own = keys.isLocal(layer, layer % 2 == 0) ? window : 0;
            AttentionConfig attention = new AttentionConfig(
                    keys.heads,
                    keys.kvHeads,
                    keys.headSize,
                    keys.scale(),
                    0,
                    own,
                    rope,
                    QueryKeyNorm.NONE,
                    bias,
                    bias,
                    true);
            return keys.block(attention, experts);
        });
        return keys.model(this, false, blocks);
    }

    /** Experts' weights are [expert][in][out], gates and ups in alternate columns. */
    @Override
    public Origin.InRows origin(ModelConfig config, ParameterSpec spec, String root) {
        String block = LlamaNames.block(spec, root);
        if (spec.role() == Role.SINK) {
            return Origin.tensor(block + "self_attn.sinks", spec);
        }
        if (spec.expert() == ParameterSpec.NO_EXPERT) {
            return NAMES.origin(config, spec, root);
        }
        boolean up = spec.module().equals("up");
        boolean bias = spec.role() == Role.BIAS;
        String name = block + "mlp.experts." + (up ? "gate_up_proj" : "down_proj") + (bias ? "_bias" : "");
        long count = ((Experts) config.decoder().blocks().get(spec.layer()).feedForward()).count();
        long rows = spec.rows();
        long cols = spec.cols();
        List<Long> shape = bias ? List.of(count, rows) : List.of(count, cols, rows);
        long first = spec.expert() * rows * cols;
        if (!up) {
            return new Origin.InRows(List.of(new Origin.Part(name, shape, spec.rows(), first, 1, rows)), false);
        }
        Origin.Part gates = new Origin.Part(name, shape, spec.rows() / 2, first, 2, rows);
        Origin.Part ups = new Origin.Part(name, shape, spec.rows() / 2, first + 1, 2, rows);
        return new Origin.InRows(List.of(gates, ups), false);
    }
}
