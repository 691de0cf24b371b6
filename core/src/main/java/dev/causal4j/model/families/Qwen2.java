package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;
import java.util.List;

/** Qwen 2 and 2.5: Llama with biases of queries, keys and values, and perhaps windows in the upper layers. */
final class Qwen2 implements Family {
    @Override
    public String type() {
        return "qwen2";
    }

    @Override
    public ModelConfig read(Json json) throws FormatException {
        Keys keys = new Keys(json, new Keys.Absent(0, 32, 0, 1e4, 1e-6));
        int window = keys.windowIfUsed(4096);
        int first = json.integer("max_window_layers", 28, 0, ModelConfig.MOST_LAYERS);
        RopeConfig rope = keys.rope();
        List<BlockConfig> blocks = keys.blocks(layer -> {
            int own = keys.isLocal(layer, layer >= first) ? window : 0;
            AttentionConfig attention = new AttentionConfig(
                    keys.heads,
                    keys.kvHeads,
                    keys.headSize,
                    keys.scale(),
                    0,
                    own,
                    rope,
                    QueryKeyNorm.NONE,
                    true,
                    false,
                    false);
            return keys.block(attention, keys.dense());
        });
        return keys.model(this, false, blocks);
    }
}
