package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Activation;
import dev.causal4j.decoder.BlockConfig.NormPlaces;
import dev.causal4j.decoder.BlockConfig.Residual;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;
import java.util.List;
import java.util.Map;

/** Gemma 2 (2024): norms 1 + w before and after layers, windows in even layers, capped scores and logits. */
final class Gemma2 implements Family {
    static final LlamaNames NAMES = new LlamaNames(Map.of(
            "attention_out_norm", "post_attention_layernorm",
            "feed_forward_norm", "pre_feedforward_layernorm",
            "feed_forward_out_norm", "post_feedforward_layernorm"));

    @Override
    public String type() {
        return "gemma2";
    }

    @Override
    public ModelConfig read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(8, 4, 256, 1e4, 1e-6));
        int window = keys.window(4096);
        float cap = cap(json, "attn_logit_softcapping", 50);
        RopeConfig rope = keys.rope();
        List<BlockConfig> blocks = keys.blocks(layer -> {
            int own = keys.isLocal(layer, layer % 2 == 0) ? window : 0;
            return block(keys, cap, own, rope, QueryKeyNorm.NONE);
        });
        return model(this, keys, blocks, cap(json, "final_logit_softcapping", 30));
    }

    /** A cap; 0 for null. */
    static float cap(Json json, String key, double whenAbsent) throws FormatException {
        return (float) json.number(key, json.isNull(key) ? 0 : whenAbsent, 1e-9, 1e9);
    }

    static BlockConfig block(Keys keys, float cap, int window, RopeConfig rope, QueryKeyNorm norm)
            throws FormatException {
        boolean bias = keys.json.bool("attention_bias", false);
        double scale = 1 / Math.sqrt(keys.json.number("query_pre_attn_scalar", 256, 1e-9, 1e9));
        AttentionConfig attention = new AttentionConfig(
                keys.heads, keys.kvHeads, keys.headSize, (float) scale, cap, window, rope, norm, bias, bias, false);
        Activation activation = keys.activation("hidden_activation", "gelu_pytorch_tanh");
        return new BlockConfig(
                attention,
                keys.dense("intermediate_size", activation, false),
                keys.norm(),
                NormPlaces.BEFORE_AND_AFTER,
                Residual.SEQUENTIAL,
                1);
    }

    static ModelConfig model(Family family, Keys keys, List<BlockConfig> blocks, float cap) throws FormatException {
        float scale = (float) Math.sqrt(keys.hiddenSize);
        DecoderConfig decoder =
                new DecoderConfig(keys.hiddenSize, keys.contextLength, scale, false, keys.norm(), 1, blocks);
        return ModelConfig.of(family, decoder, keys.ropes, keys.json, true, cap);
    }

    @Override
    public Origin.InRows origin(ModelConfig config, ParameterSpec spec, String root) {
        Origin.InRows origin = NAMES.origin(config, spec, root);
        return new Origin.InRows(origin.parts(), spec.role() == Role.GAIN);
    }
}
