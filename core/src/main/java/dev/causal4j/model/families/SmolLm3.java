package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;
import java.util.List;

/** SmolLM 3: Llama whose every fourth layer has no positions. */
final class SmolLm3 implements Family {
    @Override
    public String type() {
        return "smollm3";
    }

    @Override
    public ModelConfig read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 4, 0, 2e6, 1e-6));
        int window = keys.windowIfUsed(4096);
        int interval = json.integer("no_rope_layer_interval", 4, 1, ModelConfig.MOST_LAYERS);
        List<Integer> rotates = json.integers("no_rope_layers"); // 1 where a layer rotates
        json.check("no_rope_layers", rotates.isEmpty() || rotates.size() == keys.layers, keys.layers + " values");
        RopeConfig rope = keys.rope();
        List<BlockConfig> blocks = keys.blocks(layer -> {
            boolean turns = rotates.isEmpty() ? (layer + 1) % interval != 0 : rotates.get(layer) != 0;
            int own = keys.isLocal(layer, !turns) ? window : 0;
            return keys.block(keys.attention(own, turns ? rope : null, QueryKeyNorm.NONE), keys.dense());
        });
        return keys.model(this, true, blocks);
    }
}
