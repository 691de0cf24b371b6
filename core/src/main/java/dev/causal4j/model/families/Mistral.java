package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;
import java.util.List;

/** Mistral (Jiang et al. 2023): Llama with a window in every layer. */
final class Mistral implements Family {
    @Override
    public String type() {
        return "mistral";
    }

    @Override
    public ModelConfig read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 8, 0, 1e4, 1e-6));
        boolean mixed = json.strings("layer_types").stream().distinct().count() > 1;
        json.support("layer_types", !mixed, "one type for all layers");
        int window = keys.window(4096);
        RopeConfig rope = keys.rope();
        List<BlockConfig> blocks =
                keys.blocks(layer -> keys.block(keys.attention(window, rope, QueryKeyNorm.NONE), keys.dense()));
        return keys.model(this, false, blocks);
    }
}
