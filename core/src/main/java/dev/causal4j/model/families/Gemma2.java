package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Activation;
import dev.causal4j.decoder.BlockConfig.NormPlaces;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;
import java.util.Map;

/** Gemma 2 (2024): norms 1 + w before and after layers, windows in even layers, capped scores and logits. */
record Gemma2(String type) implements Family {
    private static final Names NAMES = Names.LLAMA.but(Map.of(
            "attention_out_norm", "post_attention_layernorm",
            "feed_forward_norm", "pre_feedforward_layernorm",
            "feed_forward_out_norm", "post_feedforward_layernorm"));

    @Override
    public ModelConfig read(Json json) throws FormatException {
        Keys keys = keys(json, 1e4, 30);
        keys.softCap = cap(json, "attn_logit_softcapping", 50);
        RopeConfig rope = keys.rope();
        return keys.model(this, layer -> layer % 2 == 0, block(keys, keys.window(4096), rope), block(keys, 0, rope));
    }

    /** What Gemma 3 shares. */
    static Keys keys(Json json, double theta, double logitCap) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(8, 4, 256, theta, 1e-6));
        keys.tied = true;
        keys.places = NormPlaces.BEFORE_AND_AFTER;
        keys.scale = (float) (1 / Math.sqrt(json.number("query_pre_attn_scalar", 256, 1e-9, 1e9)));
        keys.embeddingScale = (float) Math.sqrt(keys.hiddenSize);
        keys.logitCap = cap(json, "final_logit_softcapping", logitCap);
        return keys;
    }

    /** A cap; 0 for null. */
    private static float cap(Json json, String key, double whenAbsent) throws FormatException {
        return (float) json.number(key, json.isNull(key) ? 0 : whenAbsent, 1e-9, 1e9);
    }

    static BlockConfig block(Keys keys, int window, RopeConfig rope) throws FormatException {
        Activation activation = keys.activation("hidden_activation", "gelu_pytorch_tanh");
        return keys.block(window, rope, keys.dense("intermediate_size", activation, true, false));
    }

    @Override
    public Names names() {
        return NAMES;
    }

    @Override
    public Origin origin(ModelConfig config, ParameterSpec spec, String root) {
        return new Origin(NAMES.origin(config, spec, root).parts(), spec.role() == Role.GAIN);
    }
}
