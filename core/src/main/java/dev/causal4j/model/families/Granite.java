package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.NormPlaces;
import dev.causal4j.decoder.BlockConfig.Residual;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;
import java.util.List;

/** Granite 3: Llama with multipliers of embedding, attention, residual and logits. */
final class Granite implements Family {
    @Override
    public String type() {
        return "granite";
    }

    @Override
    public ModelConfig read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 0, 0, 1e4, 1e-6));
        keys.onlyFullAttention();
        RopeConfig rope = keys.rope();
        boolean bias = json.bool("attention_bias", false);
        AttentionConfig attention = new AttentionConfig(
                keys.heads,
                keys.kvHeads,
                keys.headSize,
                (float) json.number("attention_multiplier", 1, -1e9, 1e9),
                0,
                0,
                rope,
                QueryKeyNorm.NONE,
                bias,
                bias,
                false);
        float residual = (float) json.number("residual_multiplier", 1, -1e9, 1e9);
        Dense dense = keys.dense();
        List<BlockConfig> blocks = keys.blocks(layer ->
                new BlockConfig(attention, dense, keys.norm(), NormPlaces.BEFORE, Residual.SEQUENTIAL, residual));
        float embedding = (float) json.number("embedding_multiplier", 1, -1e9, 1e9);
        float hidden = (float) (1 / json.number("logits_scaling", 1, 1e-9, 1e9));
        DecoderConfig decoder =
                new DecoderConfig(keys.hiddenSize, keys.contextLength, embedding, false, keys.norm(), hidden, blocks);
        return ModelConfig.of(this, decoder, keys.ropes, json, false, 0);
    }
}
