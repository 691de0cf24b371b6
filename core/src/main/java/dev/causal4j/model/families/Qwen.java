package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.json.Json;

/**
 * Qwen 2 and 2.5: Llama with biases of queries, keys and values. Qwen 3: Llama with norms of each head's queries and
 * keys. All may have windows in the upper layers.
 */
record Qwen(String type, Names names) implements Family {
    @Override
    public Architecture read(Json json) throws FormatException {
        boolean second = type.equals("qwen2");
        Keys keys = new Keys(json, new Keys.Absent(0, 32, second ? 0 : 128, 1e4, 1e-6));
        if (second) {
            keys.qkvBias = true;
            keys.outBias = false;
        } else {
            keys.queryKeyNorm = QueryKeyNorm.HEAD;
        }
        int window = keys.windowIfUsed();
        int first = json.integer("max_window_layers", 28, 0, Architecture.MOST_LAYERS);
        return keys.model(this, layer -> layer >= first, keys.block(window), keys.block(0));
    }
}
