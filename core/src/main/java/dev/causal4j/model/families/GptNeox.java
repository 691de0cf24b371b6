package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Activation;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.NormPlaces;
import dev.causal4j.decoder.BlockConfig.Residual;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** GPT-NeoX (Black et al. 2022), also Pythia: layer norms, partial rotation, both layers of a block read the same stream. */
final class GptNeox implements Family {
    private static final LlamaNames NAMES = new LlamaNames(Map.of(
            "embedding", "embed_in",
            "attention_out", "attention.dense",
            "up", "dense_h_to_4h",
            "down", "dense_4h_to_h",
            "norm", "final_layer_norm",
            "head", "embed_out"));

    @Override
    public String type() {
        return "gpt_neox";
    }

    @Override
    public ModelConfig read(Json json) throws FormatException {
        Json absent = new Json(json.subject(), Map.of("rotary_pct", 0.25, "rotary_emb_base", 10000));
        Json own = new Json(json.subject(), Map.of("num_key_value_heads", Json.NULL, "head_dim", Json.NULL));
        Keys keys = new Keys(absent.with(json).with(own), new Keys.Absent(0, 0, 0, 1e4, 1e-5), "layer_norm_eps");
        boolean bias = json.bool("attention_bias", true);
        AttentionConfig attention = new AttentionConfig(
                keys.heads,
                keys.heads,
                keys.headSize,
                keys.scale(),
                0,
                0,
                new RopeKeys(keys, false).read(),
                QueryKeyNorm.NONE,
                bias,
                bias,
                false);
        Activation activation = keys.activation("hidden_act", "gelu");
        int inner = json.requireInt("intermediate_size", 1, ModelConfig.MOST);
        Dense dense = new Dense(inner, activation, false, true);
        Residual residual = json.bool("use_parallel_residual", true) ? Residual.PARALLEL : Residual.SEQUENTIAL;
        List<BlockConfig> blocks = keys.blocks(
                layer -> new BlockConfig(attention, dense, keys.layerNorm(), NormPlaces.BEFORE, residual, 1));
        DecoderConfig decoder =
                new DecoderConfig(keys.hiddenSize, keys.contextLength, 1, false, keys.layerNorm(), 1, blocks);
        return ModelConfig.of(this, decoder, keys.ropes, json, false, 0);
    }

    @Override
    public Origin.InRows origin(ModelConfig config, ParameterSpec spec, String root) {
        return switch (spec.module()) {
            case "qkv" -> queryKeyValue(config, spec, root);
            case "up" -> Origin.tensor(NAMES.name(spec, root, "up"), spec);
            default -> NAMES.origin(config, spec, root);
        };
    }

    /** Stored as [head][query, key, value][n]. */
    private static Origin.InRows queryKeyValue(ModelConfig config, ParameterSpec spec, String root) {
        AttentionConfig a = LlamaNames.attention(config, spec);
        String name = LlamaNames.block(spec, root) + "attention.query_key_value." + spec.kind();
        Origin.Part all = Origin.rows(name, spec, spec.rows());
        List<Origin.Part> parts = new ArrayList<>();
        for (int i = 0; i < 3 * a.heads(); i++) {
            int part = i / a.heads();
            int head = i % a.heads();
            long first = (3L * head + part) * a.headSize() * spec.cols();
            parts.add(new Origin.Part(name, all.shape(), a.headSize(), first, spec.cols(), 1));
        }
        return new Origin.InRows(parts, false);
    }

    @Override
    public List<String> roots() {
        return List.of("gpt_neox.");
    }

    /** Causal masks that old versions stored as if they were weights. */
    @Override
    public boolean isBuffer(String name) {
        return name.matches("layers\\.\\d+\\.attention\\.(bias|masked_bias)") || Family.super.isBuffer(name);
    }
}
